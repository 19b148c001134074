//! What an attempt came to.

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::fail;
use super::http::Call;
use super::log::LogLine;
use super::world::hint;
use crate::Draft;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Handled: its drafts are published.
    Ack,
    /// Not handled; to be tried again. So ends a handler that panics, too.
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

/// What an attempt came to. Its `Display` is a report of several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How it ended.
    pub outcome: Outcome,
    /// What it publishes: nothing unless the outcome is [`Outcome::Ack`].
    pub drafts: Vec<Draft>,
    /// The state that it changed: nothing unless the outcome is [`Outcome::Ack`].
    pub changes: Vec<Change>,
    /// What it wrote to the log with [`tracing`].
    pub log: Vec<LogLine>,
    /// The calls that it made of other hosts, those refused included.
    pub calls: Vec<Call>,
}

/// A value of state that is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The namespace.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// What it is now; None if it was deleted.
    pub value: Option<Vec<u8>>,
}

impl Change {
    /// The value, from JSON.
    ///
    /// # Errors
    /// When it was deleted, or is no `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.value.as_deref().unwrap_or_default())
    }
}

impl Attempt {
    /// Checks that the event was handled.
    ///
    /// # Panics
    /// When it was not, with all that the attempt did.
    #[track_caller]
    pub fn assert_ack(&self) -> &Self {
        self.assert("to be handled", self.outcome == Outcome::Ack)
    }

    /// Checks that the event is to be tried again, for a reason with this in it.
    ///
    /// # Panics
    /// When it is not, with all that the attempt did.
    #[track_caller]
    pub fn assert_retry(&self, reason: &str) -> &Self {
        let is_met =
            matches!(&self.outcome, Outcome::Retry { reason: found, .. } if found.contains(reason));
        self.assert(&format!("a retry with `{reason}` in its reason"), is_met)
    }

    /// Checks that the event is never to be tried again, for a reason with this in
    /// it.
    ///
    /// # Panics
    /// When it is, with all that the attempt did.
    #[track_caller]
    pub fn assert_reject(&self, reason: &str) -> &Self {
        let is_met =
            matches!(&self.outcome, Outcome::Reject { reason: found } if found.contains(reason));
        self.assert(&format!("a reject with `{reason}` in its reason"), is_met)
    }

    /// The draft of a handler that publishes exactly one.
    ///
    /// # Panics
    /// When there is another number of drafts.
    #[track_caller]
    pub fn only_draft(&self) -> &Draft {
        match self.drafts.as_slice() {
            [draft] => draft,
            drafts => fail(&format!(
                "expected one published event, found {}\n{self}",
                drafts.len()
            )),
        }
    }

    /// The first draft of a type.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn draft(&self, event_type: &str) -> &Draft {
        let mut drafts = self.drafts.iter();
        if let Some(draft) = drafts.find(|draft| draft.event_type == event_type) {
            return draft;
        }
        let published = self.drafts.iter().map(|draft| draft.event_type.as_str());
        let hint = hint(event_type, published);
        fail(&format!("no `{event_type}` was published{hint}\n{self}"))
    }

    #[track_caller]
    fn assert(&self, expected: &str, is_met: bool) -> &Self {
        if !is_met {
            fail(&format!("expected {expected}\n{self}"));
        }
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ack => f.write_str("ack"),
            Self::Retry {
                reason,
                after: None,
            } => write!(f, "retry: {reason}"),
            Self::Retry {
                reason,
                after: Some(after),
            } => write!(f, "retry after {after:?}: {reason}"),
            Self::Reject { reason } => write!(f, "reject: {reason}"),
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut report = format!("  outcome    {}\n", self.outcome);
        for draft in &self.drafts {
            let data = text(draft.data.as_deref());
            writeln!(report, "  published  {} {data}", draft.event_type)?;
        }
        for change in &self.changes {
            let Change { namespace, key, .. } = change;
            let value = text(change.value.as_deref());
            writeln!(report, "  state      {namespace}/{key} = {value}")?;
        }
        for call in &self.calls {
            writeln!(report, "  called     {call}")?;
        }
        for line in &self.log {
            writeln!(report, "  log        {line}")?;
        }
        f.write_str(report.trim_end())
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or("none".into(), |bytes| {
        String::from_utf8_lossy(bytes).into_owned()
    })
}
