//! What the embedded journal promises when the power fails and when the disk
//! does.
//!
//! The journal runs as it is, on files of its own, but SQLite's writes and syncs
//! pass through a `vfs` of these tests. It shows each of them to a `disk`, which
//! writes it down, and refuses it if the test wants that. From what a disk wrote
//! down follows every state in which a loss of power could have left its files:
//! the `image`s.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at what it does not expect; clippy knows only `#[test]` functions"
)]

mod crash;
mod creation;
mod damage;
mod disk;
mod full;
mod image;
mod random;
mod run;
mod snapshot;
mod sync;
mod vfs;
mod workload;
