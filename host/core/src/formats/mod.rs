//! Events to and from bytes: the JSON format, and the binary mode of HTTP.
//!
//! It knows the formats of CloudEvents and nothing of a server: headers come in
//! as names and bytes. Each parser gives back an event that holds by
//! [`Event::check`], or says which attribute broke which rule.

pub mod http;
pub mod json;
mod mode;
#[cfg(test)]
mod round_trip;

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::attribute::Rule;
use crate::{Event, EventError, limits};

pub use mode::{Mode, UnsupportedMediaType};

/// Why bytes are no event, or no batch of events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", self.place())]
pub struct ParseError {
    /// The item of a batch that is at fault, counted from 0.
    pub index: Option<usize>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It reads, and is no event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The body is too large.
    #[error("the body takes {size_bytes} bytes; {max} are allowed", max = limits::BODY_BYTES_MAX)]
    BodyTooLarge {
        /// What it takes, in bytes.
        size_bytes: usize,
    },
    /// The batch is too long.
    #[error("the batch holds {count} events; {max} are allowed", max = limits::BATCH_EVENTS_MAX)]
    BatchTooLong {
        /// How many it holds.
        count: usize,
    },
    /// A byte order mark begins the body (RFC 8259, section 8.1).
    #[error("the body begins with a byte order mark; send JSON without one")]
    ByteOrderMark,
    /// The body is not UTF-8 (RFC 8259, section 8.1).
    #[error("the body is not UTF-8 from byte {valid_up_to} on")]
    NotUtf8 {
        /// The first byte that is not, counted from 0.
        valid_up_to: usize,
    },
    /// The body is no JSON text (RFC 8259).
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// Arrays and objects stand too deep in each other.
    #[error("arrays and objects are nested deeper than {max}", max = limits::JSON_DEPTH_MAX)]
    Depth,
    /// JSON format, section 3.
    #[error("an event must be a JSON object")]
    NotAnObject,
    /// JSON format, section 4.2.
    #[error("a batch must be a JSON array of events")]
    NotAnArray,
}

impl ParseError {
    fn new(problem: impl Into<Problem>) -> Self {
        Self {
            index: None,
            problem: problem.into(),
        }
    }

    /// The attribute that breaks the rule, if it is one alone.
    pub fn attribute(&self) -> Option<&str> {
        match &self.problem {
            Problem::Event(error) => error.attribute(),
            _ => None,
        }
    }

    /// The rule in a word that never changes, for programs.
    pub fn rule(&self) -> &'static str {
        match &self.problem {
            Problem::Event(error) => error.rule(),
            Problem::BodyTooLarge { .. } => "body-size",
            Problem::BatchTooLong { .. } => "batch-size",
            Problem::ByteOrderMark => "byte-order-mark",
            Problem::NotUtf8 { .. } => "utf8",
            Problem::Syntax(_) => "json-syntax",
            Problem::Depth => "json-depth",
            Problem::NotAnObject => "json-object",
            Problem::NotAnArray => "json-array",
        }
    }

    fn place(&self) -> String {
        self.index
            .map_or_else(String::new, |index| format!("item {index} of the batch: "))
    }
}

impl From<Problem> for ParseError {
    fn from(problem: Problem) -> Self {
        Self::new(problem)
    }
}

impl From<EventError> for ParseError {
    fn from(error: EventError) -> Self {
        Self::new(error)
    }
}

/// The attributes of one event in their canonical string form, by name.
type Attributes<'a> = BTreeMap<Cow<'a, str>, String>;

/// The event with these attributes, checked.
fn build(mut attributes: Attributes<'_>, data: Option<Bytes>) -> Result<Event, EventError> {
    if required(&mut attributes, "specversion")? != "1.0" {
        return Err(EventError::attribute_breaks("specversion", Rule::Version));
    }
    let event = Event {
        id: required(&mut attributes, "id")?,
        source: required(&mut attributes, "source")?,
        event_type: required(&mut attributes, "type")?,
        subject: attributes.remove("subject"),
        time: attributes.remove("time"),
        data_content_type: attributes.remove("datacontenttype"),
        data_schema: attributes.remove("dataschema"),
        extensions: attributes
            .into_iter()
            .map(|(name, value)| (name.into_owned(), value))
            .collect(),
        data,
    };
    event.check()?;
    Ok(event)
}

fn required(attributes: &mut Attributes<'_>, name: &str) -> Result<String, EventError> {
    attributes
        .remove(name)
        .ok_or_else(|| EventError::attribute_breaks(name, Rule::Required))
}
