//! What the folder shows of itself.

use std::time::Duration;

use waystation_core::{Code, Descriptor, Digest, Failure, HandlerName, Settings, Timestamp};

/// How a handler stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerStatus {
    /// The handler.
    pub name: HandlerName,
    /// How it stands.
    pub state: State,
    /// What serves.
    pub serving: Option<Serving>,
    /// Why what is in the folder now does not serve. Beside something that
    /// serves: the last good generation goes on.
    pub refused: Option<Refusal>,
}

/// How a handler stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its files were seen and are not judged yet.
    Loading,
    /// A generation serves.
    Serving,
    /// Its files were refused and nothing serves.
    Refused,
    /// Its component was removed. Its position in the journal is kept.
    Retired,
}

impl State {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Serving => "serving",
            Self::Refused => "refused",
            Self::Retired => "retired",
        }
    }
}

/// A generation that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// The digest of the component.
    pub digest: Digest,
    /// The size of the component's file, in bytes.
    pub bytes: u64,
    /// When it was put into service, or last given other settings.
    pub since: Timestamp,
    /// What it says of itself.
    pub descriptor: Descriptor,
    /// What holds for it.
    pub settings: Settings,
}

/// Files that were not put into service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The digest of the component, if it was read.
    pub digest: Option<Digest>,
    /// Why, for people. May have several lines.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Refusal {
    /// A refusal whose reason is cut and cleaned like that of an attempt: both
    /// may quote what a guest said.
    pub(crate) fn new(digest: Option<Digest>, reason: impl Into<String>, at: Timestamp) -> Self {
        let reason = Failure::new(Code::Host, reason).reason;
        Self { digest, reason, at }
    }
}

/// A file that looks like a handler's but is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The file's name.
    pub file: String,
    /// Why it is no handler's, for people.
    pub reason: String,
}

/// What happened in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A generation was put into service.
    Installed {
        /// The handler.
        handler: HandlerName,
        /// The generation.
        digest: Digest,
        /// What served before. The same digest means other settings.
        replaced: Option<Digest>,
        /// How long it took to read, load and install it.
        took: Duration,
    },
    /// The files of a handler were refused.
    Refused {
        /// The handler.
        handler: HandlerName,
        /// Why.
        refusal: Refusal,
    },
    /// A handler was taken out of service.
    Retired {
        /// The handler.
        handler: HandlerName,
        /// What served before.
        digest: Digest,
    },
}
