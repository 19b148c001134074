//! The newest events, in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use waystation_core::Sequence;

use crate::Entry;

/// The newest events without a gap, as many as its bounds allow.
pub(super) struct Tail {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    events_max: usize,
    bytes_max: usize,
    head: Sequence,
}

impl Tail {
    /// An empty tail behind the event at `head`.
    pub(super) fn new(head: Sequence, events_max: usize, bytes_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            events_max,
            bytes_max,
            head,
        }
    }

    /// Adds the events that follow, and lets go of the oldest.
    pub(super) fn extend(&mut self, entries: Vec<Arc<Entry>>) {
        for entry in entries {
            self.head = entry.sequence;
            self.bytes += entry.event.size_bytes();
            self.entries.push_back(entry);
        }
        while (self.entries.len() > self.events_max || self.bytes > self.bytes_max)
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= oldest.event.size_bytes();
        }
    }

    /// Lets go of the events up to a sequence: some of them are no longer there.
    pub(super) fn forget(&mut self, to: Sequence) {
        while let Some(oldest) = self.entries.pop_front_if(|oldest| oldest.sequence <= to) {
            self.bytes -= oldest.event.size_bytes();
        }
    }

    /// The events after a sequence, as [`Journal::read`](crate::Journal::read)
    /// gives them back; none if some of them are only on disk.
    pub(super) fn after(
        &self,
        after: Sequence,
        events_max: usize,
        bytes_max: usize,
    ) -> Option<Vec<Arc<Entry>>> {
        if after >= self.head {
            return Some(Vec::new());
        }
        let skipped = self.index_of(Sequence(after.0 + 1))?;
        let mut bytes = 0;
        let found = self.entries.iter().skip(skipped).take(events_max);
        Some(
            found
                .take_while(|entry| {
                    let wanted = bytes < bytes_max;
                    bytes += entry.event.size_bytes();
                    wanted
                })
                .cloned()
                .collect(),
        )
    }

    /// The event at a sequence, if it is among the newest.
    pub(super) fn at(&self, sequence: Sequence) -> Option<Arc<Entry>> {
        self.entries.get(self.index_of(sequence)?).cloned()
    }

    fn index_of(&self, sequence: Sequence) -> Option<usize> {
        let oldest = self.entries.front()?.sequence;
        usize::try_from(sequence.0.checked_sub(oldest.0)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use waystation_core::{Event, Timestamp};

    use super::*;

    /// An event of 10 bytes.
    fn entry(sequence: u64) -> Arc<Entry> {
        Arc::new(Entry {
            sequence: Sequence(sequence),
            accepted: Timestamp::default(),
            depth: 0,
            cause: None,
            event: Event {
                id: format!("{sequence:010}"),
                ..Event::default()
            },
        })
    }

    /// The tail of events 6 to `newest`, for 4 events or 100 bytes.
    fn tail(newest: u64) -> Tail {
        let mut tail = Tail::new(Sequence(5), 4, 100);
        tail.extend((6..=newest).map(entry).collect());
        tail
    }

    fn check(tail: &Tail, after: u64, expected: Option<&[u64]>) {
        let found = tail.after(Sequence(after), 10, 1_000);
        let found = found.map(|found| found.iter().map(|e| e.sequence.0).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), expected, "after {after}");
    }

    #[test]
    fn gives_what_it_holds_and_nothing_with_a_gap() {
        check(&tail(5), 4, None);
        check(&tail(5), 5, Some(&[]));
        check(&tail(8), 4, None);
        check(&tail(8), 5, Some(&[6, 7, 8]));
        check(&tail(8), 7, Some(&[8]));
        check(&tail(8), 8, Some(&[]));
        check(&tail(8), 9, Some(&[]));
        check(&tail(12), 7, None);
        check(&tail(12), 8, Some(&[9, 10, 11, 12]));
    }

    #[test]
    fn ends_a_read_at_its_bounds() {
        let found = |events_max, bytes_max| {
            let found = tail(9).after(Sequence(5), events_max, bytes_max);
            found.map(|found| found.len())
        };
        assert_eq!(found(2, 1_000), Some(2));
        assert_eq!(found(10, 1), Some(1));
        assert_eq!(found(10, 20), Some(2));
        assert_eq!(found(10, 21), Some(3));
        assert_eq!(found(0, 1_000), Some(0));
    }

    #[test]
    fn lets_go_of_the_oldest_by_bytes_too() {
        let mut tail = Tail::new(Sequence(0), 100, 25);
        tail.extend((1..=5).map(entry).collect());
        check(&tail, 2, None);
        check(&tail, 3, Some(&[4, 5]));
        assert!(tail.at(Sequence(3)).is_none());
        assert_eq!(tail.at(Sequence(4)), Some(entry(4)));
        assert!(tail.at(Sequence(6)).is_none());
        assert_eq!(tail.bytes, 20);
    }
}
