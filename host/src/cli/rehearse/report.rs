//! What came of a rehearsal, for people and for programs.

use serde::Serialize;
use serde_json::Value;
use waystation_core::formats::json::Structured;
use waystation_core::{CapsuleOutcome, Code, Event, Exchange, Failure, Held, LogLine, Outcome};
use waystation_runtime::{Rehearsal, StateChange};

use crate::cli::clean;

/// What came of a rehearsal.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How it ended.
    #[serde(flatten)]
    pub ending: Ending,
    /// The events that it publishes.
    pub publishes: Vec<Value>,
    /// The state that it changes.
    pub state: Vec<Change>,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// The outbound HTTP that it made.
    pub http: Vec<Value>,
    /// How long it took, in microseconds.
    pub took_us: u128,
    /// The memory that it needed, in bytes.
    pub memory_bytes: usize,
    /// What it looked at that it was not given.
    pub remarks: Vec<String>,
    /// Whether it ended as the recorded attempt did, if it repeats one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_recorded: Option<bool>,
    /// How the recorded attempt ended, if it repeats one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<CapsuleOutcome>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// `ack`, `retry` or `reject`.
    pub outcome: &'static str,
    /// The kind of failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Not before so long, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u128>,
}

/// A key whose value changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The namespace.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// The value before.
    pub before: Option<Value>,
    /// The value after; none for a deletion.
    pub after: Option<Value>,
}

impl Ending {
    /// How an attempt ended.
    pub fn of(outcome: &Outcome) -> Self {
        let (outcome, failure) = match outcome {
            Outcome::Ack => ("ack", None),
            Outcome::Retry(failure) => ("retry", Some(failure)),
            Outcome::Reject(failure) => ("reject", Some(failure)),
        };
        Self {
            outcome,
            code: failure.map(|failure| failure.code),
            reason: failure.map(|Failure { reason, .. }| reason.clone()),
            after_ms: failure.and_then(|it| it.after).map(|it| it.as_millis()),
        }
    }

    /// Whether the event was handled.
    pub fn is_ack(&self) -> bool {
        self.outcome == "ack"
    }
}

impl Report {
    /// What came of a rehearsal that publishes these events.
    pub fn new(rehearsal: &Rehearsal, outcome: &Outcome, events: &[Event]) -> Self {
        let is_final = !matches!(outcome, Outcome::Ack);
        let changes = rehearsal.changes.iter().filter(|_| !is_final);
        Self {
            ending: Ending::of(outcome),
            publishes: events
                .iter()
                .map(|event| value(&Structured(event)))
                .collect(),
            state: changes.map(Change::of).collect(),
            log: rehearsal.log.clone(),
            http: rehearsal.surroundings.http.iter().map(value).collect(),
            took_us: rehearsal.took.as_micros(),
            memory_bytes: rehearsal.memory_bytes,
            remarks: rehearsal.remarks.clone(),
            as_recorded: None,
            recorded: None,
        }
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.headline());
        for line in self.reason_lines() {
            text.push_str(&format!("  {line}\n"));
        }
        for event in &self.publishes {
            let event_type = event
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or_default();
            text.push_str(&format!("\npublishes {}\n", clean::line(event_type)));
            text.push_str(&indented(event));
        }
        if !self.state.is_empty() {
            text.push_str("\nstate\n");
        }
        for change in &self.state {
            text.push_str(&format!("  {}\n", change.line()));
        }
        if !self.http.is_empty() {
            text.push_str("\nhttp\n");
        }
        for exchange in &self.http {
            text.push_str(&format!("  {}\n", http_line(exchange)));
        }
        if !self.log.is_empty() {
            text.push_str("\nlog\n");
        }
        for LogLine {
            level,
            context,
            text: said,
        } in &self.log
        {
            let line = format!("{level:<5} {context}: {said}");
            text.push_str(&format!("  {}\n", clean::line(&line)));
        }
        if let Some(as_recorded) = self.as_recorded {
            text.push_str(if as_recorded {
                "\nthe same outcome, reason and log lines as recorded\n"
            } else {
                "\nnot as recorded\n"
            });
            if let Some(recorded) = self.recorded.as_ref().filter(|_| !as_recorded) {
                let outcome = if recorded.rejected { "reject" } else { "retry" };
                let reason = clean::line(&recorded.reason);
                text.push_str(&format!(
                    "  it was: {outcome} ({})  {reason}\n",
                    recorded.code.as_str()
                ));
            }
        }
        text
    }

    fn headline(&self) -> String {
        let Ending {
            outcome,
            code,
            after_ms,
            ..
        } = &self.ending;
        let mut words = vec![(*outcome).to_owned()];
        let code = code.map(Code::as_str).filter(|code| code != outcome);
        words.extend(code.map(|code| format!("({code})")));
        words.extend(after_ms.map(|after| format!("not before {after} ms")));
        let took = self.took_us as f64 / 1000.0;
        let memory = self.memory_bytes as f64 / (1024.0 * 1024.0);
        words.push(format!(" {took:.1} ms  {memory:.1} MiB"));
        words.join(" ")
    }

    fn reason_lines(&self) -> Vec<String> {
        let reason = self.ending.reason.as_deref().unwrap_or_default();
        clean::lines(reason).collect()
    }
}

impl Change {
    fn of(change: &StateChange) -> Self {
        let shown = |bytes: &Option<bytes::Bytes>| {
            bytes
                .as_ref()
                .map(|bytes| value(&Held::Value(bytes.clone())))
        };
        Self {
            namespace: change.namespace.clone(),
            key: change.key.clone(),
            before: shown(&change.before),
            after: shown(&change.after),
        }
    }

    /// The change on one line.
    pub fn line(&self) -> String {
        let shown = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or("nothing".to_owned(), Value::to_string)
        };
        let (before, after) = (shown(&self.before), shown(&self.after));
        clean::line(&format!(
            "{}/{}: {before} -> {after}",
            self.namespace, self.key
        ))
    }
}

fn http_line(exchange: &Value) -> String {
    let field = |path: &str| exchange.pointer(path).cloned().unwrap_or_default();
    let text = |value: Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let (method, url) = (text(field("/request/method")), text(field("/request/url")));
    let status = match field("/answer/status") {
        Value::Null => {
            let error = text(field("/error"));
            // It has no name of its own, so its text says all.
            error
                .strip_prefix("internal-error: ")
                .map_or(error.clone(), str::to_owned)
        }
        status => status.to_string(),
    };
    clean::line(&format!("{method} {url}: {status}"))
}

fn indented(value: &Value) -> String {
    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
    let lines = clean::json(&pretty);
    lines.lines().map(|line| format!("  {line}\n")).collect()
}

/// The JSON of what can always be written as such.
pub fn value(it: &impl Serialize) -> Value {
    serde_json::to_value(it).unwrap_or_else(|error| Value::String(error.to_string()))
}

/// The HTTP that was made, as a file to replay.
pub fn recording(http: &[Exchange]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(http).map(|text| text + "\n")
}
