//! How an attempt ended.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Event, limits};

/// An event that a handler wants to publish. The host adds the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What happened.
    pub event_type: String,
    /// What it is about.
    pub subject: Option<String>,
    /// The media type of the data.
    pub data_content_type: Option<String>,
    /// The schema of the data.
    pub data_schema: Option<String>,
    /// Extension attributes by name.
    pub extensions: BTreeMap<String, String>,
    /// The payload.
    pub data: Option<Bytes>,
}

impl Draft {
    /// The event that this draft becomes.
    pub fn into_event(self, id: String, source: String, time: String) -> Event {
        Event {
            id,
            source,
            event_type: self.event_type,
            subject: self.subject,
            time: Some(time),
            data_content_type: self.data_content_type,
            data_schema: self.data_schema,
            extensions: self.extensions,
            data: self.data,
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Handled: its effects are settled with it.
    Ack,
    /// Not handled; to be tried again.
    Retry(Failure),
    /// Not handled, and never to be tried again.
    Reject(Failure),
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure, for programs.
    pub code: Code,
    /// The reason, for people.
    pub reason: String,
    /// Not before so long. None leaves it to the retry policy.
    pub after: Option<Duration>,
}

impl Failure {
    /// A failure whose reason is cut to
    /// [`REASON_BYTES_MAX`](limits::REASON_BYTES_MAX) and freed of control
    /// characters other than the line feed.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.len() > limits::REASON_BYTES_MAX {
            let end = reason.floor_char_boundary(limits::REASON_BYTES_MAX);
            reason.truncate(end);
            reason.push('…');
        }
        if reason.chars().any(|c| c.is_control() && c != '\n') {
            reason = reason
                .chars()
                .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
                .collect();
        }
        Self {
            code,
            reason,
            after: None,
        }
    }

    /// The same failure, not to be tried again before so long.
    #[must_use]
    pub fn with_after(mut self, after: Option<Duration>) -> Self {
        self.after = after;
        self
    }
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// The handler asked for another attempt.
    Retry,
    /// The handler rejected the event.
    Reject,
    /// The handler trapped.
    Trap,
    /// The attempt took longer than it may.
    Timeout,
    /// The attempt wanted more memory than it may have.
    Memory,
    /// The handler published something that is no event, or that it may not publish.
    Draft,
    /// The chain of causes is longer than it may be.
    Depth,
    /// The event was too old for an attempt.
    Expired,
    /// Again and again another changed what the attempt had read of durable state.
    Conflict,
    /// The host failed during the attempt.
    Host,
    /// The host had no room for the attempt. It was not made, so it does not
    /// count and is not stored.
    Busy,
}

impl Code {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Retry, "retry"),
        (Self::Reject, "reject"),
        (Self::Trap, "trap"),
        (Self::Timeout, "timeout"),
        (Self::Memory, "memory"),
        (Self::Draft, "draft"),
        (Self::Depth, "depth"),
        (Self::Expired, "expired"),
        (Self::Conflict, "conflict"),
        (Self::Host, "host"),
        (Self::Busy, "busy"),
    ];

    /// The code as it stands in the journal, in metrics and on the screen.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(code, _)| *code == self)
            .map_or("host", |(_, text)| text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Code {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(code, _)| *code)
            .ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for (code, text) in Code::ALL {
            assert_eq!(code.as_str(), text);
            assert_eq!(text.parse(), Ok(code));
            assert_eq!(serde_json::to_value(code).unwrap(), text);
        }
    }

    #[test]
    fn a_reason_is_cut_and_cleaned() {
        let long = "ä".repeat(limits::REASON_BYTES_MAX);
        let failure = Failure::new(Code::Trap, long);
        assert!(failure.reason.len() <= limits::REASON_BYTES_MAX + '…'.len_utf8());
        assert!(failure.reason.ends_with("ä…"));
        assert_eq!(Failure::new(Code::Trap, "a\x1b[31m\nb").reason, "a [31m\nb");
    }
}
