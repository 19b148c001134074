//! Random choices that a seed repeats.

use std::env;
use std::hash::{BuildHasher, RandomState};

/// The generator SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.next().is_multiple_of(times)
    }
}

/// The seed in `WAYSTATION_SEED`, or a new one.
pub fn seed() -> u64 {
    match env::var("WAYSTATION_SEED") {
        Ok(seed) => seed.parse().expect("WAYSTATION_SEED is a number"),
        Err(_) => RandomState::new().hash_one(()),
    }
}
