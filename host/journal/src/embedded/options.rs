//! What an embedded journal is opened with, and why it is not opened.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use waystation_core::{Clock, limits};

/// What an embedded journal is opened with.
#[derive(Clone)]
pub struct Options {
    /// The data folder. It is made if it is not there, for the owner alone.
    pub folder: PathBuf,
    /// Where the time of acceptance comes from.
    pub clock: Arc<dyn Clock>,
}

/// What an embedded journal keeps beside its file. Tests want small bounds, which
/// are reached often.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The bytes of the write-ahead log after which it is moved into the file.
    pub log_bytes: usize,
    /// The identities of the newest events that are kept in memory.
    pub identities: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            log_bytes: limits::JOURNAL_WAL_BYTES,
            identities: limits::RECENT_IDENTITIES,
        }
    }
}

/// Why a journal was not opened. Its file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data folder cannot be made, read or written.
    #[error("cannot use the data folder `{}`: {source}", folder.display())]
    Folder {
        /// The data folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has the folder open.
    #[error(
        "another host is using the data folder `{}`: stop it, or give each host a folder of its own",
        .0.display()
    )]
    InUse(PathBuf),
    /// The file is something else.
    #[error(
        "`{}` is not a journal of Waystation: move it away or choose another data folder",
        .0.display()
    )]
    Foreign(PathBuf),
    /// A newer host wrote it.
    #[error(
        "the journal `{}` has format {found} and this host knows formats up to {known}: \
         start the newer host that wrote it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this host knows.
        known: u32,
    },
    /// Its content contradicts itself.
    #[error(
        "the journal `{}` is damaged ({reason}): put a backup in its place, or move it away to \
         begin anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("cannot open the journal `{}`: {reason}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}
