//! The connections that read.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use waystation_core::limits;

use super::{OpenError, error, schema};
use crate::Error;

/// A pool of connections that read, each on a thread of its own while it does.
pub(super) struct Readers {
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn open(folder: &Path) -> Result<Self, OpenError> {
        let idle = (0..limits::JOURNAL_READERS)
            .map(|_| schema::open_reader(folder))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            free: Arc::new(Semaphore::new(idle.len())),
            idle: Arc::new(Mutex::new(idle)),
        })
    }

    /// Runs a query as soon as a connection is free.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let free = Arc::clone(&self.free);
        let permit = free.acquire_owned().await.map_err(|_| Error::Closed)?;
        let idle = Arc::clone(&self.idle);
        let reading = tokio::task::spawn_blocking(move || {
            let connection = lock(&idle).pop().ok_or(Error::Closed)?;
            let result = query(&connection).map_err(error::of_read);
            lock(&idle).push(connection);
            drop(permit);
            result
        });
        reading
            .await
            .map_err(|error| Error::Store(format!("a read of the journal was cut off: {error}")))?
    }

    pub(super) fn is_closed(&self) -> bool {
        self.free.is_closed()
    }

    /// Waits for the queries that run, and ends.
    pub(super) async fn close(&self) {
        let all = u32::try_from(limits::JOURNAL_READERS).unwrap_or(u32::MAX);
        // An error means that it is closed, which is what is wanted.
        let permits = self.free.acquire_many(all).await;
        self.end();
        drop(permits);
    }

    /// Begins no further query, and closes the connections that run none.
    pub(super) fn end(&self) {
        self.free.close();
        lock(&self.idle).clear();
    }
}

fn lock(idle: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
