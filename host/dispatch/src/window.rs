//! Deliveries in memory, bounded in number and in bytes.

use std::collections::BTreeMap;

use waystation_core::{Sequence, limits};
use waystation_journal::Entry;

/// Deliveries of one subscription that are held in memory.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The bytes of each one's event.
    deliveries: BTreeMap<Sequence, usize>,
    bytes: usize,
}

impl Window {
    pub(crate) fn insert(&mut self, entry: &Entry) {
        let bytes = entry.event.size_bytes();
        let before = self.deliveries.insert(entry.sequence, bytes);
        self.bytes = self.bytes + bytes - before.unwrap_or(0);
    }

    pub(crate) fn remove(&mut self, sequence: Sequence) {
        self.bytes -= self.deliveries.remove(&sequence).unwrap_or(0);
    }

    pub(crate) fn contains(&self, sequence: Sequence) -> bool {
        self.deliveries.contains_key(&sequence)
    }

    pub(crate) fn len(&self) -> usize {
        self.deliveries.len()
    }

    pub(crate) fn sequences(&self) -> impl Iterator<Item = Sequence> {
        self.deliveries.keys().copied()
    }

    /// Whether another delivery may be held.
    pub(crate) fn has_room(&self) -> bool {
        self.deliveries.len() < limits::WINDOW_DELIVERIES && self.bytes < limits::WINDOW_BYTES
    }

    /// Whether at least half of the room is free.
    pub(crate) fn is_half_empty(&self) -> bool {
        self.deliveries.len() <= limits::WINDOW_DELIVERIES / 2
            && self.bytes <= limits::WINDOW_BYTES / 2
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use waystation_core::{Event, Timestamp};

    use super::*;

    fn entry(sequence: u64, size_bytes: usize) -> Entry {
        Entry {
            sequence: Sequence(sequence),
            accepted: Timestamp::default(),
            depth: 0,
            cause: None,
            event: Event {
                data: Some(Bytes::from(vec![0; size_bytes])),
                ..Event::default()
            },
        }
    }

    #[test]
    fn is_full_at_so_many_deliveries() {
        let mut window = Window::default();
        for sequence in 1..=limits::WINDOW_DELIVERIES as u64 {
            assert!(window.has_room());
            window.insert(&entry(sequence, 0));
        }
        assert!(!window.has_room());
        window.remove(Sequence(1));
        assert!(window.has_room() && !window.is_half_empty());
    }

    #[test]
    fn is_full_at_so_many_bytes() {
        let mut window = Window::default();
        window.insert(&entry(1, limits::WINDOW_BYTES / 2));
        assert!(window.is_half_empty());
        window.insert(&entry(2, limits::WINDOW_BYTES / 2));
        assert!(!window.has_room());
        window.insert(&entry(2, 1));
        assert!(window.has_room() && !window.is_half_empty());
        window.remove(Sequence(1));
        window.remove(Sequence(1));
        assert!(window.is_half_empty());
    }
}
