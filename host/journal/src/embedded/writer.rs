//! The thread that writes.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use waystation_core::{Clock, Sequence, limits};

use super::Bounds;
use super::answers::Answers;
use super::change::Request;
use super::error;
use super::events;
use super::folder::Lock;
use super::group::Group;
use super::identities::Recent;
use super::log::Log;
use super::published::Published;
use super::queue::Queue;
use crate::Error;

/// Owns the connection that writes. It takes all that waits, puts it into one
/// transaction, commits once, and answers all: the more waits, the more share
/// the cost of the fsync.
pub(super) struct Writer {
    connection: Connection,
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    published: Arc<Published>,
    answers: Answers,
    head: Sequence,
    log: Log,
    /// Whether the last group made the file shorter, once its log is moved into it.
    shortened: bool,
    failed: Option<Error>,
    /// Held as long as the connection, and let go after it.
    _lock: Lock,
}

impl Writer {
    pub(super) fn new(
        mut connection: Connection,
        bounds: Bounds,
        clock: Arc<dyn Clock>,
        queue: Arc<Queue>,
        lock: Lock,
    ) -> rusqlite::Result<Self> {
        let (head, _) = events::head(&connection)?;
        let identities = Recent::read(&connection, bounds.identities)?;
        Ok(Self {
            log: Log::of(&mut connection, bounds.log_bytes)?,
            connection,
            clock,
            queue,
            answers: Answers::on_current_runtime(),
            published: Arc::new(Published::new(head, identities)),
            head,
            shortened: false,
            failed: None,
            _lock: lock,
        })
    }

    pub(super) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    /// Writes until the queue is closed and empty, and closes the file. A panic
    /// fails the journal, so that nobody waits for an answer that never comes.
    pub(super) fn run(self) -> Result<(), Error> {
        let (queue, published) = (Arc::clone(&self.queue), self.published());
        let answers = Answers::at_once();
        panic::catch_unwind(AssertUnwindSafe(|| self.serve())).unwrap_or_else(|_| {
            let error = Error::Poisoned("its writer panicked".to_owned());
            published.fail(error.to_string());
            queue.close(error.clone());
            while let Some(requests) = queue.take(limits::GROUP_OPERATIONS_MAX, 0) {
                answers.give(requests, Err(error.clone()));
            }
            Err(error)
        })
    }

    fn serve(mut self) -> Result<(), Error> {
        let mut last = 0;
        while let Some(requests) = self.queue.take(limits::GROUP_OPERATIONS_MAX, last) {
            last = requests
                .iter()
                .map(|request| request.size().operations)
                .sum();
            self.write(requests);
            if self.failed.is_none()
                && (self.log.is_long() || self.shortened)
                && let Err(error) = self.log.move_into_file(&self.connection, "PASSIVE")
            {
                self.poison(error::poisoned(&error));
            }
            self.shortened = false;
        }
        self.finish()
    }

    /// Commits requests as one group, and answers them.
    fn write(&mut self, mut requests: Vec<Box<dyn Request>>) {
        let committed = match &self.failed {
            Some(failed) => Err(failed.clone()),
            None => self.commit(&mut requests).map_err(|error| self.undo(error)),
        };
        self.answers.give(requests, committed);
    }

    fn commit(&mut self, requests: &mut [Box<dyn Request>]) -> rusqlite::Result<()> {
        let recent = self.published.identities();
        let mut group = Group::begin(&self.connection, self.clock.now(), self.head, recent)?;
        for request in requests {
            request.make(&mut group)?;
        }
        let changed = group.commit()?;
        if let Some(newest) = changed.appended.last() {
            self.head = newest.sequence;
        }
        self.shortened = changed.shortened;
        self.published.commit(changed);
        Ok(())
    }

    /// Stores the identities that are in memory.
    fn index_all(&self) -> rusqlite::Result<()> {
        let recent = self.published.identities();
        if recent.is_empty() {
            return Ok(());
        }
        let mut group = Group::begin(&self.connection, self.clock.now(), self.head, recent)?;
        group.index_all()?;
        group
            .commit()
            .map(|changed| recent.commit(changed.identities))
    }

    /// Rolls a failed group back, and decides whether the journal may go on.
    fn undo(&mut self, error: rusqlite::Error) -> Error {
        let mut error = error::of_write(error);
        // SQLite rolls back by itself on some errors.
        if !self.connection.is_autocommit()
            && let Err(failure) = self.connection.execute_batch("ROLLBACK")
        {
            error = error::poisoned(&failure);
        }
        if matches!(error, Error::Poisoned(_)) {
            self.poison(error.clone());
        }
        error
    }

    /// Takes nothing more. What waits in the queue is refused as well.
    fn poison(&mut self, error: Error) {
        tracing::error!(%error, "the journal failed");
        self.queue.close(error.clone());
        self.published.fail(error.to_string());
        self.failed = Some(error);
    }

    /// Leaves one whole file behind, without a log beside it if there is room.
    fn finish(mut self) -> Result<(), Error> {
        if let Some(failed) = self.failed {
            // The log stays as it is: only the recovery of the next start can
            // tell what of it reached the disk.
            return Err(failed);
        }
        match self.index_all().map_err(|error| self.undo(error)) {
            // The next start finds them in the events.
            Ok(()) | Err(Error::Full | Error::NoSpace(_)) => {}
            Err(error) => return Err(error),
        }
        let close = || {
            self.log.move_into_file(&self.connection, "TRUNCATE")?;
            self.connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
            self.connection.close().map_err(|(_, error)| error)
        };
        close().map_err(error::of_write)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::sync::oneshot::Receiver;
    use waystation_core::{Event, ManualClock, Timestamp};

    use super::super::change::{Change, Size};
    use super::super::{folder, schema};
    use super::*;
    use crate::Appended;

    type Answer = Receiver<Result<Vec<Appended>, Error>>;

    struct Bench {
        folder: tempfile::TempDir,
        queue: Arc<Queue>,
        clock: Arc<dyn Clock>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
                queue: Arc::new(Queue::new(1_000, 1_000_000)),
                clock: Arc::new(ManualClock::default()),
            }
        }

        fn writer(&self) -> Writer {
            let lock = folder::take(self.folder.path()).unwrap();
            let connection = schema::open(self.folder.path()).unwrap();
            let (clock, queue) = (Arc::clone(&self.clock), Arc::clone(&self.queue));
            Writer::new(connection, Bounds::default(), clock, queue, lock).unwrap()
        }

        /// Asks for a batch of events with these ids and bytes of data.
        fn append(&self, events: &[(&str, usize)]) -> Answer {
            let event = |(id, data_bytes): &(&str, usize)| Event {
                id: (*id).to_owned(),
                data: Some(vec![7; *data_bytes].into()),
                ..Event::default()
            };
            let events = events.iter().map(event).collect();
            let (request, answer) = Change::request(Size::ONE, |group| group.append(events));
            self.queue.push(request).unwrap();
            answer
        }
    }

    /// The sequence of the first event of a batch.
    fn sequence(answer: Answer) -> Result<u64, Error> {
        Ok(answer.blocking_recv().unwrap()?.first().unwrap().sequence.0)
    }

    #[test]
    fn all_that_waits_shares_a_commit() {
        let bench = Bench::new();
        let answers: Vec<_> = (0..100)
            .map(|n| bench.append(&[(&n.to_string(), 10)]))
            .collect();
        bench.queue.close(Error::Closed);
        let writer = bench.writer();
        let published = writer.published();
        writer.run().unwrap();
        assert_eq!(published.commits(), 1);
        let sequences: Vec<_> = answers.into_iter().map(|a| sequence(a).unwrap()).collect();
        assert_eq!(sequences, (1..=100).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_disk_stores_nothing_and_the_journal_goes_on() {
        let bench = Bench::new();
        let writer = bench.writer();
        let published = writer.published();
        writer
            .connection
            .pragma_update(None, "max_page_count", 40)
            .unwrap();
        let thread = thread::spawn(|| writer.run());
        assert_eq!(sequence(bench.append(&[("a", 10)])).unwrap(), 1);
        let refused = sequence(bench.append(&[("b", 10), ("large", 1_000_000)]));
        assert!(matches!(refused, Err(Error::NoSpace(_))), "{refused:?}");
        assert_eq!(sequence(bench.append(&[("c", 10), ("b", 10)])).unwrap(), 2);
        assert_eq!(*published.head().borrow(), Sequence(3));
        assert_eq!(*published.failed().borrow(), None);
        bench.queue.close(Error::Closed);
        thread.join().unwrap().unwrap();
    }

    #[test]
    fn a_write_that_failed_is_the_last() {
        let bench = Bench::new();
        let writer = bench.writer();
        let published = writer.published();
        writer
            .connection
            .pragma_update(None, "query_only", true)
            .unwrap();
        let answers = [bench.append(&[("a", 10)]), bench.append(&[("b", 10)])];
        let ended = writer.run();
        assert!(matches!(ended, Err(Error::Poisoned(_))), "{ended:?}");
        for answer in answers {
            assert!(matches!(sequence(answer), Err(Error::Poisoned(_))));
        }
        assert!(published.failed().borrow().is_some());
        let (request, _answer) = Change::request(Size::ONE, |_| Ok(()));
        assert!(matches!(bench.queue.push(request), Err(Error::Poisoned(_))));
        bench.queue.close(Error::Closed);
    }

    struct Broken;

    impl Clock for Broken {
        fn now(&self) -> Timestamp {
            panic!("the clock is broken")
        }
    }

    #[test]
    fn a_panic_is_answered_like_a_failed_write() {
        let bench = Bench {
            clock: Arc::new(Broken),
            ..Bench::new()
        };
        let first = bench.append(&[("a", 10)]);
        let writer = bench.writer();
        let published = writer.published();
        assert!(matches!(writer.run(), Err(Error::Poisoned(_))));
        assert!(first.blocking_recv().is_err());
        assert!(published.failed().borrow().is_some());
        let (request, _answer) = Change::request(Size::ONE, |_| Ok(()));
        assert!(matches!(bench.queue.push(request), Err(Error::Poisoned(_))));
    }
}
