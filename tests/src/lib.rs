//! What the end-to-end tests, the long runs and the demo share: a real host in a
//! place of its own, the components that `make guests` built, loads, and a ledger
//! of what a host promised and what became of it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must end with what is wrong"
)]
#![allow(missing_docs, reason = "the names say it")]

pub mod backlog;
pub mod guests;
pub mod host;
pub mod ledger;
pub mod load;
pub mod memory;
pub mod overload;
pub mod publish;
pub mod soak;

/// The seed of a run: `WAYSTATION_SEED` if it is set, else one that is printed so
/// that the run can be repeated.
pub fn seed() -> u64 {
    let given = std::env::var("WAYSTATION_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    println!("WAYSTATION_SEED={seed}");
    seed
}
