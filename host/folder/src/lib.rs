//! The handlers folder: from files to generations.
//!
//! A change is a hint, the folder is the truth. On a hint, and every few
//! seconds, the folder is listed; a handler's files count once two readings
//! agree; then they are read once, hashed, compiled and checked, and put into
//! service. Whatever fails, the last good generation goes on serving and the
//! failure shows in the handler's status. So it is while a generation asks for
//! what nobody granted or approved: it is quarantined.
//!
//! This crate decides when a file counts and what a sidecar means. It does not
//! know how a component is compiled, invoked or given events: that is behind
//! [`Loader`]. It knows neither wasmtime nor the journal.

mod approvals;
mod board;
pub mod document;
mod entry;
mod error;
mod first_sight;
mod folder;
mod generation;
mod grants;
mod handle;
mod judge;
mod listing;
mod loader;
mod options;
mod secret;
mod settling;
mod sidecar;
mod snapshot;
mod status;
mod strays;
mod watch;

pub use approvals::ApprovalsError;
pub use error::{ApproveError, Error};
pub use first_sight::{FirstSight, FirstSightError};
pub use folder::Folder;
pub use handle::Handle;
pub use loader::{LoadError, Loader};
pub use options::{Consent, Options};
pub use secret::SecretSource;
pub use sidecar::Sidecar;
pub use status::{HandlerStatus, Notice, Quarantine, Refusal, Serving, State, Stray};

#[cfg(test)]
mod tests;
