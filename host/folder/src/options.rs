//! How the folder is watched.

use std::path::PathBuf;
use std::time::Duration;

use waystation_core::limits;

/// How the folder is watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder.
    pub path: PathBuf,
    /// The file that remembers what was let in. It is made if it is not there.
    pub approvals: PathBuf,
    /// How often it is listed when nothing hints at a change.
    pub rescan: Duration,
    /// How far apart two readings of a file must agree before it counts.
    pub settle: Duration,
    /// How long a component's file must be gone before its handler is retired.
    pub grace: Duration,
    /// Whose consent lets a generation in.
    pub consent: Consent,
}

/// Whose consent lets a generation in that asks for more than was granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// The operator's: it waits until somebody approves it.
    #[default]
    Operator,
    /// Nobody's: whoever puts handlers into the folder writes them too, and all
    /// that they ask for counts as approved. The sidecar still has the last word.
    Author,
}

impl Options {
    /// This folder and file of approvals, watched with the host's own pauses.
    pub fn new(path: impl Into<PathBuf>, approvals: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            approvals: approvals.into(),
            rescan: limits::FOLDER_RESCAN,
            settle: limits::FOLDER_SETTLE,
            grace: limits::RETIRE_GRACE,
            consent: Consent::Operator,
        }
    }
}
