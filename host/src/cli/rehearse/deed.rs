//! What a handler does with one event when the world stands still, in a form that can
//! be compared.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use serde_json::{Map, Value, json};
use similar::{ChangeTag, TextDiff};
use waystation_core::formats::json::Structured;
use waystation_core::{
    DeliveryId, Event, Exchange, Held, Moment, Outcome, Readings, Seeds, Sequence, Settings,
    StateImage, Timestamp,
};
use waystation_runtime::{Rehearsal, World};

use super::report::{Ending, value};
use super::stage::{Attempt, Loaded, Stage};
use crate::cli::clean;
use crate::cli::invoke::settle;

/// What the host adds to a draft, which is not up to the handler.
const ADDED: [&str; 7] = [
    "specversion",
    "id",
    "source",
    "time",
    "correlationid",
    "causationid",
    "traceparent",
];

/// When the clock begins: 2026-01-01T00:00:00Z.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

/// What came of an event.
pub struct Deed {
    /// The outcome, the events without what the host adds to them, and the state that
    /// changes, as they stand in `expected.json`.
    pub value: Value,
    /// The state that changes.
    pub changes: StateImage,
    /// All that came of it.
    pub rehearsal: Rehearsal,
}

impl Deed {
    /// Makes the first attempt on an event, with this state and these answers. The
    /// clock and the random values are the same each time.
    pub fn of(
        stage: &Stage,
        loaded: &Loaded,
        settings: &Settings,
        event: &Event,
        state: StateImage,
        http: Vec<Exchange>,
    ) -> Self {
        let world = World {
            state,
            http: Some(http),
            clocks: Readings {
                wall: vec![Moment(BEGIN)],
                monotonic: vec![0],
            },
            seeds: Some(Seeds::default()),
            is_recorded: false,
        };
        let sequence = Sequence(1);
        let delivery = DeliveryId::new(loaded.name.clone(), sequence, event);
        let attempt = Attempt {
            event,
            delivery: &delivery.to_string(),
            number: 1,
            sequence,
        };
        let rehearsal = stage.rehearse(loaded, settings, &attempt, &world);
        let now = Timestamp::default();
        let (outcome, events) = settle(&rehearsal, event, 0, &delivery, settings, now);
        let mut changes = StateImage::default();
        if matches!(outcome, Outcome::Ack) {
            for change in &rehearsal.changes {
                let after = change.after.clone().map_or(Held::Absent, Held::Value);
                changes.set(&change.namespace, &change.key, after);
            }
        }
        Self {
            value: summary(&outcome, &events, &changes),
            changes,
            rehearsal,
        }
    }
}

fn summary(outcome: &Outcome, events: &[Event], changes: &StateImage) -> Value {
    let mut all = match value(&Ending::of(outcome)) {
        Value::Object(map) => map,
        other => Map::from_iter([("outcome".to_owned(), other)]),
    };
    let events = events
        .iter()
        .map(|event| without_added(value(&Structured(event))));
    all.insert("publishes".to_owned(), json!(events.collect::<Vec<_>>()));
    all.insert("state".to_owned(), value(changes));
    Value::Object(all)
}

fn without_added(mut event: Value) -> Value {
    if let Some(attributes) = event.as_object_mut() {
        attributes.retain(|name, _| !ADDED.contains(&name.as_str()));
    }
    event
}

/// JSON as people read it.
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// The lines that are gone and those that came instead, with some lines around them.
pub fn diff(before: &Value, after: &Value) -> String {
    lines(before, after, io::stdout().is_terminal())
}

fn lines(before: &Value, after: &Value, in_colour: bool) -> String {
    let [before, after] = [before, after].map(|value| clean::json(&pretty(value)));
    let diff = TextDiff::from_lines(before.as_str(), after.as_str());
    let mut text = String::new();
    for (index, group) in diff.grouped_ops(2).iter().enumerate() {
        if index > 0 {
            text.push_str("    ...\n");
        }
        for change in group
            .iter()
            .flat_map(|operation| diff.iter_changes(operation))
        {
            let (sign, colour) = match change.tag() {
                ChangeTag::Delete => ('-', "\x1b[31m"),
                ChangeTag::Insert => ('+', "\x1b[32m"),
                ChangeTag::Equal => (' ', ""),
            };
            let line = change.value().trim_end_matches('\n');
            if in_colour && !colour.is_empty() {
                text.push_str(&format!("  {colour}{sign} {line}\x1b[0m\n"));
            } else {
                text.push_str(&format!("  {sign} {line}\n"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_the_lines_around_it() {
        let before = json!({"outcome": "ack", "publishes": [], "state": {"orders": {"1": 1}}});
        let after = json!({"outcome": "ack", "publishes": [], "state": {"orders": {"1": 2}}});
        assert_eq!(
            lines(&before, &after, false),
            "    \u{20} \"state\": {\n    \u{20}   \"orders\": {\n  -       \"1\": 1\n  +       \
             \"1\": 2\n    \u{20}   }\n    \u{20} }\n"
        );
        let coloured = lines(&before, &after, true);
        assert!(
            coloured.contains("\x1b[31m-       \"1\": 1\x1b[0m\n"),
            "{coloured}"
        );
    }
}
