//! What dispatch knows of a handler.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use waystation_core::{DeliveryId, Digest, Draft, Outcome, StateAccess};
use waystation_journal::Entry;

/// One generation of a handler.
#[async_trait]
pub trait Invoke: Send + Sync + 'static {
    /// The digest of the component's bytes.
    fn generation(&self) -> Digest;

    /// Makes one attempt. It ends within the handler's timeout, whatever the
    /// handler does, and never panics. Dropping it gives the attempt up.
    async fn invoke(&self, invocation: Invocation) -> Completion;
}

/// What an attempt is given.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The event.
    pub entry: Arc<Entry>,
    /// The delivery.
    pub delivery: DeliveryId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

/// What an attempt gives back.
#[derive(Clone, Debug)]
pub struct Completion {
    /// How it ended.
    pub outcome: Outcome,
    /// What it wants to publish. Empty unless it was handled.
    pub drafts: Vec<Draft>,
    /// What it read and wants to write of durable state.
    pub state: StateAccess,
    /// How long it took.
    pub took: Duration,
}

impl Completion {
    /// The end of an attempt in which the handler did nothing.
    pub(crate) fn idle(outcome: Outcome) -> Self {
        Self {
            outcome,
            drafts: Vec::new(),
            state: StateAccess::default(),
            took: Duration::ZERO,
        }
    }
}
