//! What a handler asks for, which somebody must grant.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Authority, AuthorityError, Capability, Descriptor, PatternError, TypePattern, limits};

/// One thing that a handler asks for. As text it is its kind and its value, such
/// as `http api.example.com:443`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Ask {
    /// To call a host.
    Http(Authority),
    /// To read and write a namespace of state.
    State(String),
    /// To read a key of the configuration.
    Config(String),
    /// To read a secret, by name.
    Secret(String),
    /// To publish the types that match.
    Publish(TypePattern),
}

/// The kinds of [`Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskKind {
    /// Outbound HTTP.
    Http,
    /// Durable state.
    State,
    /// Configuration.
    Config,
    /// Secrets.
    Secret,
    /// Publishing.
    Publish,
}

/// Why nothing can be asked for by that text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// A host that is none.
    #[error(transparent)]
    Http(#[from] AuthorityError),
    /// A pattern of types that is none.
    #[error(transparent)]
    Publish(#[from] PatternError),
    /// A name that is too long, empty or not fit to be shown.
    #[error(
        "`{}` is no name: it has between 1 and {max} letters, digits and signs of ASCII and no \
         space", .0.escape_debug(), max = limits::GRANT_NAME_BYTES_MAX
    )]
    Name(String),
    /// No kind of thing that can be asked for.
    #[error(
        "`{}` is nothing that a handler can ask for: write http, state, config, secret or publish \
         and a value", .0.escape_debug()
    )]
    Kind(String),
}

impl AskKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Http,
        Self::State,
        Self::Config,
        Self::Secret,
        Self::Publish,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::State => "state",
            Self::Config => "config",
            Self::Secret => "secret",
            Self::Publish => "publish",
        }
    }
}

impl Ask {
    /// What is asked for with this kind and value.
    ///
    /// # Errors
    /// The value is none of that kind.
    pub fn new(kind: AskKind, value: &str) -> Result<Self, AskError> {
        Ok(match kind {
            AskKind::Http => Self::Http(value.parse()?),
            AskKind::State => Self::State(name(value)?),
            AskKind::Config => Self::Config(name(value)?),
            AskKind::Secret => Self::Secret(name(value)?),
            AskKind::Publish => Self::Publish(TypePattern::try_from(value.to_owned())?),
        })
    }

    /// All that a handler asks for.
    ///
    /// # Errors
    /// It asks for what cannot be.
    pub fn all_of(descriptor: &Descriptor) -> Result<BTreeSet<Self>, AskError> {
        let publishes = descriptor.publishes.iter().cloned().map(Self::Publish);
        let capabilities = descriptor.capabilities.iter().map(|capability| {
            let (kind, value) = match capability {
                Capability::Http(value) => (AskKind::Http, value),
                Capability::State(value) => (AskKind::State, value),
                Capability::Config(value) => (AskKind::Config, value),
                Capability::Secret(value) => (AskKind::Secret, value),
            };
            Self::new(kind, value)
        });
        capabilities.chain(publishes.map(Ok)).collect()
    }

    /// Its kind.
    pub fn kind(&self) -> AskKind {
        match self {
            Self::Http(_) => AskKind::Http,
            Self::State(_) => AskKind::State,
            Self::Config(_) => AskKind::Config,
            Self::Secret(_) => AskKind::Secret,
            Self::Publish(_) => AskKind::Publish,
        }
    }

    /// Its value as text.
    pub fn value(&self) -> String {
        match self {
            Self::Http(authority) => authority.to_string(),
            Self::State(name) | Self::Config(name) | Self::Secret(name) => name.clone(),
            Self::Publish(pattern) => pattern.to_string(),
        }
    }

    /// Whether whoever has this has the other too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Publish(own), Self::Publish(other)) => own.covers(other),
            _ => self == other,
        }
    }
}

/// A name that shows as what it is: nothing in it steers a terminal or looks like
/// another letter.
fn name(text: &str) -> Result<String, AskError> {
    let fits = (1..=limits::GRANT_NAME_BYTES_MAX).contains(&text.len());
    if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let shown = text.chars().take(limits::GRANT_NAME_BYTES_MAX).collect();
        return Err(AskError::Name(shown));
    }
    Ok(text.to_owned())
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind().as_str(), self.value())
    }
}

impl FromStr for Ask {
    type Err = AskError;

    fn from_str(text: &str) -> Result<Self, AskError> {
        let unknown = || AskError::Kind(text.to_owned());
        let (word, value) = text.split_once(' ').ok_or_else(unknown)?;
        let mut kinds = AskKind::ALL.into_iter();
        let kind = kinds.find(|kind| kind.as_str() == word);
        Self::new(kind.ok_or_else(unknown)?, value)
    }
}

impl TryFrom<String> for Ask {
    type Error = AskError;

    fn try_from(text: String) -> Result<Self, AskError> {
        text.parse()
    }
}

impl From<Ask> for String {
    fn from(ask: Ask) -> Self {
        ask.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instances, Order};

    fn ask(text: &str) -> Ask {
        text.parse().unwrap()
    }

    #[test]
    fn its_text_can_be_read_back() {
        let check = |text: &str, expected: &str| assert_eq!(ask(text).to_string(), expected);
        check("http API.example.com", "http api.example.com:443");
        check("state orders", "state orders");
        check("config region", "config region");
        check("secret mail-token", "secret mail-token");
        check("publish a.b.*", "publish a.b.*");
    }

    #[test]
    fn what_cannot_be_asked_for_is_an_error() {
        let long = format!("secret {}", "x".repeat(limits::GRANT_NAME_BYTES_MAX + 1));
        let texts = [
            "",
            "http",
            "http ",
            "http a/b",
            "http *.a",
            "state ",
            "state a b",
            "config a\nb",
            "secret ä",
            "publish *.a",
            "root all",
            &long,
        ];
        for text in texts {
            assert!(text.parse::<Ask>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_a_pattern_covers_more_than_itself() {
        let check = |wide: &str, narrow: &str, expected: bool| {
            assert_eq!(ask(wide).covers(&ask(narrow)), expected, "{wide}, {narrow}");
        };
        check("publish a.*", "publish a.b", true);
        check("publish a.b", "publish a.*", false);
        check("http a", "http a:443", true);
        check("http a", "http a:80", false);
        check("state a", "config a", false);
    }

    #[test]
    fn a_descriptor_asks_for_its_capabilities_and_its_types() {
        let descriptor = |host: &str| Descriptor {
            description: String::new(),
            subscriptions: Vec::new(),
            publishes: vec![TypePattern::try_from("a.*".to_owned()).unwrap()],
            capabilities: vec![Capability::Http(host.to_owned())],
            order: Order::None,
            instances: Instances::Fresh,
        };
        let asks = Ask::all_of(&descriptor("a.example")).unwrap();
        assert_eq!(asks, [ask("http a.example"), ask("publish a.*")].into());
        assert!(Ask::all_of(&descriptor("a b")).is_err());
    }
}
