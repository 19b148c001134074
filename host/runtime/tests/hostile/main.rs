//! Guests that mean harm: each ends by itself, within its deadline, with the
//! right code, while a well-behaved handler beside it is served.
//!
//! They are written in the text format, so that what they do is what stands here.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "this is a test"
)]

mod answers;
mod authority;
mod bomb;
mod compiling;
mod endless;
mod guest;
mod logs;
mod memory;
mod outbound;
mod pool;
mod reach;
mod reaching;
mod trial;
mod wasi;
