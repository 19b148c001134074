//! What became of the events that were published.

use serde::Serialize;
use waystation_core::{Event, Sequence};

use crate::api::Accepted;
use crate::cli::{clean, table};

/// What the host took in. All of it is durable.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// How many events it stored.
    accepted: u64,
    /// How many were there before, by source and id.
    duplicates: u64,
    /// The last event of all.
    last: Option<Last>,
}

/// An event and its position in the journal.
#[derive(Debug, PartialEq, Serialize)]
struct Last {
    sequence: Sequence,
    id: String,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
}

impl Last {
    fn text(&self) -> String {
        let (event_type, id) = (clean::line(&self.event_type), clean::line(&self.id));
        format!("{} {event_type} {id}", self.sequence)
    }
}

impl Report {
    /// Adds the answer to a request whose last event is given.
    pub fn add(&mut self, accepted: &Accepted, last: Event) {
        self.accepted += accepted.accepted as u64;
        self.duplicates += accepted.duplicates as u64;
        self.last = accepted.sequences.last().map(|sequence| Last {
            sequence: *sequence,
            id: last.id,
            source: last.source,
            event_type: last.event_type,
        });
    }

    /// Whether no event is durable.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Whether nothing is new of what was sent.
    pub fn is_all_duplicates(&self) -> bool {
        self.accepted == 0 && self.duplicates > 0
    }

    /// How many events are durable.
    pub fn total(&self) -> u64 {
        self.accepted + self.duplicates
    }

    /// One line for people.
    pub fn text(&self) -> String {
        match (&self.last, self.accepted, self.duplicates) {
            (Some(last), 1, 0) => format!("accepted {}\n", last.text()),
            (Some(last), 0, 1) => format!("accepted before {}\n", last.text()),
            (_, accepted, 0) => format!("accepted {}\n", table::count(accepted, "event")),
            (_, _, duplicates) => {
                let events = table::count(self.total(), "event");
                format!("accepted {events}, {duplicates} of them before\n")
            }
        }
    }
}
