//! The shapes of the HTTP API, shared by the server and the command line.
//!
//! Publishers `POST /events`, by the HTTP binding of CloudEvents, to a listener
//! of their own, and get an [`Accepted`]. All paths of the admin API lie below
//! `/api`; all bodies are JSON; an error is an RFC 9457 [`Problem`]. Times are
//! RFC 3339 in UTC. A handler that was never there is a 404, and where the host
//! was given a token for the listener, a request without it a 401.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/handlers` | a list of [`Handler`] |
//! | `POST /api/handlers/approve` with [`Approve`] | [`Approved`] |
//! | `GET /api/strays` | a list of [`Stray`] |
//! | `GET /api/events?before=SEQUENCE&limit=N` | a list of [`Event`], newest first |
//! | `GET /api/events/tree?id=ID` | a list of [`Tree`]: each event with this id, or the event at this sequence, with all that it caused |
//! | `GET /api/deliveries?handler=NAME&state=STATE&limit=N` | a list of [`Delivery`], newest first |
//! | `GET /api/deliveries/capsule?id=ID&with_component=true` | the [`Capsule`] of the newest failed attempt, or 404 |
//! | `GET /api/dead-letters?handler=NAME&limit=N` | a list of [`Delivery`], newest first |
//! | `POST /api/dead-letters/redrive` with [`Redrive`] | [`Redriven`] |
//!
//! A list holds at most [`PAGE_ROWS`] rows unless `limit` says otherwise, and
//! fewer if its events are large. `GET /healthz` and `GET /readyz` answer 200
//! with a [`Health`], or 503.
//!
//! [`PAGE_ROWS`]: waystation_core::limits::PAGE_ROWS
//! [`Capsule`]: waystation_core::Capsule

use serde::{Deserialize, Serialize};
use serde_json::Value;
use waystation_core::{
    Ask, Code, Digest, Filter, HandlerName, Instances, Order, Sequence, TypePattern,
};

/// What became of the events of a `POST /events`. All of them are durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// How many were stored by this request.
    pub accepted: usize,
    /// How many were there before, by their source and id.
    pub duplicates: usize,
    /// The position of each, in the order in which they were sent.
    pub sequences: Vec<Sequence>,
}

/// How the host is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
}

/// A handler: what serves, what does not and why, and how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handler {
    /// Its name: the stem of its file.
    pub name: HandlerName,
    /// How it stands.
    pub state: HandlerState,
    /// The generation in service, if there is one.
    pub serving: Option<Serving>,
    /// The last file that was refused, if the newest was.
    pub refused: Option<Refused>,
    /// The newest file, if it must be let in first.
    pub quarantined: Option<Quarantined>,
    /// Every delivery at or below is settled, or waits for another attempt, or
    /// is a dead letter.
    pub cursor: Sequence,
    /// The events that it has not looked at yet, whether it asks for them or not,
    /// and the deliveries that are under way.
    pub behind: u64,
    /// The attempts that run.
    pub running: u32,
    /// The deliveries that wait for another attempt.
    pub waiting: u64,
    /// The dead letters.
    pub dead: u64,
}

/// How a handler stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandlerState {
    /// Its file was seen and is not judged yet.
    Loading,
    /// A generation serves.
    Serving,
    /// Its file was refused and nothing serves.
    Refused,
    /// Its file asks for what nobody granted or approved, and nothing serves.
    Quarantined,
    /// Its file is gone. Its position is kept.
    Retired,
}

/// A generation in service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Serving {
    /// The digest of its bytes.
    pub generation: Digest,
    /// The size of its file, in bytes.
    pub bytes: u64,
    /// Since when.
    pub since: String,
    /// One line of its author.
    pub description: String,
    /// What it gets.
    pub subscriptions: Vec<Filter>,
    /// What it may publish.
    pub publishes: Vec<TypePattern>,
    /// What else it may do, such as `http api.example.com:443`. The values of its
    /// configuration and its secrets are not told.
    pub grants: Vec<Ask>,
    /// The private networks that the names of its hosts may lead to.
    pub networks: Vec<String>,
    /// What it asks for and does not get.
    pub withheld: Vec<Ask>,
    /// In which order its deliveries run.
    pub order: Order,
    /// How long its instances live.
    pub instances: Instances,
    /// How many of its attempts run side by side, at most.
    pub concurrency: u32,
    /// How long an attempt may run, in milliseconds.
    pub timeout_ms: u64,
    /// The memory of an instance, in bytes.
    pub memory_bytes: u64,
    /// The most attempts of a delivery.
    pub attempts: u32,
}

/// A file that was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// The digest of its bytes, if they could be read.
    pub generation: Option<Digest>,
    /// Why, for people.
    pub reason: String,
    /// When.
    pub at: String,
}

/// A generation that waits until the operator lets it in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The digest of its bytes.
    pub generation: Digest,
    /// What it asks for beyond what is granted and was approved.
    pub asks: Vec<Ask>,
    /// When.
    pub at: String,
}

/// Which generation to let in. Another one that is quarantined by then is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The handler.
    pub handler: HandlerName,
    /// The generation that was looked at.
    pub generation: Digest,
}

/// A generation that was let in and serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approved {
    /// The handler.
    pub handler: HandlerName,
    /// The generation.
    pub generation: Digest,
    /// What was approved.
    pub asks: Vec<Ask>,
}

/// A file in the handlers folder that looks like a handler's but is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stray {
    /// Its name.
    pub file: String,
    /// Why it is no handler's.
    pub reason: String,
}

/// An event of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its position.
    pub sequence: Sequence,
    /// When it was accepted.
    pub accepted: String,
    /// The number of deliveries in the chain of its causes.
    pub depth: u32,
    /// The event in the JSON format of CloudEvents.
    pub event: Value,
}

/// An event with all that it caused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// Its deliveries, by handler.
    pub deliveries: Vec<Branch>,
    /// Whether more was left out than is drawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// A delivery with its attempts and what it published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// Its attempts, first to last.
    pub attempts: Vec<Attempt>,
    /// The events that it published.
    pub published: Vec<Tree>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    /// It was handled.
    Done,
    /// It waits for its first attempt, or for one that runs.
    Pending,
    /// It waits for another attempt.
    Waiting,
    /// It is a dead letter.
    Dead,
}

/// A delivery: one event for one handler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The handler.
    pub handler: HandlerName,
    /// The event's position.
    pub sequence: Sequence,
    /// The event's id.
    pub event_id: String,
    /// The event's source.
    pub event_source: String,
    /// The event's type.
    pub event_type: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// The attempts made.
    pub attempts_made: u32,
    /// When the next attempt is due.
    pub due: Option<String>,
    /// The kind of the last failure, if the last attempt failed.
    pub code: Option<Code>,
    /// The reason of the last failure.
    pub reason: Option<String>,
    /// When the last attempt began, or when it became a dead letter.
    pub at: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptOutcome {
    /// Handled.
    Ack,
    /// To be tried again.
    Retry,
    /// The end: a dead letter.
    Dead,
}

/// An attempt that was settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// The generation that was invoked.
    pub generation: Digest,
    /// When it began.
    pub started: String,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The kind of failure.
    pub code: Option<Code>,
    /// The reason.
    pub reason: Option<String>,
}

/// Which dead letters to try again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Redrive {
    /// One, by the id of its delivery.
    Delivery(String),
    /// All of one handler.
    Handler(HandlerName),
    /// All.
    All {},
}

/// The dead letters that will be tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redriven {
    /// The ids of their deliveries.
    pub deliveries: Vec<String>,
}

/// An error, as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The kind of problem, a relative reference such as `/problems/attribute`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request and what to do.
    pub detail: String,
    /// The attribute that is wrong, of an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// The rule that it breaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The place in the batch, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}
