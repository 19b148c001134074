//! What a handler says of itself.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::{Filter, TypePattern};

/// What a handler says of itself when it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// One line for people.
    pub description: String,
    /// Which events it wants.
    pub subscriptions: Vec<Filter>,
    /// The types that it publishes.
    pub publishes: Vec<TypePattern>,
    /// What it asks for.
    pub capabilities: Vec<Capability>,
    /// The order it needs.
    pub order: Order,
    /// How long its instances may live.
    pub instances: Instances,
}

/// Something beyond the event that a handler asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Outbound HTTP to a host, as `host` or `host:port`.
    Http(String),
    /// A configuration key.
    Config(String),
    /// A secret, by name.
    Secret(String),
    /// A namespace of durable state.
    State(String),
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(host) => write!(f, "http {host}"),
            Self::Config(key) => write!(f, "config {key}"),
            Self::Secret(name) => write!(f, "secret {name}"),
            Self::State(namespace) => write!(f, "state {namespace}"),
        }
    }
}

/// In which order the deliveries of a subscription run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// In any order, side by side.
    #[default]
    None,
    /// One at a time and in order within a lane.
    Key,
}

/// How long an instance of a component lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Instances {
    /// A new instance for each attempt.
    #[default]
    Fresh,
    /// An instance may serve several attempts, one after another.
    Reused,
}

/// The name of a handler: the stem of its file.
///
/// Letters, digits, `-` and `_`, and at most
/// [`HANDLER_NAME_BYTES_MAX`](limits::HANDLER_NAME_BYTES_MAX) bytes. Cheap to
/// clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HandlerName(Arc<str>);

/// A text that cannot be the name of a handler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` cannot be the name of a handler: use letters, digits, `-` and `_`, at most {max} of them",
    .0.escape_debug(), max = limits::HANDLER_NAME_BYTES_MAX
)]
pub struct HandlerNameError(String);

impl HandlerName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, HandlerNameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty()
            || name.len() > limits::HANDLER_NAME_BYTES_MAX
            || !name.bytes().all(allowed)
        {
            return Err(HandlerNameError(name.to_owned()));
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` so that a table can give it a width.
        f.pad(&self.0)
    }
}

impl fmt::Debug for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl TryFrom<String> for HandlerName {
    type Error = HandlerNameError;

    fn try_from(name: String) -> Result<Self, HandlerNameError> {
        Self::new(&name)
    }
}

impl From<HandlerName> for String {
    fn from(name: HandlerName) -> Self {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_in_a_path_and_in_an_id() {
        assert!(HandlerName::new("welcome-mail_2").is_ok());
        for bad in ["", "a.b", "a/b", "..", "a b", "ä", &"x".repeat(65)] {
            assert!(HandlerName::new(bad).is_err(), "{bad:?}");
        }
    }
}
