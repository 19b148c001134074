//! A failed attempt in one file, from which it can be made again elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::formats::ParseError;
use crate::formats::json::{self, Structured};
use crate::{
    Code, DeliveryId, Digest, Event, Failure, Grants, Instances, LogLine, Outcome, Sequence,
    Settings, Surroundings,
};

/// The format of the capsules that this version writes.
pub const CAPSULE_FORMAT: u32 = 1;

/// A failed attempt: what it was given, what it saw, and how it ended. No secret
/// is in it but its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Capsule {
    /// The format of the file.
    pub format: u32,
    /// The delivery and the attempt.
    pub delivery: CapsuleDelivery,
    /// How it ended.
    pub outcome: CapsuleOutcome,
    /// What was made an attempt with.
    pub component: CapsuleComponent,
    /// What held for it.
    pub settings: CapsuleSettings,
    /// The event in the JSON format of CloudEvents.
    pub event: Box<RawValue>,
    /// The configuration.
    pub config: BTreeMap<String, String>,
    /// The names of its secrets.
    pub secrets: Vec<String>,
    /// What it saw.
    pub surroundings: Surroundings,
    /// What it logged.
    pub log: Vec<LogLine>,
}

/// Which attempt it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapsuleDelivery {
    /// The delivery.
    pub id: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The event's position in the journal.
    pub sequence: Sequence,
    /// How many events caused each other up to this one.
    #[serde(default)]
    pub depth: u32,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapsuleOutcome {
    /// Whether it was never to be tried again.
    pub rejected: bool,
    /// The kind of failure.
    pub code: Code,
    /// The reason.
    pub reason: String,
    /// Not before so long, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
}

/// The component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapsuleComponent {
    /// The digest of its bytes.
    pub digest: Digest,
    /// The bytes themselves, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

/// The settings that an attempt depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapsuleSettings {
    /// How long it might run, in milliseconds.
    pub timeout_ms: u64,
    /// The memory that it might have, in bytes.
    pub memory_bytes: usize,
    /// How long instances live.
    pub instances: Instances,
    /// The attempts that the instance had served before. What they left in its
    /// memory is in no capsule.
    pub served_before: u32,
    /// The hosts that it might call.
    pub http: Vec<String>,
    /// The namespaces of state that it might use.
    pub state: Vec<String>,
    /// The types that it might publish.
    pub publishes: Vec<String>,
}

/// What is in an attempt's capsule beside its settings.
#[derive(Clone, Debug)]
pub struct Failed<'a> {
    /// The event.
    pub event: &'a Event,
    /// The delivery.
    pub delivery: &'a DeliveryId,
    /// The number of the attempt.
    pub attempt: u32,
    /// How many events caused each other up to the event.
    pub depth: u32,
    /// The component.
    pub digest: Digest,
    /// Why it failed.
    pub failure: &'a Failure,
    /// Whether it was rejected.
    pub rejected: bool,
    /// What it saw.
    pub surroundings: Surroundings,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// The attempts that its instance had served before.
    pub served_before: u32,
}

impl Capsule {
    /// The capsule of a failed attempt.
    ///
    /// # Errors
    /// None for any event: the error is that of the JSON writer.
    pub fn new(failed: Failed<'_>, settings: &Settings) -> serde_json::Result<Self> {
        let Grants { http, state, .. } = &settings.grants;
        Ok(Self {
            format: CAPSULE_FORMAT,
            delivery: CapsuleDelivery {
                id: failed.delivery.to_string(),
                attempt: failed.attempt,
                sequence: failed.delivery.sequence,
                depth: failed.depth,
            },
            outcome: CapsuleOutcome {
                rejected: failed.rejected,
                code: failed.failure.code,
                reason: failed.failure.reason.clone(),
                after_ms: failed.failure.after.map(millis),
            },
            component: CapsuleComponent {
                digest: failed.digest,
                bytes: None,
            },
            settings: CapsuleSettings {
                timeout_ms: millis(settings.timeout),
                memory_bytes: settings.memory_bytes,
                instances: settings.instances,
                served_before: failed.served_before,
                http: http.iter().map(ToString::to_string).collect(),
                state: state.clone(),
                publishes: settings.publishes.iter().map(ToString::to_string).collect(),
            },
            event: serde_json::value::to_raw_value(&Structured(failed.event))?,
            config: settings.grants.config.clone(),
            secrets: settings.grants.secrets.keys().cloned().collect(),
            surroundings: failed.surroundings,
            log: failed.log,
        })
    }

    /// The event.
    ///
    /// # Errors
    /// What is there is no event.
    pub fn event(&self) -> Result<Event, ParseError> {
        json::parse(self.event.get().as_bytes())
    }
}

impl CapsuleOutcome {
    /// Whether an attempt ended in the same way.
    pub fn is(&self, outcome: &Outcome) -> bool {
        let (failure, rejected) = match outcome {
            Outcome::Ack => return false,
            Outcome::Retry(failure) => (failure, false),
            Outcome::Reject(failure) => (failure, true),
        };
        self.rejected == rejected && self.code == failure.code && self.reason == failure.reason
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
