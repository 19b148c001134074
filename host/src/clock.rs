//! The one place that reads the system's clocks.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use waystation_core::{Clock, Timestamp, limits};

/// The system's clock as it is. It may be put forward and back at any time.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        timestamp(wall())
    }
}

/// A clock that follows the system's but takes no step: whoever puts that one
/// forward or back makes this one run at most twice or half as fast until they
/// agree again. So no retry fires early, and no event grows old, in a moment.
#[derive(Debug)]
pub struct SteadyClock {
    last: Mutex<Reading>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    /// What the clock showed, since 1970.
    shown: Duration,
    /// The time since the machine was started.
    uptime: Duration,
    /// Whether the system's clock was far from it.
    is_off: bool,
}

impl SteadyClock {
    /// A clock that begins with what the system's shows.
    pub fn new() -> Self {
        Self {
            last: Mutex::new(Reading {
                shown: wall(),
                uptime: uptime(),
                is_off: false,
            }),
        }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, uptime) = (wall(), uptime());
        let shown = follow(last.shown, uptime.saturating_sub(last.uptime), wall);
        let off = shown.abs_diff(wall);
        let is_off = off > limits::CLOCK_STEP;
        if is_off && !last.is_off {
            let to = if wall > shown { "forward" } else { "back" };
            tracing::warn!(
                "the system's clock was put {to} by {off:?}; this host follows slowly, and at \
                 once after a restart"
            );
        }
        *last = Reading {
            shown,
            uptime,
            is_off,
        };
        timestamp(shown)
    }
}

/// What a clock that showed `shown` shows when `elapsed` has passed and the
/// system's clock shows `wall`.
fn follow(shown: Duration, elapsed: Duration, wall: Duration) -> Duration {
    wall.clamp(shown + elapsed / 2, shown + elapsed * 2)
}

fn timestamp(since_1970: Duration) -> Timestamp {
    Timestamp::from_millis(0).after(since_1970)
}

#[allow(
    clippy::disallowed_methods,
    reason = "everybody else reads the time through this"
)]
fn wall() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// The time since the machine was started. Where the system can tell, it counts
/// the time that the machine slept.
fn uptime() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_800_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: u64 = 3600;
    const TEN_YEARS: u64 = 10 * 365 * 24 * HOUR;

    /// What the clock shows after so many seconds, looked at every second, if the
    /// system's clock is put to `wall` at the start.
    fn after(seconds: u64, wall: Duration) -> Duration {
        (1..=u32::try_from(seconds).unwrap()).fold(START, |shown, passed| {
            follow(shown, SECOND, wall + SECOND * passed)
        })
    }

    #[test]
    fn shows_what_the_system_shows_while_that_takes_no_step() {
        assert_eq!(after(HOUR, START), START + Duration::from_secs(HOUR));
        let slewed = START + SECOND / 3;
        assert_eq!(
            follow(START, SECOND, slewed + SECOND / 3),
            slewed + SECOND / 3
        );
    }

    #[test]
    fn a_step_makes_it_run_at_most_twice_or_half_as_fast() {
        for step in [HOUR, TEN_YEARS].map(Duration::from_secs) {
            assert_eq!(after(600, START + step), START + 1200 * SECOND);
            assert_eq!(after(600, START - step), START + 300 * SECOND);
        }
    }

    #[test]
    fn it_agrees_with_the_system_again_after_a_while() {
        let step = Duration::from_secs(HOUR);
        let forward = START + step;
        assert_eq!(after(HOUR, forward), forward + Duration::from_secs(HOUR));
        let back = START - step;
        assert_eq!(after(2 * HOUR, back), back + Duration::from_secs(2 * HOUR));
    }

    #[test]
    fn it_begins_with_the_time_of_the_system_and_never_goes_back() {
        let clock = SteadyClock::new();
        let first = clock.now();
        assert!(first.since(SystemClock.now()) < SECOND);
        assert!(SystemClock.now().since(first) < SECOND);
        assert!(clock.now() >= first);
    }
}
