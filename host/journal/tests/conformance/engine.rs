//! An engine under test, and the things that tests are made of.

use std::time::Duration;

use waystation_core::{
    Code, Digest, Event, Failure, HandlerName, ManualClock, Sequence, Start, StateAccess, Timestamp,
};
use waystation_journal::{
    Appended, Disposition, Entry, Journal, Proposal, Settlement, SubscriptionId,
};

/// An engine with a place of its own, empty at first.
pub trait Engine {
    fn new() -> Self;

    /// Opens the journal at that place: again, after it was closed.
    fn open(&self) -> impl Future<Output = Box<dyn Journal>>;

    /// The clock that the journal reads.
    fn clock(&self) -> &ManualClock;
}

/// When every test begins.
pub const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The moment so many milliseconds after the start.
pub fn at(millis: u64) -> Timestamp {
    START.after(Duration::from_millis(millis))
}

pub fn event(id: &str) -> Event {
    Event {
        id: id.to_owned(),
        source: "/test".to_owned(),
        event_type: "com.example.tested.v1".to_owned(),
        ..Event::default()
    }
}

pub fn name(handler: &str) -> HandlerName {
    HandlerName::new(handler).unwrap()
}

/// Appends an event for each id, and gives back their sequences.
pub async fn append(journal: &dyn Journal, ids: &[&str]) -> Vec<u64> {
    let events = ids.iter().map(|id| event(id)).collect();
    sequences(&journal.append(events).await.unwrap())
}

pub fn sequences(appended: &[Appended]) -> Vec<u64> {
    appended
        .iter()
        .map(|appended| appended.sequence.0)
        .collect()
}

/// The ids of events.
pub fn ids<'a>(entries: impl IntoIterator<Item = &'a std::sync::Arc<Entry>>) -> Vec<&'a str> {
    entries
        .into_iter()
        .map(|entry| entry.event.id.as_str())
        .collect()
}

pub async fn subscribe(journal: &dyn Journal, handler: &str) -> SubscriptionId {
    let position = journal.subscribe(&name(handler), Start::Earliest).await;
    position.unwrap().subscription
}

/// An attempt that was handled and publishes nothing.
pub fn done(subscription: SubscriptionId, sequence: u64, attempt: u32) -> Settlement {
    Settlement {
        subscription,
        sequence: Sequence(sequence),
        attempt,
        forgiven: 0,
        generation: Digest::of(b"generation"),
        started: at(100 * u64::from(attempt)),
        took: Duration::from_micros(1_234),
        disposition: Disposition::Done,
        publish: Vec::new(),
        state: StateAccess::default(),
    }
}

/// An attempt whose delivery is tried again so many milliseconds after the start.
pub fn retried(
    subscription: SubscriptionId,
    sequence: u64,
    attempt: u32,
    due_millis: u64,
) -> Settlement {
    Settlement {
        disposition: Disposition::Retry {
            due: at(due_millis),
            failure: failure(Code::Retry),
            lane: None,
        },
        ..done(subscription, sequence, attempt)
    }
}

/// An attempt whose delivery became a dead letter.
pub fn died(subscription: SubscriptionId, sequence: u64, attempt: u32) -> Settlement {
    Settlement {
        disposition: Disposition::Dead {
            failure: failure(Code::Reject),
        },
        ..done(subscription, sequence, attempt)
    }
}

pub fn failure(code: Code) -> Failure {
    Failure::new(code, format!("because of {code}"))
}

pub fn proposal(id: &str, depth: u32) -> Proposal {
    Proposal {
        event: event(id),
        depth,
    }
}
