//! The write-ahead log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode};

use super::column::natural;

/// The write-ahead log.
///
/// SQLite could move it into the file by itself, but within a commit, whose
/// answers would wait for it, and it would ignore a failed fsync.
pub(super) struct Log {
    pages: Arc<AtomicUsize>,
    pages_max: usize,
}

impl Log {
    /// The log of a connection, which is long beyond `bytes_max` bytes.
    pub(super) fn of(connection: &mut Connection, bytes_max: usize) -> rusqlite::Result<Self> {
        let page_bytes: usize =
            connection.pragma_query_value(None, "page_size", |row| natural(row, 0))?;
        let log = Self {
            pages: Arc::default(),
            pages_max: bytes_max / page_bytes.max(1),
        };
        let pages = Arc::clone(&log.pages);
        // The hook takes the place of SQLite's own, which would move the log.
        connection.wal_hook(Some(move |_: &mut Wal, count| {
            pages.store(usize::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(log)
    }

    pub(super) fn is_long(&self) -> bool {
        self.pages.load(Ordering::Relaxed) > self.pages_max
    }

    /// Moves as much of the log into the file as can be moved now. What is left
    /// of it is as durable there as it would be in the file.
    pub(super) fn move_into_file(
        &self,
        connection: &Connection,
        mode: &str,
    ) -> rusqlite::Result<()> {
        self.pages.store(0, Ordering::Relaxed);
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        match connection.query_one(&sql, [], |_| Ok(())) {
            // A reader is in the way: the log is moved another time.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
            // There will be room another time; until then the log is what counts.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                tracing::warn!("the disk is full, so the journal's log stays as long as it is");
                Ok(())
            }
            result => result,
        }
    }
}
