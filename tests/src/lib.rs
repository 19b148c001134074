//! What the end-to-end tests and the demo share: a real host in a place of its
//! own, and the components that `make guests` built.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must end with what is wrong"
)]
#![allow(missing_docs, reason = "the names say it")]

pub mod guests;
pub mod host;
