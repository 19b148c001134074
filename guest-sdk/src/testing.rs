//! Runs a handler natively, the way the host would.
//!
//! ```
//! use waystation_sdk::testing::{self, Outcome};
//! use waystation_sdk::{Context, Event, HandlerError, handler};
//!
//! /// Greets who has joined.
//! #[handler(on = "com.example.joined.v1", publishes = "com.example.greeting.v1")]
//! fn greeter(event: Event<String>, ctx: &mut Context) -> Result<(), HandlerError> {
//!     ctx.publish("com.example.greeting.v1", &format!("Hello, {}!", event.data))?;
//!     Ok(())
//! }
//!
//! let attempt = testing::deliver::<greeter>(testing::event("com.example.joined.v1", &"Ada"));
//! assert_eq!(attempt.outcome, Outcome::Ack);
//! assert_eq!(attempt.only_draft().decode::<String>().unwrap(), "Hello, Ada!");
//! ```
//!
//! The attribute makes a type of the function's name: `greeter` above. The
//! function itself stays what it is and can be called too.
//!
//! Everything here panics on a test's own mistake, with a message that says
//! which.

pub(crate) mod outside;
mod world;

pub use world::World;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use outside::Outside;

use crate::{Context, Draft, Event, Handler, RawData};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Handled: its drafts are published.
    Ack,
    /// Not handled; to be tried again.
    Retry {
        /// What an operator reads.
        reason: String,
        /// Not before so long. None leaves it to the retry policy.
        after: Option<Duration>,
    },
    /// Not handled, and never to be tried again.
    Reject {
        /// What an operator reads.
        reason: String,
    },
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How it ended.
    pub outcome: Outcome,
    /// What it publishes: nothing unless the outcome is [`Outcome::Ack`].
    pub drafts: Vec<Draft>,
}

impl Attempt {
    /// The draft of a handler that publishes exactly one.
    ///
    /// # Panics
    /// When there is another number of drafts.
    #[track_caller]
    pub fn only_draft(&self) -> &Draft {
        match self.drafts.as_slice() {
            [draft] => draft,
            drafts => fail(format!(
                "{} drafts, not one; {:?}",
                drafts.len(),
                self.outcome
            )),
        }
    }
}

/// Makes a first attempt at an event.
///
/// # Panics
/// When the handler does not subscribe to the event, or publishes a type that
/// its attribute does not name: the host would refuse both.
#[track_caller]
pub fn deliver<H: Handler>(event: Event<RawData>) -> Attempt {
    deliver_again::<H>(event, 1)
}

/// Makes an attempt of the given number, from 1.
///
/// # Panics
/// As [`deliver`] does.
#[track_caller]
pub fn deliver_again<H: Handler>(event: Event<RawData>, attempt: u32) -> Attempt {
    World::new().deliver_again::<H>(event, attempt)
}

#[track_caller]
fn attempt<H: Handler>(event: Event<RawData>, number: u32, outside: Outside) -> Attempt {
    let wanted = H::DESCRIPTOR;
    let same = |wanted: Option<&str>, given: Option<&str>| wanted.is_none() || wanted == given;
    if !matches_any(wanted.on, &event.event_type)
        || !same(wanted.source, Some(&event.source))
        || !same(wanted.subject, event.subject.as_deref())
    {
        fail(format!(
            "the handler does not subscribe to {} from {}: {wanted:?}",
            event.event_type, event.source
        ));
    }
    let mut ctx = Context::new(format!("test-{}", event.id), number, 1, outside);
    if let Err(error) = H::handle(event, &mut ctx) {
        let reason = error.reason().to_owned();
        let outcome = if error.is_reject() {
            Outcome::Reject { reason }
        } else {
            Outcome::Retry {
                reason,
                after: error.delay(),
            }
        };
        return Attempt {
            outcome,
            drafts: Vec::new(),
        };
    }
    let drafts = ctx.into_drafts();
    for draft in &drafts {
        if !matches_any(wanted.publishes, &draft.event_type) {
            fail(format!(
                "the handler publishes {}, but its attribute names only {:?}",
                draft.event_type, wanted.publishes
            ));
        }
    }
    Attempt {
        outcome: Outcome::Ack,
        drafts,
    }
}

/// An event of a type, with JSON data and the attributes that must be there.
/// Its fields can be set to more.
///
/// # Panics
/// When the data cannot be written as JSON.
#[track_caller]
pub fn event(event_type: &str, data: &impl Serialize) -> Event<RawData> {
    let data = match serde_json::to_vec(data) {
        Ok(data) => data,
        Err(error) => fail(format!("the data cannot be written as JSON: {error}")),
    };
    Event {
        id: "1".to_owned(),
        source: "/test".to_owned(),
        event_type: event_type.to_owned(),
        subject: None,
        time: None,
        data_content_type: Some("application/json".to_owned()),
        data_schema: None,
        extensions: BTreeMap::new(),
        data: RawData(Some(data)),
    }
}

/// Reads an event in CloudEvents' JSON format (structured mode) with JSON data,
/// such as a file beside the handler: `testing::parse(include_str!("../event.json"))`.
///
/// # Panics
/// When the text is not such an event.
#[track_caller]
pub fn parse(text: &str) -> Event<RawData> {
    let event: Structured = match serde_json::from_str(text) {
        Ok(event) => event,
        Err(error) => fail(format!("not a CloudEvent in JSON: {error}")),
    };
    if event.specversion != "1.0" {
        fail(format!("specversion is {}, not 1.0", event.specversion));
    }
    Event {
        id: event.id,
        source: event.source,
        event_type: event.event_type,
        subject: event.subject,
        time: event.time,
        data_content_type: event.datacontenttype,
        data_schema: event.dataschema,
        extensions: event.extensions.into_iter().map(canonical).collect(),
        data: RawData(event.data.map(|data| data.get().into())),
    }
}

#[derive(Deserialize)]
struct Structured<'a> {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: Option<String>,
    time: Option<String>,
    datacontenttype: Option<String>,
    dataschema: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(flatten)]
    extensions: BTreeMap<String, serde_json::Value>,
}

/// CloudEvents 1.0, type system: an extension is a text, a number or a boolean,
/// and each has a canonical string form.
#[track_caller]
fn canonical((name, value): (String, serde_json::Value)) -> (String, String) {
    let text = match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Bool(value) => value.to_string(),
        serde_json::Value::Number(value) => value.to_string(),
        other => fail(format!("the extension {name} cannot be {other}")),
    };
    (name, text)
}

fn matches_any(patterns: &[&str], event_type: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => event_type.starts_with(prefix),
            None => *pattern == event_type,
        })
}

/// A test's own mistake ends the test.
#[expect(
    clippy::panic,
    reason = "this module runs in tests only, which fail by a panic"
)]
#[track_caller]
fn fail(mistake: String) -> ! {
    panic!("{mistake}")
}
