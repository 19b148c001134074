//! The life of a delivery.
//!
//! ```text
//!            Begin                Finished(Ack)
//!   Ready ──────────> Running ─────────────────────> Done
//!     ^                 │ │
//!     │ due             │ │ Finished(Reject), or attempts used up, or expired
//!     │                 │ v
//!   Waiting <───────────┘ Dead
//!     ^  Finished(Retry)   │
//!     └────────────────────┘ redrive
//! ```
//!
//! [`step`] decides on the arrows with capitals; a delivery that waits, or is
//! dead, is in the journal, which knows when it is due and makes it so when an
//! operator drives it again.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::{Event, Expiry, HandlerName, Outcome, Random, RetryPolicy, Sequence, Timestamp};

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
#[error("`{}` is no delivery's id, which looks like `shipping.42.9f86d081884c`", .0.escape_debug())]
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

    /// Where a delivery stands once the attempt that runs was given up: it may
    /// begin the same attempt again, which does not count twice.
    #[must_use]
    pub fn given_up(self) -> Self {
        match self {
            Self::Running { attempt, forgiven } => Self::Ready { attempt, forgiven },
            other => other,
        }
    }
}

/// What happens to a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A worker is free.
    Begin,
    /// The attempt ended.
    Finished(Outcome),
}

/// What must follow from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Invoke the handler.
    Invoke {
        /// The attempt to make.
        attempt: u32,
    },
    /// Do not invoke the handler: finish the attempt as rejected, for the
    /// delivery has expired.
    Expire,
    /// Settle it as handled, with its effects.
    SettleAck,
    /// Store that it waits until then.
    SettleRetry {
        /// When the next attempt may begin.
        due: Timestamp,
    },
    /// Store it as a dead letter.
    SettleDead,
    /// Store it as a dead letter, for it expires before it could be tried again.
    SettleExpired,
}

/// One step in the life of a delivery.
///
/// A pure function: it decides, the caller acts. An input that means nothing in
/// a state, such as `Begin` while the attempt runs, changes nothing and asks for
/// nothing. Whoever drives a dead letter again forgives that it has expired.
pub fn step(
    state: State,
    input: &Input,
    now: Timestamp,
    expiry: Expiry,
    policy: &RetryPolicy,
    random: &mut impl Random,
) -> (State, Option<Action>) {
    let has_expired = |forgiven, at| forgiven == 0 && expiry.is_over(at);
    match (state, input) {
        (State::Ready { attempt, forgiven }, Input::Begin) => {
            let action = if has_expired(forgiven, now) {
                Action::Expire
            } else {
                Action::Invoke { attempt }
            };
            (State::Running { attempt, forgiven }, Some(action))
        }
        (State::Running { .. }, Input::Finished(Outcome::Ack)) => {
            (State::Done, Some(Action::SettleAck))
        }
        (State::Running { attempt, .. }, Input::Finished(Outcome::Reject(_))) => {
            (State::Dead { attempts: attempt }, Some(Action::SettleDead))
        }
        (State::Running { attempt, forgiven }, Input::Finished(Outcome::Retry(failure))) => {
            let made = attempt.saturating_sub(forgiven);
            let dead = State::Dead { attempts: attempt };
            match policy.next(made, failure.after, now, random) {
                None => (dead, Some(Action::SettleDead)),
                Some(due) if has_expired(forgiven, due) => (dead, Some(Action::SettleExpired)),
                Some(due) => (
                    State::Waiting {
                        attempt: attempt.saturating_add(1),
                        forgiven,
                        due,
                    },
                    Some(Action::SettleRetry { due }),
                ),
            }
        }
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
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn expiry(max_age: Duration) -> Expiry {
        Expiry::of(&Event::default(), NOW, max_age, NOW, NOW)
    }

    fn go_at(now: Timestamp, state: State, input: &Input) -> (State, Option<Action>) {
        let policy = RetryPolicy::default();
        step(state, input, now, expiry(DAY), &policy, &mut Zero)
    }

    fn go(state: State, input: &Input) -> (State, Option<Action>) {
        go_at(NOW, state, input)
    }

    fn retry() -> Input {
        Input::Finished(Outcome::Retry(Failure::new(Code::Retry, "later")))
    }

    fn reject() -> Input {
        Input::Finished(Outcome::Reject(Failure::new(Code::Reject, "no")))
    }

    /// What the journal makes of a delivery that waits, once it is due, and of a
    /// dead letter that is driven again.
    fn from_the_journal(state: State) -> State {
        match state {
            State::Waiting {
                attempt, forgiven, ..
            } => State::Ready { attempt, forgiven },
            State::Dead { attempts } => State::Ready {
                attempt: attempts + 1,
                forgiven: attempts,
            },
            other => other,
        }
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
                state = from_the_journal(state);
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
                if !last {
                    state = from_the_journal(state);
                }
            }
            assert_eq!(
                state,
                State::Dead {
                    attempts: 8 * round
                }
            );
            state = from_the_journal(state);
        }
    }

    #[test]
    fn no_attempt_begins_once_the_delivery_has_expired() {
        let over = NOW.after(DAY);
        let (state, action) = go_at(over, State::NEW, &Input::Begin);
        assert_eq!(action, Some(Action::Expire));
        assert_eq!(
            go_at(over, state, &reject()),
            (State::Dead { attempts: 1 }, Some(Action::SettleDead))
        );
    }

    #[test]
    fn a_retry_that_would_come_too_late_is_a_dead_letter_at_once() {
        let running = State::Running {
            attempt: 2,
            forgiven: 0,
        };
        let late = Failure::new(Code::Retry, "later").with_after(Some(DAY));
        let late = Input::Finished(Outcome::Retry(late));
        assert_eq!(
            go(running, &late),
            (State::Dead { attempts: 2 }, Some(Action::SettleExpired))
        );
    }

    #[test]
    fn a_redrive_forgives_that_a_delivery_has_expired() {
        let over = NOW.after(3 * DAY);
        let redriven = from_the_journal(State::Dead { attempts: 8 });
        let (state, action) = go_at(over, redriven, &Input::Begin);
        assert_eq!(action, Some(Action::Invoke { attempt: 9 }));
        let (_, action) = go_at(over, state, &retry());
        assert_eq!(action, Some(Action::SettleRetry { due: over }));
    }

    #[test]
    fn an_attempt_that_was_given_up_does_not_count() {
        let ready = State::Ready {
            attempt: 3,
            forgiven: 2,
        };
        assert_eq!(go(ready, &Input::Begin).0.given_up(), ready);
        assert_eq!(State::Done.given_up(), State::Done);
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

    /// What may happen to a delivery: a step, or something outside of it.
    #[derive(Clone, Debug)]
    enum Happening {
        Step(Input),
        GivenUp,
        FromTheJournal,
    }

    fn any_happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            Just(Happening::Step(Input::Begin)),
            Just(Happening::Step(Input::Finished(Outcome::Ack))),
            Just(Happening::Step(reject())),
            Just(Happening::Step(retry())),
            Just(Happening::GivenUp),
            Just(Happening::FromTheJournal),
        ]
    }

    proptest! {
        /// Whatever happens: attempts only grow, by one with each finished
        /// attempt; no more are made than the policy allows between redrives;
        /// none begins once the delivery has expired, unless it was redriven;
        /// what is done stays done; a settlement follows only on an attempt.
        #[test]
        fn keeps_its_invariants(
            happenings in proptest::collection::vec((any_happening(), 0_u64..5_000), 0..200),
            attempts in 1_u32..5,
            max_age in 0_u64..200_000,
        ) {
            let max_age = Duration::from_millis(max_age);
            let policy = RetryPolicy { attempts, max_age, ..RetryPolicy::default() };
            let mut state = State::NEW;
            let mut now = NOW;
            let mut expected_attempt = 1;
            let mut since_redrive = 0;
            let mut redriven = false;
            for (happening, passed) in happenings {
                now = now.after(Duration::from_millis(passed));
                let before = state;
                let mut action = None;
                match happening {
                    Happening::GivenUp => state = state.given_up(),
                    Happening::FromTheJournal => {
                        if matches!(state, State::Dead { .. }) {
                            since_redrive = 0;
                            redriven = true;
                        }
                        state = from_the_journal(state);
                    }
                    Happening::Step(input) => {
                        (state, action) =
                            step(state, &input, now, expiry(max_age), &policy, &mut Zero);
                    }
                }
                match action {
                    Some(Action::Invoke { attempt }) => {
                        let began = matches!(before, State::Ready { .. });
                        prop_assert!(began);
                        prop_assert_eq!(attempt, expected_attempt);
                        prop_assert!(redriven || now < NOW.after(max_age));
                    }
                    Some(Action::Expire) => prop_assert!(!redriven && now >= NOW.after(max_age)),
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
