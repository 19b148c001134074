//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use waystation_core::limits;

use super::change::Request;
use crate::Error;

/// A bounded queue of requests, which is full at once and never waits.
pub(super) struct Queue {
    requests_max: usize,
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

struct Waiting {
    requests: VecDeque<Box<dyn Request>>,
    operations: usize,
    bytes: usize,
    /// The operations that the writer waits for.
    wanted: usize,
    /// Why nothing more is taken in.
    closed: Option<Error>,
}

impl Queue {
    pub(super) fn new(requests_max: usize, bytes_max: usize) -> Self {
        Self {
            requests_max,
            bytes_max,
            waiting: Mutex::new(Waiting {
                requests: VecDeque::new(),
                operations: 0,
                bytes: 0,
                wanted: 0,
                closed: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Puts a request at the end. One that is larger than all that may wait is
    /// taken if no bytes wait, since it would never be otherwise.
    pub(super) fn push(&self, request: Box<dyn Request>) -> Result<(), Error> {
        let mut waiting = self.lock();
        if let Some(reason) = &waiting.closed {
            return Err(reason.clone());
        }
        let bytes = waiting.bytes.saturating_add(request.size().bytes);
        let fits = request.size().bytes == 0 || waiting.bytes == 0 || bytes <= self.bytes_max;
        if waiting.requests.len() >= self.requests_max || !fits {
            return Err(Error::Full);
        }
        waiting.bytes = bytes;
        let before = waiting.operations;
        waiting.operations = before.saturating_add(request.size().operations);
        // Only then is the writer waiting for this one; to notify it costs a system
        // call.
        let completes = before < waiting.wanted && waiting.operations >= waiting.wanted;
        let is_first = waiting.requests.is_empty();
        waiting.requests.push_back(request);
        drop(waiting);
        if is_first || completes {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Takes the oldest requests, as many as hold `operations_max` operations
    /// but at least one. Waits while there is none; none for ever if the queue
    /// is closed and empty. Once there is one it waits for others, until there are
    /// `wanted` operations, but no longer than [`limits::GROUP_WAIT`].
    pub(super) fn take(
        &self,
        operations_max: usize,
        wanted: usize,
    ) -> Option<Vec<Box<dyn Request>>> {
        let mut waiting = self.lock();
        while waiting.requests.is_empty() {
            if waiting.closed.is_some() {
                return None;
            }
            waiting = self
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        waiting.wanted = wanted.min(operations_max);
        let is_short =
            |waiting: &mut Waiting| waiting.operations < waiting.wanted && waiting.closed.is_none();
        let (mut waiting, _) = self
            .changed
            .wait_timeout_while(waiting, limits::GROUP_WAIT, is_short)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.wanted = 0;
        let mut taken = Vec::new();
        let mut operations = 0_usize;
        while let Some(next) = waiting.requests.front() {
            let size = next.size();
            operations = operations.saturating_add(size.operations);
            if operations > operations_max && !taken.is_empty() {
                break;
            }
            waiting.bytes = waiting.bytes.saturating_sub(size.bytes);
            waiting.operations = waiting.operations.saturating_sub(size.operations);
            taken.extend(waiting.requests.pop_front());
        }
        Some(taken)
    }

    /// Takes nothing more in, for this reason; the first one stands.
    pub(super) fn close(&self, reason: Error) {
        self.lock().closed.get_or_insert(reason);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No step between lock and unlock can leave the queue half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::{Change, Size};
    use super::*;

    fn request(operations: usize, bytes: usize) -> Box<dyn Request> {
        Change::request(Size { operations, bytes }, |_| Ok(())).0
    }

    /// Pushes requests of these bytes onto a queue for 3 requests and 100 bytes.
    fn check(bytes: &[usize], taken_in: &[bool]) {
        let queue = Queue::new(3, 100);
        let found: Vec<bool> = bytes
            .iter()
            .map(|bytes| match queue.push(request(1, *bytes)) {
                Ok(()) => true,
                Err(Error::Full) => false,
                Err(other) => panic!("{other}"),
            })
            .collect();
        assert_eq!(found, taken_in, "{bytes:?}");
    }

    #[test]
    fn is_full_at_its_bounds() {
        check(&[0, 0, 0, 0], &[true, true, true, false]);
        check(&[60, 40, 1, 0], &[true, true, false, true]);
        check(&[101, 1, 0], &[true, false, true]);
    }

    #[test]
    fn what_was_taken_makes_room() {
        let queue = Queue::new(1, 100);
        for _ in 0..3 {
            queue.push(request(1, 100)).unwrap();
            assert!(matches!(queue.push(request(1, 0)), Err(Error::Full)));
            assert_eq!(queue.take(10, 0).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_group_ends_at_its_bound_but_is_never_empty() {
        let queue = Queue::new(10, 100);
        for operations in [9, 2, 8, 50, 1] {
            queue.push(request(operations, 0)).unwrap();
        }
        queue.close(Error::Closed);
        let mut groups = Vec::new();
        while let Some(group) = queue.take(10, 0) {
            groups.push(group.len());
        }
        assert_eq!(groups, [1, 2, 1, 1]);
    }

    #[test]
    fn the_first_reason_to_close_stands() {
        let queue = Queue::new(10, 100);
        queue.close(Error::Poisoned("fsync".into()));
        queue.close(Error::Closed);
        assert!(matches!(queue.push(request(1, 0)), Err(Error::Poisoned(_))));
        assert!(queue.take(10, 0).is_none());
    }
}
