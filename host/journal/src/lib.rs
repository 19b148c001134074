//! The durable, ordered store of accepted events and of what became of them.
//!
//! [`Journal`] is what the host knows of it; [`embedded`] is the engine that
//! keeps it in one SQLite file. An engine speaks of events, deliveries and
//! settlements, never of tables, and knows nothing of handlers' code, of HTTP
//! or of wasmtime.

pub mod embedded;
mod journal;
mod retention;

pub use journal::{
    Appended, Attempt, AttemptOutcome, Cause, Commit, DeadLetter, DeliveryKey, Disposition, Due,
    Entry, Error, Journal, Position, Proposal, Settlement, SubscriptionId, SubscriptionStatus,
};
pub use retention::{Retained, Retention};
