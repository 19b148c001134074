//! Which events a subscription asks for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Event;
use crate::limits;

/// A standing request for events. All the given conditions must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The event's type must match one of these. At least one.
    pub types: Vec<TypePattern>,
    /// The event's source, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The event's subject, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl Filter {
    /// Whether the event is asked for.
    pub fn matches(&self, event: &Event) -> bool {
        self.types
            .iter()
            .any(|pattern| pattern.matches(&event.event_type))
            && self.matches_beyond_type(event)
    }

    /// Whether the conditions on anything but the type hold.
    pub(crate) fn matches_beyond_type(&self, event: &Event) -> bool {
        self.source
            .as_ref()
            .is_none_or(|source| *source == event.source)
            && self
                .subject
                .as_ref()
                .is_none_or(|subject| Some(subject) == event.subject.as_ref())
    }
}

/// One event type exactly, or all types below a prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TypePattern {
    /// This type and no other.
    Exact(String),
    /// Every type that begins with this text, which ends in a dot.
    Prefix(String),
}

/// Why a text is no type pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing is there.
    #[error("an event type is empty; name a type such as `com.example.orders.paid.v1`")]
    Empty,
    /// A star that is not the last segment.
    #[error("`{0}`: a `*` may stand only at the end, after a dot, as in `com.example.orders.*`")]
    Star(String),
    /// Longer than an attribute may be.
    #[error("an event type is longer than {max} bytes", max = limits::ATTRIBUTE_BYTES_MAX)]
    TooLong,
    /// A character that no attribute may hold.
    #[error("`{}`: an event type holds no control characters", .0.escape_debug())]
    Control(String),
}

impl TypePattern {
    /// Whether the type matches.
    pub fn matches(&self, event_type: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == event_type,
            Self::Prefix(prefix) => event_type.starts_with(prefix.as_str()),
        }
    }

    /// What looks like a mistake in it, for people: that it is allowed does not make
    /// it what its author meant.
    pub fn oddity(&self) -> Option<String> {
        let text = self.to_string();
        if let Some(space) = text.chars().find(|c| c.is_whitespace()) {
            return Some(format!(
                "`{text}` has a space (U+{:04X}) in it",
                u32::from(space)
            ));
        }
        if !text.contains('.') {
            return Some(format!(
                "`{text}` has no dot: a type is a name such as `com.example.orders.paid.v1`"
            ));
        }
        let lower = text.to_lowercase();
        (lower != text)
            .then(|| format!("`{text}` has upper-case letters, which count: it is not `{lower}`"))
    }

    /// Whether every type that `other` matches is matched by this pattern too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(own), Self::Exact(other)) => own == other,
            (Self::Exact(_), Self::Prefix(_)) => false,
            (Self::Prefix(own), Self::Exact(other) | Self::Prefix(other)) => other.starts_with(own),
        }
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => f.write_str(exact),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl TryFrom<String> for TypePattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > limits::ATTRIBUTE_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PatternError::Control(text));
        }
        match text.strip_suffix(".*") {
            Some(stem) if !stem.is_empty() && !stem.contains('*') => {
                Ok(Self::Prefix(format!("{stem}.")))
            }
            Some(_) => Err(PatternError::Star(text)),
            None if text.contains('*') => Err(PatternError::Star(text)),
            None => Ok(Self::Exact(text)),
        }
    }
}

impl From<TypePattern> for String {
    fn from(pattern: TypePattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> TypePattern {
        TypePattern::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn what_looks_like_a_mistake_is_pointed_out() {
        let check = |text: &str, expected: &str| {
            let found = TypePattern::try_from(text.to_owned()).unwrap().oddity();
            let found = found.unwrap_or_default();
            assert!(found.contains(expected), "{text}: {found}");
            assert_eq!(found.is_empty(), expected.is_empty(), "{text}: {found}");
        };
        check("com.example.orders.paid.v1", "");
        check("com.example.*", "");
        check("paid", "no dot");
        check("com.Example.paid", "not `com.example.paid`");
        check("com.example.paid ", "U+0020");
    }

    #[test]
    fn a_prefix_matches_what_is_below_it_and_not_itself() {
        let orders = pattern("com.example.orders.*");
        assert!(orders.matches("com.example.orders.paid.v1"));
        assert!(!orders.matches("com.example.orders"));
        assert!(!orders.matches("com.example.ordersx.paid"));
        assert!(pattern("a.b").matches("a.b"));
        assert!(!pattern("a.b").matches("a.b.c"));
    }

    #[test]
    fn a_star_elsewhere_is_refused() {
        for text in ["*", ".*", "a*", "a.*.b", "a.b*", "a.*.*"] {
            let error = TypePattern::try_from(text.to_owned()).unwrap_err();
            assert_eq!(error, PatternError::Star(text.to_owned()), "{text}");
        }
        assert_eq!(
            TypePattern::try_from(String::new()),
            Err(PatternError::Empty)
        );
        assert!(TypePattern::try_from("a\nb".to_owned()).is_err());
    }

    #[test]
    fn covers_is_the_subset_of_matches() {
        assert!(pattern("a.*").covers(&pattern("a.b")));
        assert!(pattern("a.*").covers(&pattern("a.b.*")));
        assert!(pattern("a.*").covers(&pattern("a.*")));
        assert!(!pattern("a.b.*").covers(&pattern("a.*")));
        assert!(!pattern("a.b").covers(&pattern("a.b.*")));
        assert!(pattern("a.b").covers(&pattern("a.b")));
    }

    #[test]
    fn all_conditions_must_hold() {
        let filter = Filter {
            types: vec![pattern("a.*"), pattern("b")],
            source: Some("/s".into()),
            subject: Some("x".into()),
        };
        let event = Event {
            event_type: "a.1".into(),
            source: "/s".into(),
            subject: Some("x".into()),
            ..Event::default()
        };
        assert!(filter.matches(&event));
        assert!(!filter.matches(&Event {
            source: "/t".into(),
            ..event.clone()
        }));
        assert!(!filter.matches(&Event {
            subject: None,
            ..event.clone()
        }));
        assert!(!filter.matches(&Event {
            event_type: "c".into(),
            ..event
        }));
    }
}
