//! What the folder shows of itself.

use std::time::Duration;

use waystation_core::{Ask, Code, Descriptor, Digest, Failure, HandlerName, Settings, Timestamp};

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
    /// What keeps what is in the folder now from serving until the operator lets
    /// it in. Beside something that serves: the last good generation goes on.
    pub quarantined: Option<Quarantine>,
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
    /// It asks for what nobody granted or approved, and nothing serves.
    Quarantined,
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
            Self::Quarantined => "quarantined",
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
    /// What it asks for and does not get, though it was let in.
    pub withheld: Vec<Ask>,
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

/// A generation that is kept out until the operator lets it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The digest of the component.
    pub digest: Digest,
    /// What it asks for beyond what is granted and was approved. At least one.
    pub asks: Vec<Ask>,
    /// When.
    pub at: Timestamp,
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
    /// A generation asks for what nobody granted or approved.
    Quarantined {
        /// The handler.
        handler: HandlerName,
        /// What it asks for.
        quarantine: Quarantine,
    },
    /// What was refused or quarantined is gone from the folder, which holds again
    /// what serves.
    Mended {
        /// The handler.
        handler: HandlerName,
        /// What serves.
        digest: Digest,
    },
    /// A handler was taken out of service.
    Retired {
        /// The handler.
        handler: HandlerName,
        /// What served before.
        digest: Digest,
    },
}
