//! What holds for one handler after the operator had the last word.

use std::time::Duration;

use crate::{
    Descriptor, Event, Filter, Grants, Instances, Order, RetryPolicy, Timestamp, TypePattern,
    limits,
};

/// What holds for one handler: its descriptor, narrowed, overridden or replaced
/// by its sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// One line for people.
    pub description: String,
    /// Which events it gets.
    pub subscriptions: Vec<Filter>,
    /// Which types it may publish.
    pub publishes: Vec<TypePattern>,
    /// What it may do beyond publishing. A descriptor only asks.
    pub grants: Grants,
    /// Where a new subscription begins.
    pub start: Start,
    /// In which order its deliveries run.
    pub order: Order,
    /// How long its instances live.
    pub instances: Instances,
    /// How many of its attempts run side by side, at most.
    pub concurrency: u32,
    /// How long an attempt may run.
    pub timeout: Duration,
    /// The memory of one instance, in bytes.
    pub memory_bytes: usize,
    /// How often and how soon a delivery is tried again.
    pub retry: RetryPolicy,
}

impl Settings {
    /// What holds for a handler without a sidecar.
    pub fn of(descriptor: &Descriptor) -> Self {
        Self {
            description: descriptor.description.clone(),
            subscriptions: descriptor.subscriptions.clone(),
            publishes: descriptor.publishes.clone(),
            grants: Grants::default(),
            start: Start::Next,
            order: descriptor.order,
            instances: descriptor.instances,
            concurrency: limits::CONCURRENCY,
            timeout: limits::ATTEMPT_TIMEOUT,
            memory_bytes: limits::MEMORY_BYTES,
            retry: RetryPolicy::default(),
        }
    }

    /// Whether the handler asks for this event.
    pub fn asks_for(&self, event: &Event) -> bool {
        self.subscriptions
            .iter()
            .any(|filter| filter.matches(event))
    }

    /// Whether the handler may publish events of this type.
    pub fn may_publish(&self, event_type: &str) -> bool {
        self.publishes
            .iter()
            .any(|pattern| pattern.matches(event_type))
    }
}

/// Where a new subscription begins. One that is known goes on where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the next event.
    #[default]
    Next,
    /// With the oldest event of the journal.
    Earliest,
    /// With the first event accepted at this time or later.
    At(Timestamp),
}
