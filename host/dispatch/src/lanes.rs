//! Lanes: one delivery at a time for each ordering key.

use std::collections::{BTreeSet, HashMap, VecDeque};

use waystation_core::Sequence;

/// The lanes of one subscription that are not free.
///
/// A lane is busy while one of its deliveries runs or is being settled, and
/// held while one of them waits for another attempt. What comes meanwhile
/// queues up behind it.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    lanes: HashMap<String, Lane<T>>,
}

#[derive(Debug)]
struct Lane<T> {
    busy: bool,
    held: BTreeSet<Sequence>,
    queue: VecDeque<T>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
        }
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            busy: false,
            held: BTreeSet::new(),
            queue: VecDeque::new(),
        }
    }
}

impl<T> Lanes<T> {
    /// Lets a new delivery into its lane: gives it back if it may run now, else
    /// it waits for its turn.
    pub(crate) fn enter(&mut self, key: &str, delivery: T) -> Option<T> {
        let Some(lane) = self.lanes.get_mut(key) else {
            self.lanes.insert(
                key.to_owned(),
                Lane {
                    busy: true,
                    ..Lane::default()
                },
            );
            return Some(delivery);
        };
        if lane.busy || !lane.held.is_empty() || !lane.queue.is_empty() {
            lane.queue.push_back(delivery);
            return None;
        }
        lane.busy = true;
        Some(delivery)
    }

    /// Opens all lanes: what queued up may run, in no order.
    pub(crate) fn open_all(&mut self) -> Vec<T> {
        self.lanes
            .drain()
            .flat_map(|(_, lane)| lane.queue)
            .collect()
    }

    /// Lets a delivery that waited for another attempt run, unless its lane is
    /// busy with another one.
    pub(crate) fn resume(&mut self, key: &str, sequence: Sequence) -> bool {
        let lane = self.lanes.entry(key.to_owned()).or_default();
        lane.held.insert(sequence);
        !std::mem::replace(&mut lane.busy, true)
    }

    /// Holds a lane for a delivery that waits for another attempt.
    pub(crate) fn hold(&mut self, key: &str, sequence: Sequence) {
        self.lanes
            .entry(key.to_owned())
            .or_default()
            .held
            .insert(sequence);
    }

    /// The delivery that ran was settled and `waits` for another attempt or not.
    /// Gives back the next one that may run.
    pub(crate) fn leave(&mut self, key: &str, sequence: Sequence, waits: bool) -> Option<T> {
        let lane = self.lanes.get_mut(key)?;
        lane.busy = false;
        if waits {
            lane.held.insert(sequence);
        } else {
            lane.held.remove(&sequence);
        }
        if !lane.held.is_empty() {
            return None;
        }
        let next = lane.queue.pop_front();
        if next.is_some() {
            lane.busy = true;
        } else {
            self.lanes.remove(key);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_runs_one_at_a_time_in_order() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.enter("a", 1), Some(1));
        assert_eq!(lanes.enter("a", 2), None);
        assert_eq!(lanes.enter("a", 3), None);
        assert_eq!(lanes.enter("b", 4), Some(4));
        assert_eq!(lanes.leave("a", Sequence(1), false), Some(2));
        assert_eq!(lanes.leave("a", Sequence(2), false), Some(3));
        assert_eq!(lanes.leave("a", Sequence(3), false), None);
        assert_eq!(lanes.enter("a", 5), Some(5));
    }

    #[test]
    fn a_retry_holds_back_its_lane_and_no_other() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.enter("a", 1), Some(1));
        assert_eq!(lanes.enter("a", 2), None);
        assert_eq!(lanes.leave("a", Sequence(1), true), None);
        assert_eq!(lanes.enter("a", 3), None);
        assert_eq!(lanes.enter("b", 4), Some(4));
        assert!(lanes.resume("a", Sequence(1)));
        assert!(!lanes.resume("a", Sequence(1)), "it runs already");
        assert_eq!(lanes.leave("a", Sequence(1), false), Some(2));
    }

    #[test]
    fn a_lane_that_was_held_before_a_restart_stays_held() {
        let mut lanes = Lanes::default();
        lanes.hold("a", Sequence(1));
        assert_eq!(lanes.enter("a", 2), None);
        assert!(lanes.resume("a", Sequence(1)));
        assert_eq!(lanes.leave("a", Sequence(1), false), Some(2));
    }
}
