//! Drives the real binary, over HTTP and over its command line, as its users do.
//!
//! The components come from `make guests`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod calls;
mod capsule;
mod cases;
mod check;
mod cli;
mod compile;
mod crash;
mod dev;
mod disk;
mod doors;
mod doors_bounds;
mod export;
mod folder;
mod grants;
mod ingest;
mod invoke;
mod javascript;
mod load;
mod new;
mod outcomes;
mod python;
mod round_trip;
mod several;
mod startup;
mod state;
mod swap;
