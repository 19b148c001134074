//! Lanes: one delivery at a time for each ordering key.

use std::collections::{BTreeSet, HashMap, VecDeque};

use waystation_core::Sequence;

/// The lanes of one subscription that are not free.
///
/// A lane is busy while one of its deliveries runs or is being settled: what
/// comes meanwhile queues up in memory. A lane is held while one of its
/// deliveries waits for another attempt, which may take long: what comes
/// meanwhile is left in the journal and read again when the lane opens, so that
/// a failing lane takes no room from the others.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    lanes: HashMap<String, Lane<T>>,
}

#[derive(Debug)]
struct Lane<T> {
    busy: bool,
    held: BTreeSet<Sequence>,
    queue: VecDeque<(Sequence, T)>,
    /// From this one on, its deliveries are in the journal only.
    left: Option<Sequence>,
}

/// The deliveries of one lane that are kept in memory, and read from the journal
/// at once: a busy lane takes no more of its subscription's room than this.
pub(crate) const LANE_BATCH: usize = 64;

/// What becomes of a new delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entered<T> {
    /// It may run now.
    Run(T),
    /// It waits in memory for its turn.
    Queued,
    /// It was left in the journal.
    Left,
}

/// What a lane does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<T> {
    /// Nothing: it is free, or held.
    Nothing,
    /// It lets this one run.
    Run(T),
    /// It must read its deliveries from this one on.
    Read(Sequence),
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
            left: None,
        }
    }
}

impl<T> Lane<T> {
    /// Decides what comes next once the lane is not busy any more.
    fn next(&mut self) -> Next<T> {
        if !self.held.is_empty() {
            return Next::Nothing;
        }
        if let Some((_, delivery)) = self.queue.pop_front() {
            self.busy = true;
            return Next::Run(delivery);
        }
        match self.left {
            Some(from) => {
                self.busy = true;
                Next::Read(from)
            }
            None => Next::Nothing,
        }
    }

    /// Leaves what queued up in the journal. Gives back what it was.
    fn leave_queue(&mut self) -> Vec<Sequence> {
        let dropped: Vec<Sequence> = self.queue.drain(..).map(|(sequence, _)| sequence).collect();
        self.left = dropped.first().copied().into_iter().chain(self.left).min();
        dropped
    }

    fn is_free(&self) -> bool {
        !self.busy && self.held.is_empty() && self.queue.is_empty() && self.left.is_none()
    }
}

impl<T> Lanes<T> {
    /// Whether a lane is not free.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.lanes.contains_key(key)
    }

    /// The first delivery that was left in the journal.
    pub(crate) fn first_left(&self) -> Option<Sequence> {
        self.lanes.values().filter_map(|lane| lane.left).min()
    }

    /// Lets a new delivery into its lane.
    pub(crate) fn enter(&mut self, key: &str, sequence: Sequence, delivery: T) -> Entered<T> {
        let Some(lane) = self.lanes.get_mut(key) else {
            let lane = Lane {
                busy: true,
                ..Lane::default()
            };
            self.lanes.insert(key.to_owned(), lane);
            return Entered::Run(delivery);
        };
        if !lane.held.is_empty() || lane.left.is_some() || lane.queue.len() >= LANE_BATCH {
            lane.left.get_or_insert(sequence);
            return Entered::Left;
        }
        lane.queue.push_back((sequence, delivery));
        Entered::Queued
    }

    /// Lets a delivery that waited for another attempt run, unless its lane is
    /// busy.
    pub(crate) fn resume(&mut self, key: &str, sequence: Sequence) -> bool {
        let lane = self.lanes.entry(key.to_owned()).or_default();
        lane.held.insert(sequence);
        !std::mem::replace(&mut lane.busy, true)
    }

    /// Holds a lane for a delivery that waits for another attempt.
    pub(crate) fn hold(&mut self, key: &str, sequence: Sequence) {
        let lane = self.lanes.entry(key.to_owned()).or_default();
        lane.held.insert(sequence);
    }

    /// The delivery that ran was settled and `waits` for another attempt or not.
    /// Gives back what comes next, and what is not in memory any more.
    pub(crate) fn leave(
        &mut self,
        key: &str,
        sequence: Sequence,
        waits: bool,
    ) -> (Next<T>, Vec<Sequence>) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return (Next::Nothing, Vec::new());
        };
        if waits {
            lane.held.insert(sequence);
        } else {
            lane.held.remove(&sequence);
        }
        self.settle(key)
    }

    /// What a lane had left was read: these, and from `left` on there is more.
    /// Gives back what comes next, and what is not in memory any more.
    pub(crate) fn read(
        &mut self,
        key: &str,
        deliveries: Vec<(Sequence, T)>,
        left: Option<Sequence>,
    ) -> (Next<T>, Vec<Sequence>) {
        let lane = self.lanes.entry(key.to_owned()).or_default();
        lane.queue.extend(deliveries);
        lane.left = left;
        self.settle(key)
    }

    /// The reading came to nothing; it must be asked for again.
    pub(crate) fn unread(&mut self, key: &str) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.busy = false;
        }
    }

    /// What the lanes do next that are not busy: those whose reading came to
    /// nothing read again.
    pub(crate) fn rouse(&mut self) -> Vec<(String, Next<T>)> {
        let idle = self.lanes.iter_mut().filter(|(_, lane)| !lane.busy);
        idle.map(|(key, lane)| (key.clone(), lane.next())).collect()
    }

    /// Decides what a lane does that was busy until now.
    fn settle(&mut self, key: &str) -> (Next<T>, Vec<Sequence>) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return (Next::Nothing, Vec::new());
        };
        lane.busy = false;
        let dropped = if lane.held.is_empty() {
            Vec::new()
        } else {
            lane.leave_queue()
        };
        let next = lane.next();
        if lane.is_free() {
            self.lanes.remove(key);
        }
        (next, dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(n: u64) -> Sequence {
        Sequence(n)
    }

    fn enter(lanes: &mut Lanes<u64>, key: &str, n: u64) -> Entered<u64> {
        lanes.enter(key, sequence(n), n)
    }

    fn leave(lanes: &mut Lanes<u64>, key: &str, n: u64, waits: bool) -> Next<u64> {
        lanes.leave(key, sequence(n), waits).0
    }

    #[test]
    fn a_lane_runs_one_at_a_time_in_order() {
        let mut lanes = Lanes::default();
        assert_eq!(enter(&mut lanes, "a", 1), Entered::Run(1));
        assert_eq!(enter(&mut lanes, "a", 2), Entered::Queued);
        assert_eq!(enter(&mut lanes, "a", 3), Entered::Queued);
        assert_eq!(enter(&mut lanes, "b", 4), Entered::Run(4));
        assert_eq!(leave(&mut lanes, "a", 1, false), Next::Run(2));
        assert_eq!(leave(&mut lanes, "a", 2, false), Next::Run(3));
        assert_eq!(leave(&mut lanes, "a", 3, false), Next::Nothing);
        assert!(!lanes.contains("a"));
        assert_eq!(enter(&mut lanes, "a", 5), Entered::Run(5));
    }

    #[test]
    fn a_held_lane_keeps_nothing_in_memory_and_reads_it_again() {
        let mut lanes = Lanes::default();
        assert_eq!(enter(&mut lanes, "a", 1), Entered::Run(1));
        assert_eq!(enter(&mut lanes, "a", 2), Entered::Queued);
        let (next, dropped) = lanes.leave("a", sequence(1), true);
        assert_eq!((next, dropped), (Next::Nothing, vec![sequence(2)]));
        assert_eq!(enter(&mut lanes, "a", 3), Entered::Left);
        assert_eq!(enter(&mut lanes, "b", 4), Entered::Run(4));
        assert_eq!(lanes.first_left(), Some(sequence(2)));

        assert!(lanes.resume("a", sequence(1)));
        assert!(!lanes.resume("a", sequence(1)), "it runs already");
        assert_eq!(leave(&mut lanes, "a", 1, false), Next::Read(sequence(2)));
        assert_eq!(enter(&mut lanes, "a", 5), Entered::Left);
        let read = lanes.read("a", vec![(sequence(2), 2)], Some(sequence(3)));
        assert_eq!(read, (Next::Run(2), vec![]));
        assert_eq!(leave(&mut lanes, "a", 2, false), Next::Read(sequence(3)));
        let read = lanes.read("a", vec![(sequence(3), 3), (sequence(5), 5)], None);
        assert_eq!(read.0, Next::Run(3));
        assert_eq!(leave(&mut lanes, "a", 3, false), Next::Run(5));
        assert_eq!(leave(&mut lanes, "a", 5, false), Next::Nothing);
        assert!(!lanes.contains("a"));
    }

    #[test]
    fn a_lane_that_is_held_while_it_reads_leaves_all_again() {
        let mut lanes = Lanes::default();
        lanes.hold("a", sequence(1));
        assert_eq!(enter(&mut lanes, "a", 3), Entered::Left);
        assert!(lanes.resume("a", sequence(1)));
        assert_eq!(leave(&mut lanes, "a", 1, false), Next::Read(sequence(3)));
        // A redriven delivery comes while it reads.
        assert!(!lanes.resume("a", sequence(2)));
        let read = lanes.read("a", vec![(sequence(3), 3)], None);
        assert_eq!(read, (Next::Nothing, vec![sequence(3)]));
        assert!(lanes.resume("a", sequence(2)));
        assert_eq!(leave(&mut lanes, "a", 2, false), Next::Read(sequence(3)));
    }

    #[test]
    fn a_busy_lane_keeps_only_so_much_in_memory() {
        let mut lanes = Lanes::default();
        let bound = LANE_BATCH as u64 + 1;
        assert_eq!(enter(&mut lanes, "a", 1), Entered::Run(1));
        for n in 2..=bound {
            assert_eq!(enter(&mut lanes, "a", n), Entered::Queued);
        }
        assert_eq!(enter(&mut lanes, "a", bound + 1), Entered::Left);
        for n in 1..bound {
            assert_eq!(leave(&mut lanes, "a", n, false), Next::Run(n + 1));
        }
        let next = leave(&mut lanes, "a", bound, false);
        assert_eq!(next, Next::Read(sequence(bound + 1)));
    }

    #[test]
    fn a_reading_that_failed_is_asked_for_again() {
        let mut lanes = Lanes::default();
        lanes.hold("a", sequence(1));
        assert_eq!(enter(&mut lanes, "a", 2), Entered::Left);
        assert_eq!(
            lanes.rouse(),
            [("a".to_owned(), Next::Nothing)],
            "it is held"
        );
        assert!(lanes.resume("a", sequence(1)));
        assert_eq!(leave(&mut lanes, "a", 1, false), Next::Read(sequence(2)));
        assert!(lanes.rouse().is_empty(), "it reads");
        lanes.unread("a");
        let read = Next::Read(sequence(2));
        assert_eq!(lanes.rouse(), [("a".to_owned(), read)]);
    }
}
