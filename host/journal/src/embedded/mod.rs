//! The journal in one SQLite file, for one host.
//!
//! One thread owns the connection that writes: whatever changes something goes
//! to it through a bounded `queue`, and is answered only after the commit of the
//! `group` that it went into. Readers have connections of their own, and whoever
//! keeps up reads the newest events from memory, the `tail`.
//!
//! The tables are written down in `schema.sql`. `events`, `identities`,
//! `subscriptions`, `attempts`, `exceptions` and `state` speak the SQL about them,
//! one each, and `retention` that about what may be dropped. Each row has a
//! `checksum`.

mod answers;
mod attempts;
mod change;
mod checksum;
mod column;
mod error;
mod events;
mod exceptions;
mod folder;
mod group;
mod identities;
mod journal;
mod log;
mod options;
mod published;
mod queue;
mod readers;
mod retain;
mod retention;
mod schema;
mod state;
mod subscriptions;
mod tail;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use waystation_core::{Clock, HandlerName, limits};

use self::change::{Change, Size};
use self::group::Group;
use self::published::Published;
use self::queue::Queue;
use self::readers::Readers;
use self::writer::Writer;
use crate::{Error, SubscriptionId};

pub use self::options::{Bounds, OpenError, Options};

/// The journal in one SQLite file.
///
/// Dropping it closes it, and waits for that; what was asked for before is
/// stored first.
pub struct Embedded {
    queue: Arc<Queue>,
    published: Arc<Published>,
    readers: Readers,
    /// The handlers of all subscriptions, which the writer does not look up.
    handlers: RwLock<HashMap<SubscriptionId, HandlerName>>,
    /// Why it takes no events from outside, while it fills more than it may.
    full: RwLock<Option<Error>>,
    clock: Arc<dyn Clock>,
    writer: Mutex<Option<JoinHandle<Result<(), Error>>>>,
}

impl Embedded {
    /// Opens the journal in a data folder, and begins one if there is none. The
    /// folder is this process's own until the journal is closed.
    ///
    /// Blocks; a recovery after a crash takes as long as it takes to read the
    /// write-ahead log.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        Self::open_with_bounds(options, Bounds::default())
    }

    /// Opens it with bounds of one's own.
    pub fn open_with_bounds(options: Options, bounds: Bounds) -> Result<Self, OpenError> {
        let Options { folder, clock } = options;
        let lock = folder::take(&folder)?;
        let connection = schema::open(&folder)?;
        let path = schema::path(&folder);
        let refused = |error| schema::refused(&path, &error);
        let subscriptions = subscriptions::all(&connection).map_err(refused)?;
        let handlers = subscriptions.into_iter().map(|(id, name, _)| (id, name));
        let readers = Readers::open(&folder)?;
        let queue = Arc::new(Queue::new(limits::WRITER_REQUESTS, limits::WRITER_BYTES));
        let writer = {
            let (clock, queue) = (Arc::clone(&clock), Arc::clone(&queue));
            Writer::new(connection, bounds, clock, queue, lock).map_err(refused)?
        };
        let published = writer.published();
        let writer = thread::Builder::new()
            .name("journal-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Folder { folder, source })?;
        Ok(Self {
            queue,
            published,
            readers,
            handlers: RwLock::new(handlers.collect()),
            full: RwLock::new(None),
            clock,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// The commits since it was opened.
    pub fn commits(&self) -> u64 {
        self.published.commits()
    }

    /// Has the writer make a change, and waits until it is durable.
    async fn write<T: Send + 'static>(
        &self,
        size: Size,
        change: impl FnOnce(&mut Group<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (request, answered) = Change::request(size, change);
        self.queue.push(request)?;
        answered
            .await
            .map_err(|_| Error::Poisoned("its writer panicked".to_owned()))?
    }

    fn handler(&self, subscription: SubscriptionId) -> Result<HandlerName, Error> {
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner);
        handlers.get(&subscription).cloned().ok_or_else(|| {
            Error::Store(format!(
                "the journal has no subscription {}",
                subscription.0
            ))
        })
    }

    fn remember(&self, subscription: SubscriptionId, handler: HandlerName) {
        self.handlers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(subscription, handler);
    }

    /// Refuses events from outside while the journal fills more than it may, which
    /// is so many bytes; takes them if none is named.
    fn set_full(&self, bytes_max: Option<u64>) {
        let reason = |bytes: u64| {
            Error::NoSpace(format!(
                "it fills more than the {bytes} bytes of `retention.size`, and all that is left \
                 in it is not handled yet, a dead letter or a few minutes old: raise the limit, \
                 or see to what is stuck"
            ))
        };
        let mut full = self.full.write().unwrap_or_else(PoisonError::into_inner);
        *full = bytes_max.map(reason);
    }

    fn refuse_if_full(&self) -> Result<(), Error> {
        let full = self.full.read().unwrap_or_else(PoisonError::into_inner);
        full.clone().map_or(Ok(()), Err)
    }

    /// Takes nothing more, and gives back the thread that stores the rest.
    fn end(&self) -> Option<JoinHandle<Result<(), Error>>> {
        self.queue.close(Error::Closed);
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.readers.end();
        if let Some(writer) = self.end()
            && let Err(error) = join(writer)
        {
            tracing::error!(%error, "the journal was not closed well");
        }
    }
}

fn join(writer: JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    writer
        .join()
        .unwrap_or_else(|_| Err(Error::Poisoned("its writer panicked".to_owned())))
}
