//! What dispatch tells whoever watches.

use std::sync::Arc;
use std::time::Duration;

use waystation_core::{Digest, HandlerName, Outcome};
use waystation_journal::Entry;

/// Something that happened, for the terminal and for metrics. Whoever is too
/// slow to listen misses some.
#[derive(Clone, Debug)]
pub enum Notice {
    /// An event was read from the journal, and so many handlers asked for it.
    Arrived {
        /// The event.
        entry: Arc<Entry>,
        /// The handlers that asked for it.
        handlers: usize,
    },
    /// An attempt was settled.
    Settled(Arc<Settled>),
}

/// An attempt that was settled.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The handler.
    pub handler: HandlerName,
    /// The generation that was invoked.
    pub generation: Digest,
    /// The event.
    pub entry: Arc<Entry>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The most attempts of the delivery.
    pub attempts_max: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// How long until the next attempt is due, if there is one.
    pub due_in: Option<Duration>,
    /// Whether the delivery is a dead letter now. One that failed, has no other
    /// attempt before it and is none is of an event that was dropped meanwhile.
    pub dead: bool,
    /// How long the attempt took.
    pub took: Duration,
    /// The types of the events that it published.
    pub published: Vec<String>,
}
