//! Why the folder cannot be served at all.

use std::io;
use std::path::PathBuf;

/// Why the folder cannot be served at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder cannot be listed.
    #[error(
        "cannot read the handlers folder `{}`; create it, or name another one",
        path.display()
    )]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
