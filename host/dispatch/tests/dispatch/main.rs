//! Dispatch over the embedded journal, with handlers that are closures.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a test"
)]

mod conflicts;
mod cursors;
mod deliveries;
mod host;
mod order;
mod time;
mod trouble;
