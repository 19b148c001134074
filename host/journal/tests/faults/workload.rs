//! What a host asks of its journal in the course of some hundred steps.

use std::time::Duration;

use waystation_core::{
    Code, Digest, Event, Failure, HandlerName, KeyWrite, Sequence, Start, StateAccess, Timestamp,
};
use waystation_journal::{
    Disposition, Error, Journal, Proposal, Retention, Settlement, SubscriptionId,
};

/// When every workload begins.
pub const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The rounds of a workload, of nine steps or more each.
const ROUNDS: u64 = 24;

/// The handlers, in the order in which they subscribe: a journal numbers its
/// subscriptions from 1.
const SHIPPING: SubscriptionId = SubscriptionId(1);
const MAIL: SubscriptionId = SubscriptionId(2);

/// Where the workload keeps its state.
pub const NAMESPACE: &str = "stock";

/// One thing to ask of a journal.
#[derive(Clone, Debug)]
pub enum Step {
    Subscribe(&'static str),
    Append(Vec<Event>),
    Settle(Vec<Settlement>),
    Advance(Vec<(SubscriptionId, Sequence)>),
    Redrive(&'static str, Sequence),
    Retain(Retention),
}

impl Step {
    /// Asks a journal for it, and returns when that has answered.
    pub async fn ask(self, journal: &dyn Journal) -> Result<(), Error> {
        match self {
            Self::Subscribe(handler) => {
                journal.subscribe(&name(handler), Start::Earliest).await?;
            }
            Self::Append(events) => {
                journal.append(events).await?;
            }
            Self::Settle(settlements) => journal.settle(settlements).await.map(drop)?,
            Self::Advance(cursors) => journal.advance(cursors).await?,
            Self::Redrive(handler, sequence) => {
                journal
                    .redrive(Some(&name(handler)), Some(sequence))
                    .await?;
            }
            Self::Retain(retention) => {
                let serving = [name("shipping"), name("mail")];
                journal.retain(retention, &serving).await?;
            }
        }
        Ok(())
    }
}

/// The steps of a workload: events that come alone, in batches and twice, large
/// and small, and attempts that end in every way there is.
pub fn steps() -> Vec<Step> {
    let mut steps = vec![Step::Subscribe("shipping"), Step::Subscribe("mail")];
    let mut head = 0;
    for round in 0..ROUNDS {
        let first = head + 1;
        let batch = 2 + round % 5;
        steps.push(Step::Append(vec![event("order", round, 0)]));
        // The first event of the batch is the one that was just appended.
        let of_batch = (0..=batch).map(|n| event("order", round, n)).collect();
        steps.push(Step::Append(of_batch));
        head = first + batch;

        let effects = 1 + round % 3;
        let publish = (0..effects).map(|n| proposal("shipment", round, n));
        steps.push(Step::Settle(vec![
            Settlement {
                publish: publish.collect(),
                state: writes(round),
                ..done(SHIPPING, first, 1)
            },
            done(SHIPPING, first + 1, 1),
        ]));
        head += effects;

        steps.push(Step::Settle(vec![
            retried(MAIL, first, 1),
            died(MAIL, first + 1, 1, 0),
            retried(SHIPPING, first + 2, 1),
        ]));
        steps.push(Step::Settle(vec![Settlement {
            publish: vec![proposal("mail", round, 0)],
            ..done(MAIL, first, 2)
        }]));
        head += 1;
        steps.push(Step::Advance(vec![
            (SHIPPING, Sequence(first + 2)),
            (MAIL, Sequence(first + 1)),
        ]));
        steps.push(Step::Settle(vec![died(SHIPPING, first + 2, 2, 0)]));
        if round % 2 == 0 {
            steps.push(Step::Redrive("mail", Sequence(first + 1)));
            steps.push(Step::Settle(vec![Settlement {
                forgiven: 1,
                publish: vec![proposal("late-mail", round, 0)],
                ..done(MAIL, first + 1, 2)
            }]));
            head += 1;
        }
        if round % 6 == 0 {
            let large = Event {
                data: Some(vec![round as u8; 20_000].into()),
                ..event("large", round, 0)
            };
            steps.push(Step::Append(vec![large]));
            head += 1;
        }
        if round % 8 == 1 {
            steps.push(Step::Retain(Retention {
                age: Duration::ZERO,
                bytes: u64::MAX,
            }));
        }
    }
    steps
}

/// What an attempt of a round writes: values that are new, changed and deleted.
fn writes(round: u64) -> StateAccess {
    let write = |key: u64, value: Option<u64>| KeyWrite {
        namespace: NAMESPACE.to_owned(),
        key: format!("key-{key}"),
        value: value.map(|value| vec![value as u8; 700].into()),
    };
    StateAccess {
        writes: vec![
            write(round, Some(round)),
            write(round % 3, Some(round)),
            write(round / 2, (round % 5 != 4).then_some(round)),
        ],
        ..StateAccess::default()
    }
}

fn name(handler: &str) -> HandlerName {
    HandlerName::new(handler).unwrap()
}

fn event(kind: &str, round: u64, number: u64) -> Event {
    let data_bytes = (round * 131 + number * 17) % 1_500;
    Event {
        id: format!("{kind}-{round}-{number}"),
        source: "/faults".to_owned(),
        event_type: format!("com.example.{kind}.v1"),
        data: Some(vec![number as u8; data_bytes as usize].into()),
        ..Event::default()
    }
}

fn proposal(kind: &str, round: u64, number: u64) -> Proposal {
    Proposal {
        event: event(kind, round, number),
        depth: 1,
    }
}

fn done(subscription: SubscriptionId, sequence: u64, attempt: u32) -> Settlement {
    Settlement {
        subscription,
        sequence: Sequence(sequence),
        attempt,
        forgiven: 0,
        generation: Digest::of(b"generation"),
        started: NOW,
        took: Duration::from_millis(1),
        disposition: Disposition::Done,
        publish: Vec::new(),
        state: StateAccess::default(),
    }
}

fn retried(subscription: SubscriptionId, sequence: u64, attempt: u32) -> Settlement {
    Settlement {
        disposition: Disposition::Retry {
            due: NOW.after(Duration::from_secs(sequence)),
            failure: Failure::new(Code::Retry, "come back later".to_owned()),
            lane: Some(format!("lane-{}", sequence % 3)),
        },
        ..done(subscription, sequence, attempt)
    }
}

fn died(subscription: SubscriptionId, sequence: u64, attempt: u32, forgiven: u32) -> Settlement {
    Settlement {
        forgiven,
        disposition: Disposition::Dead {
            failure: Failure::new(Code::Reject, "no such address".to_owned()),
        },
        ..done(subscription, sequence, attempt)
    }
}
