//! The system's clock and pauses.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use waystation_core::{Clock, Timestamp};

/// The system's clock, which a host on this machine follows.
#[derive(Debug)]
pub struct Wall;

impl Clock for Wall {
    #[allow(
        clippy::disallowed_methods,
        reason = "what a host wrote is compared with moments out here"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_millis(0).after(since)
    }
}

/// Lets time pass.
pub fn pause(lasts: Duration) {
    let end = Instant::now() + lasts;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}
