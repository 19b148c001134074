//! Events, and a handler for them, for the tests of what is inside.

use std::sync::Arc;

use async_trait::async_trait;
use waystation_core::{
    Descriptor, Digest, Event, Filter, HandlerName, Instances, Order, Sequence, Settings,
    Timestamp, TypePattern,
};
use waystation_journal::{Entry, Position, SubscriptionId};

use crate::subscription::Serving;
use crate::{Completion, Invocation, Invoke};

/// A handler that is never invoked.
struct Nobody;

#[async_trait]
impl Invoke for Nobody {
    fn generation(&self) -> Digest {
        Digest::of(b"nobody")
    }

    async fn invoke(&self, _: Invocation) -> Completion {
        unreachable!("it is never invoked")
    }
}

pub(crate) fn name() -> HandlerName {
    HandlerName::new("nobody").unwrap()
}

/// The handler asks for every event of [`entry`].
pub(crate) fn serving(order: Order) -> Serving {
    let descriptor = Descriptor {
        description: String::new(),
        subscriptions: vec![Filter {
            types: vec![TypePattern::try_from("a".to_owned()).unwrap()],
            source: None,
            subject: None,
        }],
        publishes: Vec::new(),
        capabilities: Vec::new(),
        order,
        instances: Instances::Fresh,
    };
    Serving {
        invoke: Arc::new(Nobody),
        settings: Arc::new(Settings::of(&descriptor)),
    }
}

/// A subscription that has come so far; in the lane, the events in `held` wait
/// for another attempt.
pub(crate) fn position(cursor: u64, held: &[u64]) -> Position {
    let held = held.iter().map(|n| (Sequence(*n), Some(LANE.to_owned())));
    Position {
        subscription: SubscriptionId(1),
        cursor: Sequence(cursor),
        settled: Vec::new(),
        held: held.collect(),
        new: false,
    }
}

/// The lane of every event of [`entry`].
pub(crate) const LANE: &str = "k";

pub(crate) fn entry(sequence: u64) -> Arc<Entry> {
    Arc::new(Entry {
        sequence: Sequence(sequence),
        accepted: Timestamp::default(),
        depth: 0,
        cause: None,
        event: Event {
            id: sequence.to_string(),
            source: "/test".into(),
            event_type: "a".into(),
            subject: Some(LANE.into()),
            ..Event::default()
        },
    })
}
