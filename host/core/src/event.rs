//! The event: CloudEvents 1.0.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::attribute::{self, AttributeError, Rule, Syntax};
use crate::expiry::EXPIRY_TIME;
use crate::limits;

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

/// Why something is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// An attribute, or the data, breaks a rule.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// It has too many extension attributes.
    #[error("the event has more than {max} extension attributes", max = limits::EXTENSIONS_MAX)]
    Extensions,
    /// It is too large.
    #[error("the event takes {size_bytes} bytes; {max} are allowed", max = limits::EVENT_BYTES_MAX)]
    TooLarge {
        /// What its attributes and data take, in bytes.
        size_bytes: usize,
    },
}

impl EventError {
    pub(crate) fn attribute_breaks(attribute: &str, rule: Rule) -> Self {
        AttributeError::new(attribute, rule).into()
    }

    /// The attribute that breaks the rule, if it is one alone.
    pub fn attribute(&self) -> Option<&str> {
        match self {
            Self::Attribute(error) => Some(&error.attribute),
            Self::Extensions | Self::TooLarge { .. } => None,
        }
    }

    /// The rule in a word that never changes, for programs.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Attribute(error) => error.rule.slug(),
            Self::Extensions => "extensions-max",
            Self::TooLarge { .. } => "event-size",
        }
    }
}

impl Event {
    /// Checks every attribute by the rules of CloudEvents 1.0, and the event by
    /// its bounds: [`EXTENSIONS_MAX`](limits::EXTENSIONS_MAX) and
    /// [`EVENT_BYTES_MAX`](limits::EVENT_BYTES_MAX).
    ///
    /// The first broken rule is the error. The data is bytes: whether they are
    /// what the content type says is for the handler to find.
    pub fn check(&self) -> Result<(), EventError> {
        attribute::check_value("id", Syntax::NonEmpty, &self.id)?;
        attribute::check_value("source", Syntax::UriReference, &self.source)?;
        attribute::check_value("type", Syntax::NonEmpty, &self.event_type)?;
        for (name, syntax, value) in [
            ("subject", Syntax::NonEmpty, &self.subject),
            ("time", Syntax::Timestamp, &self.time),
            (
                "datacontenttype",
                Syntax::MediaType,
                &self.data_content_type,
            ),
            ("dataschema", Syntax::AbsoluteUri, &self.data_schema),
        ] {
            if let Some(value) = value {
                attribute::check_value(name, syntax, value)?;
            }
        }
        self.check_extensions()?;
        let size_bytes = self.size_bytes();
        if size_bytes > limits::EVENT_BYTES_MAX {
            return Err(EventError::TooLarge { size_bytes });
        }
        Ok(())
    }

    fn check_extensions(&self) -> Result<(), EventError> {
        if self.extensions.len() > limits::EXTENSIONS_MAX {
            return Err(EventError::Extensions);
        }
        for (name, value) in &self.extensions {
            attribute::check_extension_name(name)?;
            let syntax = match name.as_str() {
                EXPIRY_TIME => Syntax::Timestamp,
                _ => Syntax::Text,
            };
            attribute::check_value(name, syntax, value)?;
        }
        Ok(())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            id: "1".into(),
            source: "/orders".into(),
            event_type: "com.example.orders.paid.v1".into(),
            ..Event::default()
        }
    }

    fn check(change: impl FnOnce(&mut Event), expected: Option<(Option<&str>, &str)>) {
        let mut event = event();
        change(&mut event);
        let error = event.check().err();
        let found = error.as_ref().map(|e| (e.attribute(), e.rule()));
        assert_eq!(found, expected, "{event:?}");
    }

    #[test]
    fn an_event_of_the_required_attributes_alone_is_one() {
        check(|_| {}, None);
    }

    #[test]
    fn the_error_names_the_attribute_and_the_rule() {
        type Row = (fn(&mut Event), &'static str, &'static str);
        let rows: [Row; 12] = [
            (|e| e.id.clear(), "id", "empty"),
            (|e| e.source.clear(), "source", "empty"),
            (|e| e.source = "a b".into(), "source", "uri-reference"),
            (|e| e.event_type.clear(), "type", "empty"),
            (|e| e.subject = Some(String::new()), "subject", "empty"),
            (|e| e.subject = Some("a\nb".into()), "subject", "character"),
            (|e| e.time = Some("today".into()), "time", "timestamp"),
            (
                |e| e.data_content_type = Some("json".into()),
                "datacontenttype",
                "media-type",
            ),
            (
                |e| e.data_schema = Some("/s".into()),
                "dataschema",
                "absolute-uri",
            ),
            (
                |e| drop(e.extensions.insert("a_b".into(), "c".into())),
                "a_b",
                "name",
            ),
            (
                |e| drop(e.extensions.insert("data".into(), "c".into())),
                "data",
                "reserved",
            ),
            (
                |e| drop(e.extensions.insert("expirytime".into(), "soon".into())),
                "expirytime",
                "timestamp",
            ),
        ];
        for (change, attribute, rule) in rows {
            check(change, Some((Some(attribute), rule)));
        }
    }

    #[test]
    fn an_event_is_bounded_as_a_whole() {
        let extend = |event: &mut Event, count: usize| {
            event.extensions = (0..count)
                .map(|n| (format!("x{n}"), String::new()))
                .collect();
        };
        check(|e| extend(e, limits::EXTENSIONS_MAX), None);
        let over = Some((None, "extensions-max"));
        check(|e| extend(e, limits::EXTENSIONS_MAX + 1), over);

        let room = limits::EVENT_BYTES_MAX - event().size_bytes();
        check(|e| e.data = Some(vec![0; room].into()), None);
        let over = Some((None, "event-size"));
        check(|e| e.data = Some(vec![0; room + 1].into()), over);
    }
}
