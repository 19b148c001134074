//! The life of a delivery.
//!
//! ```text
//!            Begin                Finished(Ack)
//!   Ready ──────────> Running ─────────────────────> Done
//!     ^                 │ │
//!     │ Due             │ │ Finished(Reject), or attempts or age used up
//!     │                 │ v
//!   Waiting <───────────┘ Dead
//!     ^  Finished(Retry)   │
//!     └────────────────────┘ Redrive
//! ```

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::{Event, HandlerName, Outcome, Random, RetryPolicy, Sequence, Timestamp};

/// The identity of a delivery: one event for one handler.
///
/// Its text, `shipping.42.9f86d081884c`, is the handler, the sequence, and the
/// beginning of a digest of the event's identity. It stays the same over every
/// attempt, so it serves as an idempotency key; and a journal that was put back
/// to an older state, whose sequences are given anew, never makes the same text
/// for another event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId {
    /// The handler it goes to.
    pub handler: HandlerName,
    /// The event's position in the journal.
    pub sequence: Sequence,
    /// The beginning of the digest of the event's source and id.
    fingerprint: [u8; 6],
}

impl DeliveryId {
    /// The delivery of this event to this handler.
    pub fn new(handler: HandlerName, sequence: Sequence, event: &Event) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(event.source.as_bytes());
        // No attribute holds a control character, so the two cannot run into each other.
        hasher.update([0]);
        hasher.update(event.id.as_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        let mut fingerprint = [0; 6];
        for (to, from) in fingerprint.iter_mut().zip(digest) {
            *to = from;
        }
        Self {
            handler,
            sequence,
            fingerprint,
        }
    }

    /// The id of the event that this delivery publishes at this place.
    pub fn draft_id(&self, index: usize) -> String {
        format!("{self}.{index}")
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.", self.handler, self.sequence)?;
        self.fingerprint
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is not the id of a delivery.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is no delivery; an id looks like `shipping.42.9f86d081884c`", .0.escape_debug())]
pub struct ParseDeliveryIdError(String);

impl FromStr for DeliveryId {
    type Err = ParseDeliveryIdError;

    fn from_str(text: &str) -> Result<Self, ParseDeliveryIdError> {
        let parse = || {
            let mut parts = text.split('.');
            let handler = HandlerName::new(parts.next()?).ok()?;
            let sequence = Sequence(parts.next()?.parse().ok()?);
            let digits = parts.next()?;
            if digits.len() != 12 || parts.next().is_some() {
                return None;
            }
            let bytes = u64::from_str_radix(digits, 16).ok()?.to_be_bytes();
            let mut fingerprint = [0; 6];
            for (to, from) in fingerprint.iter_mut().zip(bytes.into_iter().skip(2)) {
                *to = from;
            }
            Some(Self {
                handler,
                sequence,
                fingerprint,
            })
        };
        parse().ok_or_else(|| ParseDeliveryIdError(text.to_owned()))
    }
}

/// Where a delivery stands. Attempts count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It may begin the attempt.
    Ready {
        /// The attempt that comes next.
        attempt: u32,
        /// The attempts made before the last redrive; they do not count against
        /// the policy.
        forgiven: u32,
    },
    /// The attempt runs.
    Running {
        /// The attempt that runs.
        attempt: u32,
        /// As in `Ready`.
        forgiven: u32,
    },
    /// The attempt must wait.
    Waiting {
        /// The attempt that comes next.
        attempt: u32,
        /// As in `Ready`.
        forgiven: u32,
        /// When it may begin.
        due: Timestamp,
    },
    /// It was handled. The end.
    Done,
    /// It is a dead letter, until somebody drives it again.
    Dead {
        /// The attempts made.
        attempts: u32,
    },
}

impl State {
    /// A delivery that was never tried.
    pub const NEW: Self = Self::Ready {
        attempt: 1,
        forgiven: 0,
    };
}

/// What happens to a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A worker is free.
    Begin,
    /// The attempt ended.
    Finished(Outcome),
    /// The attempt was given up before it ended; it does not count.
    Abandoned,
    /// Time went by.
    Tick,
    /// An operator wants a dead letter tried again.
    Redrive,
}

/// What must follow from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Invoke the handler.
    Invoke {
        /// The attempt to make.
        attempt: u32,
    },
    /// Settle it as handled, with its effects.
    SettleAck,
    /// Store that it waits until then.
    SettleRetry {
        /// When the next attempt may begin.
        due: Timestamp,
    },
    /// Store it as a dead letter.
    SettleDead,
}

/// One step in the life of a delivery.
///
/// A pure function: it decides, the caller acts. An input that means nothing in
/// a state, such as `Tick` while the attempt runs, changes nothing and asks for
/// nothing.
pub fn step(
    state: State,
    input: &Input,
    now: Timestamp,
    accepted: Timestamp,
    policy: &RetryPolicy,
    random: &mut impl Random,
) -> (State, Option<Action>) {
    match (state, input) {
        (State::Ready { attempt, forgiven }, Input::Begin) => (
            State::Running { attempt, forgiven },
            Some(Action::Invoke { attempt }),
        ),
        (State::Running { .. }, Input::Finished(Outcome::Ack)) => {
            (State::Done, Some(Action::SettleAck))
        }
        (State::Running { attempt, .. }, Input::Finished(Outcome::Reject(_))) => {
            (State::Dead { attempts: attempt }, Some(Action::SettleDead))
        }
        (State::Running { attempt, forgiven }, Input::Finished(Outcome::Retry(failure))) => {
            let made = attempt.saturating_sub(forgiven);
            // Whoever drives a dead letter again forgives its age, too.
            let since = if forgiven == 0 { accepted } else { now };
            match policy.next(made, failure.after, since, now, random) {
                Some(due) => (
                    State::Waiting {
                        attempt: attempt.saturating_add(1),
                        forgiven,
                        due,
                    },
                    Some(Action::SettleRetry { due }),
                ),
                None => (State::Dead { attempts: attempt }, Some(Action::SettleDead)),
            }
        }
        (State::Running { attempt, forgiven }, Input::Abandoned) => {
            (State::Ready { attempt, forgiven }, None)
        }
        (
            State::Waiting {
                attempt,
                forgiven,
                due,
            },
            Input::Tick,
        ) if now >= due => (State::Ready { attempt, forgiven }, None),
        (State::Dead { attempts }, Input::Redrive) => (
            State::Waiting {
                attempt: attempts.saturating_add(1),
                forgiven: attempts,
                due: now,
            },
            Some(Action::SettleRetry { due: now }),
        ),
        (state, _) => (state, None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{Code, Failure};

    struct Zero;
    impl Random for Zero {
        fn up_to(&mut self, _: u64) -> u64 {
            0
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn go(state: State, input: &Input) -> (State, Option<Action>) {
        step(state, input, NOW, NOW, &RetryPolicy::default(), &mut Zero)
    }

    fn retry() -> Input {
        Input::Finished(Outcome::Retry(Failure::new(Code::Retry, "later")))
    }

    #[test]
    fn fails_twice_then_succeeds() {
        let mut state = State::NEW;
        for attempt in 1..=3 {
            let action;
            (state, action) = go(state, &Input::Begin);
            assert_eq!(action, Some(Action::Invoke { attempt }));
            if attempt < 3 {
                (state, _) = go(state, &retry());
                (state, _) = go(state, &Input::Tick);
            }
        }
        assert_eq!(
            go(state, &Input::Finished(Outcome::Ack)),
            (State::Done, Some(Action::SettleAck))
        );
    }

    #[test]
    fn uses_up_its_attempts_and_comes_back_with_new_ones() {
        let mut state = State::NEW;
        for round in 1..=2 {
            for n in 1..=8 {
                (state, _) = go(state, &Input::Begin);
                let action;
                (state, action) = go(state, &retry());
                let last = n == 8;
                assert_eq!(
                    action == Some(Action::SettleDead),
                    last,
                    "round {round}, attempt {n}"
                );
                (state, _) = go(state, &Input::Tick);
            }
            assert_eq!(
                state,
                State::Dead {
                    attempts: 8 * round
                }
            );
            (state, _) = go(state, &Input::Redrive);
            (state, _) = go(state, &Input::Tick);
        }
    }

    #[test]
    fn a_redrive_forgives_the_age() {
        let old = Timestamp::from_millis(0);
        let now = old.after(Duration::from_secs(3 * 24 * 60 * 60));
        let policy = RetryPolicy::default();
        let fail = |forgiven| {
            let running = State::Running {
                attempt: forgiven + 1,
                forgiven,
            };
            step(running, &retry(), now, old, &policy, &mut Zero).1
        };
        assert_eq!(
            fail(0),
            Some(Action::SettleDead),
            "too old to be tried again"
        );
        assert_eq!(fail(8), Some(Action::SettleRetry { due: now }));
    }

    #[test]
    fn an_abandoned_attempt_does_not_count() {
        let running = State::Running {
            attempt: 3,
            forgiven: 0,
        };
        assert_eq!(
            go(running, &Input::Abandoned).0,
            State::Ready {
                attempt: 3,
                forgiven: 0
            }
        );
    }

    #[test]
    fn a_delivery_id_reads_back_and_tells_events_apart() {
        let handler = HandlerName::new("shipping").unwrap();
        let event = Event {
            id: "1".into(),
            source: "/a".into(),
            ..Event::default()
        };
        let id = DeliveryId::new(handler.clone(), Sequence(42), &event);
        assert_eq!(id.to_string().parse::<DeliveryId>().unwrap(), id);
        assert!(id.draft_id(0).starts_with("shipping.42."));
        let other = Event {
            id: "2".into(),
            ..event
        };
        assert_ne!(DeliveryId::new(handler, Sequence(42), &other), id);
        for bad in [
            "",
            "shipping",
            "shipping.42",
            "shipping.42.9f86d081884",
            "a.1.9f86d081884c.0",
        ] {
            assert!(bad.parse::<DeliveryId>().is_err(), "{bad}");
        }
    }

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            Just(Input::Begin),
            Just(Input::Finished(Outcome::Ack)),
            Just(Input::Finished(Outcome::Reject(Failure::new(
                Code::Reject,
                "no"
            )))),
            Just(retry()),
            Just(Input::Abandoned),
            Just(Input::Tick),
            Just(Input::Redrive),
        ]
    }

    proptest! {
        /// Whatever happens: attempts only grow, by one with each finished
        /// attempt; no more are made than the policy allows between redrives;
        /// what is done stays done; a settlement follows only on an attempt or
        /// a redrive.
        #[test]
        fn keeps_its_invariants(
            inputs in proptest::collection::vec((any_input(), 0_u64..5_000), 0..200),
            attempts in 1_u32..5,
        ) {
            let policy = RetryPolicy { attempts, max_age: Duration::MAX, ..RetryPolicy::default() };
            let mut state = State::NEW;
            let mut now = NOW;
            let mut expected_attempt = 1;
            let mut since_redrive = 0;
            for (input, passed) in inputs {
                now = now.after(Duration::from_millis(passed));
                let before = state;
                let action;
                (state, action) = step(state, &input, now, NOW, &policy, &mut Zero);
                match action {
                    Some(Action::Invoke { attempt }) => {
                        let began = matches!(before, State::Ready { .. });
                        prop_assert!(began);
                        prop_assert_eq!(attempt, expected_attempt);
                    }
                    Some(Action::SettleRetry { .. }) if input == Input::Redrive => {
                        since_redrive = 0;
                    }
                    Some(_) => {
                        let ran = matches!(before, State::Running { .. });
                        prop_assert!(ran);
                        expected_attempt += 1;
                        since_redrive += 1;
                        prop_assert!(since_redrive <= attempts);
                    }
                    None => {}
                }
                if before == State::Done {
                    prop_assert_eq!(state, State::Done);
                    prop_assert_eq!(action, None);
                }
            }
        }
    }
}
