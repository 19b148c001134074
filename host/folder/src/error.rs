//! Why the folder cannot be served at all.

use std::io;
use std::path::PathBuf;

use waystation_core::{Digest, HandlerName};

use crate::ApprovalsError;

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
    /// It is not known what was let in.
    #[error(transparent)]
    Approvals(#[from] ApprovalsError),
}

/// Why a generation was not let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApproveError {
    /// There is nothing to let in.
    #[error("the handler `{0}` is not quarantined")]
    NotQuarantined(HandlerName),
    /// The generation in the folder is not the one that was looked at.
    #[error(
        "what is quarantined of `{handler}` is another generation by now, {}; look at what it          asks for first", digest.short()
    )]
    Another {
        /// The handler.
        handler: HandlerName,
        /// What is quarantined.
        digest: Digest,
    },
    /// The files are being looked at or changed a moment ago.
    #[error("the files of `{0}` have just changed; look at what it asks for first")]
    Changed(HandlerName),
    /// The generation cannot serve all the same.
    #[error("`{0}` cannot serve: {1}")]
    CannotServe(HandlerName, String),
    /// The handlers folder is not watched any more.
    #[error("the host is stopping")]
    Stopped,
}
