//! When to try again.

use std::time::Duration;

use crate::Timestamp;

/// Where chance comes from.
pub trait Random {
    /// A number from 0 to `max`, both included, each equally likely.
    fn up_to(&mut self, max: u64) -> u64;
}

/// How often and how soon a delivery is tried again.
///
/// The pause before attempt n + 1 is drawn evenly between zero and
/// `first` × 2^(n − 1), but at most `max`: exponential back-off with full
/// jitter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most attempts, the first included.
    pub attempts: u32,
    /// The longest pause before the second attempt.
    pub first: Duration,
    /// The longest pause before any attempt.
    pub max: Duration,
    /// No attempt begins so long after the first one might have: after the event
    /// was accepted and its handler in service, whichever came later.
    pub max_age: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 8,
            first: Duration::from_secs(1),
            max: Duration::from_secs(5 * 60),
            max_age: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl RetryPolicy {
    /// When the attempt after `made` attempts is due, or none if there is no
    /// further one: the attempts are used up.
    ///
    /// `after` is the handler's own wish: the attempt is not due before it. A wish
    /// for longer than `max_age` is one for no further attempt.
    pub fn next(
        &self,
        made: u32,
        after: Option<Duration>,
        now: Timestamp,
        random: &mut impl Random,
    ) -> Option<Timestamp> {
        if made >= self.attempts {
            return None;
        }
        let doublings = made.saturating_sub(1).min(62);
        let bound = self
            .first
            .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        let bound = u64::try_from(bound.min(self.max).as_millis()).unwrap_or(u64::MAX);
        let pause = Duration::from_millis(random.up_to(bound)).max(after.unwrap_or_default());
        (pause <= self.max_age).then(|| now.after(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Always draws the largest number.
    struct Largest;
    impl Random for Largest {
        fn up_to(&mut self, max: u64) -> u64 {
            max
        }
    }

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn pause(made: u32, after: Option<Duration>) -> Option<Duration> {
        let due = RetryPolicy::default().next(made, after, START, &mut Largest);
        due.map(|due| due.since(START))
    }

    #[test]
    fn pauses_double_up_to_the_bound_and_end() {
        let pauses: Vec<u64> = (1..8)
            .map(|made| pause(made, None).unwrap().as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(pause(8, None), None);
        let many = RetryPolicy {
            attempts: u32::MAX,
            ..RetryPolicy::default()
        };
        let due = many.next(1_000, None, START, &mut Largest).unwrap();
        assert_eq!(due.since(START), Duration::from_secs(300));
    }

    #[test]
    fn the_handler_may_ask_for_longer_but_not_for_shorter() {
        assert_eq!(
            pause(1, Some(Duration::from_secs(60))),
            Some(Duration::from_secs(60))
        );
        assert_eq!(
            pause(3, Some(Duration::from_millis(1))),
            Some(Duration::from_secs(4))
        );
    }

    #[test]
    fn a_wish_for_a_pause_beyond_the_age_is_one_for_no_attempt() {
        let day = Duration::from_secs(24 * 60 * 60);
        assert_eq!(pause(1, Some(day)), Some(day));
        assert_eq!(pause(1, Some(day + Duration::from_millis(1))), None);
        assert_eq!(pause(1, Some(Duration::MAX)), None);
    }
}
