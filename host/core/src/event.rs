//! The event: CloudEvents 1.0.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// An event's position in the journal. The first is 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event with the attributes of CloudEvents 1.0.
///
/// `source` and `id` together are its identity. Attribute values are in their
/// canonical string form and kept as received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Unique within the source. Never empty.
    pub id: String,
    /// The context in which it happened: a URI-reference. Never empty.
    pub source: String,
    /// The `type` attribute: what happened. Never empty.
    pub event_type: String,
    /// What it is about within its source. Never empty if there.
    pub subject: Option<String>,
    /// When it happened: RFC 3339, the text as received.
    pub time: Option<String>,
    /// The media type of the data (RFC 2046).
    pub data_content_type: Option<String>,
    /// The schema of the data: an absolute URI.
    pub data_schema: Option<String>,
    /// Extension attributes by name.
    pub extensions: BTreeMap<String, String>,
    /// The payload, as bytes of the given media type. No bytes are not the same
    /// as no data.
    pub data: Option<Bytes>,
}

impl Event {
    /// The number of bytes that all attributes and the data take together.
    pub fn size_bytes(&self) -> usize {
        let optional = [
            &self.subject,
            &self.time,
            &self.data_content_type,
            &self.data_schema,
        ];
        self.id.len()
            + self.source.len()
            + self.event_type.len()
            + optional
                .into_iter()
                .flatten()
                .map(String::len)
                .sum::<usize>()
            + self
                .extensions
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>()
            + self.data.as_ref().map_or(0, Bytes::len)
    }
}
