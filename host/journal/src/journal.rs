//! What the host knows of a journal.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use waystation_core::{
    Code, Digest, Event, Failure, HandlerName, Sequence, Start, State, StateAccess, StateKeys,
    StateValue, Timestamp,
};

use crate::{Retained, Retention};

/// A durable, ordered store of accepted events and of what became of them.
///
/// Every method that changes something returns only when the change is durable:
/// it would survive a loss of power the moment after.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Appends events in their order, all of them or none. An event whose source
    /// and id are known is not appended again: its first sequence is given back.
    /// They are known as long as the event is kept: see [`retain`](Self::retain).
    async fn append(&self, events: Vec<Event>) -> Result<Vec<Appended>, Error>;

    /// The sequence of the newest event, and its changes. 0 while there is none.
    fn head(&self) -> watch::Receiver<Sequence>;

    /// The events after a sequence, in order: at most `events_max` of them, and
    /// no further one once they hold `bytes_max` bytes. Empty only if there is
    /// none.
    async fn read(
        &self,
        after: Sequence,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Entry>>, Error>;

    /// The event at a sequence.
    async fn entry(&self, sequence: Sequence) -> Result<Option<Arc<Entry>>, Error>;

    /// The events with this id, from whatever source, oldest first.
    async fn find(&self, id: &str) -> Result<Vec<Arc<Entry>>, Error>;

    /// The newest events before a sequence (none: the newest of all), newest first.
    async fn recent(
        &self,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Error>;

    /// The events that deliveries of this event published, oldest first.
    async fn caused_by(&self, sequence: Sequence, limit: usize) -> Result<Vec<Arc<Entry>>, Error>;

    /// Opens the subscription of a handler, and begins one at `start` if there
    /// is none.
    async fn subscribe(&self, handler: &HandlerName, start: Start) -> Result<Position, Error>;

    /// Settles attempts, in their order, each with its effects, and tells what
    /// became of each. An event published twice, by source and id, is one event.
    ///
    /// An attempt that was settled before changes nothing. On an error none was
    /// settled. All of them go into one transaction, so their size is the caller's
    /// to bound; more than [`limits::WRITER_BYTES`](waystation_core::limits::WRITER_BYTES)
    /// at once is refused while anything else waits.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Commit>, Error>;

    /// The value of a key of durable state.
    async fn state(&self, namespace: &str, key: &str) -> Result<Option<StateValue>, Error>;

    /// The keys of a namespace after a key (none: from the first), in the order
    /// of their bytes, at most `limit`.
    async fn state_keys(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StateKeys, Error>;

    /// Stores how far subscriptions have come: every delivery at or below the
    /// sequence is settled or an exception (retrying or dead). A cursor never
    /// goes back.
    async fn advance(&self, cursors: Vec<(SubscriptionId, Sequence)>) -> Result<(), Error>;

    /// The deliveries of a subscription that wait for another attempt and are
    /// due at `until` or before, soonest first, but none of those in `except`.
    async fn due(
        &self,
        subscription: SubscriptionId,
        until: Timestamp,
        except: Vec<Sequence>,
        limit: usize,
    ) -> Result<Vec<Due>, Error>;

    /// When the soonest waiting delivery of a subscription is due, leaving out
    /// those in `except`.
    async fn next_due(
        &self,
        subscription: SubscriptionId,
        except: Vec<Sequence>,
    ) -> Result<Option<Timestamp>, Error>;

    /// The attempts made for an event, by handler, then by number.
    async fn attempts(&self, sequence: Sequence) -> Result<Vec<Attempt>, Error>;

    /// The newest attempts, newest first; of one handler, if named.
    async fn recent_attempts(
        &self,
        handler: Option<&HandlerName>,
        limit: usize,
    ) -> Result<Vec<Attempt>, Error>;

    /// The deliveries that wait for another attempt, soonest first; of one
    /// handler or one event, if named.
    async fn waiting(
        &self,
        handler: Option<&HandlerName>,
        sequence: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Due>, Error>;

    /// The dead letters, newest first; of one handler or one event, if named.
    async fn dead_letters(
        &self,
        handler: Option<&HandlerName>,
        sequence: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error>;

    /// Makes dead letters due at once, with the attempts of a new delivery
    /// before them; all of a handler's or of all handlers', or one. Gives back
    /// those that it found, by event. Many are not driven again at one moment
    /// but in steps; after an error, some of them may be.
    async fn redrive(
        &self,
        handler: Option<&HandlerName>,
        sequence: Option<Sequence>,
    ) -> Result<Vec<DeliveryKey>, Error>;

    /// Drops the oldest events that nobody waits for, with their attempts, as far
    /// as `retention` asks for it, and gives their room on the disk back. `counted`
    /// are the handlers that count: what they wait for is kept.
    ///
    /// Kept are: events that a subscription has not come to, those that wait for
    /// another attempt or are dead letters, and those younger than
    /// [`limits::DEDUPE_WINDOW`](waystation_core::limits::DEDUPE_WINDOW). Only for
    /// a handler that does not count an event is not kept beyond its age, nor for
    /// want of room if what others are done with was not enough.
    /// Every other method takes a sequence whose event was dropped for one that
    /// was never given.
    async fn retain(
        &self,
        retention: Retention,
        counted: &[HandlerName],
    ) -> Result<Retained, Error>;

    /// Every subscription that was ever opened, by handler.
    async fn subscriptions(&self) -> Result<Vec<SubscriptionStatus>, Error>;

    /// Why the journal takes nothing more, once a write or an fsync failed. The
    /// host must end then.
    fn failed(&self) -> watch::Receiver<Option<String>>;

    /// Waits until all that was asked for is durable, and closes the store.
    /// Whatever is asked for afterwards fails with [`Error::Closed`].
    async fn close(&self) -> Result<(), Error>;
}

/// Why the journal did not do it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More is waiting for the writer than may wait, or another program holds the
    /// store. Nothing was stored; try again.
    #[error("the journal is busy and stored nothing: try again")]
    Full,
    /// The disk has no room, or the journal may not fill more of it. Nothing was
    /// stored.
    #[error("the journal has no room: {0}")]
    NoSpace(String),
    /// A write or an fsync failed. Nothing more is stored until the host starts
    /// anew: what the disk holds is known only after a recovery.
    #[error("the journal failed and takes nothing more: {0}")]
    Poisoned(String),
    /// The store cannot be opened or read.
    #[error("{0}")]
    Store(String),
    /// It was closed.
    #[error("the journal is closed")]
    Closed,
}

/// An event in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its position.
    pub sequence: Sequence,
    /// When it was accepted, by the host's clock.
    pub accepted: Timestamp,
    /// The number of deliveries in the chain of its causes: 0 for an event from
    /// outside.
    pub depth: u32,
    /// The delivery that published it, if a handler did.
    pub cause: Option<Cause>,
    /// The event itself.
    pub event: Event,
}

/// The delivery that published an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The handler that published it.
    pub handler: HandlerName,
    /// The event that was delivered to it.
    pub sequence: Sequence,
}

/// What became of an event that was to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its position.
    pub sequence: Sequence,
    /// Whether it was there before.
    pub duplicate: bool,
}

/// A subscription within this journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub i64);

/// One delivery: one event for one subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryKey {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Its handler.
    pub handler: HandlerName,
    /// The event.
    pub sequence: Sequence,
}

/// Where a subscription stands when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Every delivery at or below is settled or an exception.
    pub cursor: Sequence,
    /// The events above the cursor whose delivery is settled or an exception: runs
    /// of sequences, in order, with a gap between any two.
    pub settled: Vec<RangeInclusive<Sequence>>,
    /// The exceptions that wait for another attempt, in order of sequence, with
    /// the lane that each holds back: none where the order does not matter.
    pub held: Vec<(Sequence, Option<String>)>,
    /// Whether the subscription was begun by this call.
    pub new: bool,
}

/// A delivery that waits for another attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The delivery.
    pub key: DeliveryKey,
    /// The attempts made so far.
    pub attempts: u32,
    /// Of those, the attempts made before the last redrive.
    pub forgiven: u32,
    /// When the next attempt may begin.
    pub due: Timestamp,
    /// The failure of the last attempt.
    pub failure: Failure,
    /// The event.
    pub entry: Arc<Entry>,
}

impl Due {
    /// Where the delivery stands once it is due.
    pub fn state(&self) -> State {
        State::Ready {
            attempt: self.attempts.saturating_add(1),
            forgiven: self.forgiven,
        }
    }
}

/// An attempt with what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The delivery.
    pub subscription: SubscriptionId,
    /// The event.
    pub sequence: Sequence,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The attempts made before the last redrive.
    pub forgiven: u32,
    /// The generation that was invoked.
    pub generation: Digest,
    /// When the attempt began.
    pub started: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Where the delivery goes from here.
    pub disposition: Disposition,
    /// The events to publish with it. Empty unless it was handled.
    pub publish: Vec<Proposal>,
    /// What the attempt read of durable state and what is to be written with it.
    pub state: StateAccess,
}

impl Settlement {
    /// The bytes of it that its sender decides on.
    pub fn size_bytes(&self) -> usize {
        let failure = match &self.disposition {
            Disposition::Done => 0,
            Disposition::Retry { failure, .. } | Disposition::Dead { failure } => {
                failure.reason.len()
            }
        };
        let published = self.publish.iter();
        let published: usize = published.map(|p| p.event.size_bytes()).sum();
        failure + published + self.state.size_bytes()
    }
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It is stored with its effects.
    Stored,
    /// Nothing of it is stored: what the attempt had read was changed by another
    /// before. Make the same attempt again.
    Conflict,
    /// The event was dropped while the attempt ran. If it was handled, its effects
    /// are stored; there is no delivery any more that could wait or be dead.
    Gone,
}

/// Where a delivery goes after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It was handled.
    Done,
    /// It waits for another attempt.
    Retry {
        /// When that may begin.
        due: Timestamp,
        /// Why this attempt failed.
        failure: Failure,
        /// The lane that it holds back meanwhile.
        lane: Option<String>,
    },
    /// It is a dead letter.
    Dead {
        /// Why the last attempt failed.
        failure: Failure,
    },
}

/// An event that a settlement publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The event, complete.
    pub event: Event,
    /// The number of deliveries in the chain of its causes.
    pub depth: u32,
}

/// An attempt that was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The delivery.
    pub key: DeliveryKey,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The generation that was invoked.
    pub generation: Digest,
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub outcome: AttemptOutcome,
}

/// How a settled attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It was handled.
    Ack,
    /// It failed and the delivery was to be tried again.
    Retry {
        /// The kind of failure.
        code: Code,
        /// The reason, for people.
        reason: String,
    },
    /// It failed and the delivery became a dead letter.
    Dead {
        /// The kind of failure.
        code: Code,
        /// The reason, for people.
        reason: String,
    },
}

/// A delivery that was rejected or used up its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The delivery.
    pub key: DeliveryKey,
    /// The attempts made.
    pub attempts: u32,
    /// When it became a dead letter.
    pub since: Timestamp,
    /// The failure of the last attempt.
    pub failure: Failure,
    /// The event.
    pub entry: Arc<Entry>,
}

/// A subscription as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionStatus {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Its handler.
    pub handler: HandlerName,
    /// How far it has come, as last stored.
    pub cursor: Sequence,
    /// The deliveries that wait for another attempt.
    pub waiting: u64,
    /// The dead letters.
    pub dead: u64,
}
