//! When a delivery is not attempted any more.

use std::fmt;
use std::time::Duration;

use crate::{Code, Event, Failure, Timestamp, attribute};

/// The extension attribute of CloudEvents' "Expiry Time" extension: from this
/// moment on the event is of no use.
pub(crate) const EXPIRY_TIME: &str = "expirytime";

/// The moment from which on a delivery is not attempted any more, and the rule
/// that says so. Its text is that rule, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    at: Timestamp,
    rule: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The operator's: it was tried, or waited to be, for so long.
    MaxAge(Duration),
    /// The publisher's: the event is of no use from this moment on.
    ExpiryTime(Timestamp),
}

impl Expiry {
    /// The expiry of an event that could be attempted since `since`, whichever
    /// rule comes first. `now` is the time by the clock that takes no step, by which
    /// this one is told too; `system` is the time as everybody has it, by which the
    /// publisher's word counts.
    pub fn of(
        event: &Event,
        since: Timestamp,
        max_age: Duration,
        now: Timestamp,
        system: Timestamp,
    ) -> Self {
        let aged = Self {
            at: since.after(max_age),
            rule: Rule::MaxAge(max_age),
        };
        let Some(expires) = event.expires() else {
            return aged;
        };
        let at = if expires > system {
            now.after(expires.since(system))
        } else {
            now.before(system.since(expires))
        };
        if at >= aged.at {
            return aged;
        }
        Self {
            at,
            rule: Rule::ExpiryTime(expires),
        }
    }

    /// Whether an attempt at this moment would come too late.
    pub fn is_over(self, now: Timestamp) -> bool {
        now >= self.at
    }

    /// Why the attempt was not made.
    pub fn failure(self) -> Failure {
        Failure::new(Code::Expired, self.to_string())
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Rule::MaxAge(max_age) => write!(
                f,
                "no attempt begins after {}: the handler's `max_age` is {max_age:?}",
                self.at
            ),
            Rule::ExpiryTime(at) => write!(f, "the event's `{EXPIRY_TIME}` was {at}"),
        }
    }
}

impl Event {
    /// When it expires by its own word, if it has one: its `expirytime`, which
    /// [`check`](Event::check) holds to be a timestamp.
    pub fn expires(&self) -> Option<Timestamp> {
        attribute::moment(self.extensions.get(EXPIRY_TIME)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINCE: Timestamp = Timestamp::from_millis(1_000_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn check(expiry_time: Option<&str>, over_at: Timestamp, reason: &str) {
        let extensions = expiry_time.map(|text| (EXPIRY_TIME.to_owned(), text.to_owned()));
        let event = Event {
            extensions: extensions.into_iter().collect(),
            ..Event::default()
        };
        let expiry = Expiry::of(&event, SINCE, HOUR, SINCE, SINCE);
        let before = Timestamp::from_millis(over_at.as_millis() - 1);
        assert!(!expiry.is_over(before), "{expiry}");
        assert!(expiry.is_over(over_at), "{expiry}");
        assert_eq!(expiry.failure(), Failure::new(Code::Expired, reason));
    }

    #[test]
    fn the_rule_that_comes_first_counts() {
        let by_age = "no attempt begins after 2001-09-09T02:46:40.000Z: the handler's `max_age` \
                      is 3600s";
        check(None, SINCE.after(HOUR), by_age);
        check(Some("2001-09-09T02:46:40Z"), SINCE.after(HOUR), by_age);
        check(
            Some("2001-09-09T04:16:40.5+02:00"),
            SINCE.after(HOUR / 2 + Duration::from_millis(500)),
            "the event's `expirytime` was 2001-09-09T02:16:40.500Z",
        );
    }
    /// Ten minutes before the event expires by the system's clock, whatever the
    /// other one says.
    #[test]
    fn the_publisher_is_taken_at_his_word_by_the_clock_of_the_system() {
        let system = Timestamp::from_millis(1_700_000_000_000);
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let expires = system.after(minutes(10));
        let event = Event {
            extensions: [(EXPIRY_TIME.to_owned(), expires.to_string())].into(),
            ..Event::default()
        };
        let expiry = |system| Expiry::of(&event, SINCE, HOUR, SINCE, system);
        assert!(!expiry(system).is_over(SINCE.after(minutes(9))));
        assert!(expiry(system).is_over(SINCE.after(minutes(10))));
        assert!(expiry(system.after(minutes(10))).is_over(SINCE));
        assert!(!expiry(system.after(minutes(9))).is_over(SINCE));
        let reason = format!("the event's `expirytime` was {expires}");
        assert_eq!(
            expiry(system).failure(),
            Failure::new(Code::Expired, reason)
        );
    }
}
