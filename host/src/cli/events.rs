//! `waystation events`: the newest events, or one with all that it caused.

use serde_json::Value;

use super::client::Asking;
use super::exit::Failure;
use super::{output, table, tree};
use crate::api::{Event, Tree};
use crate::cli::deliveries::limit;

/// List the newest events, or draw one with all that it caused
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The id or the sequence of an event
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// How many to list
    #[arg(long, value_name = "N", value_parser = limit(), conflicts_with = "id")]
    limit: Option<u64>,
    #[command(flatten)]
    asking: Asking,
}

/// Asks for the events and prints them.
pub fn run(args: &Args) -> Result<(), Failure> {
    let (client, output) = (args.asking.client()?, args.asking.output);
    if let Some(id) = &args.id {
        let trees: Vec<Tree> = client.get("/api/events/tree", &[("id", Some(id.clone()))])?;
        return output.print(&trees, |trees| trees.iter().map(tree::draw).collect());
    }
    let limit = args.limit.map(|limit| limit.to_string());
    let events: Vec<Event> = client.get("/api/events", &[("limit", limit)])?;
    if events.is_empty() {
        output::note("no events");
    }
    output.print(&events, |events| text(events))
}

fn text(events: &[Event]) -> String {
    if events.is_empty() {
        return String::new();
    }
    let header = ["SEQUENCE", "ACCEPTED", "ID", "TYPE", "SOURCE"];
    let row = |event: &Event| {
        let [id, event_type, source] = ["id", "type", "source"].map(|name| attribute(event, name));
        let sequence = event.sequence.to_string();
        vec![
            sequence,
            table::seconds(&event.accepted),
            id,
            event_type,
            source,
        ]
    };
    table::draw(&header, 3, events.iter().map(row))
}

/// An attribute of the event that is text.
pub fn attribute(event: &Event, name: &str) -> String {
    event
        .event
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or("-")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event: Event = serde_json::from_value(json!({
            "sequence": 7, "accepted": "2026-01-31T12:00:00.000Z", "depth": 0,
            "event": {"specversion": "1.0", "id": "order-1", "source": "/orders", "type": "paid"},
        }))
        .unwrap();
        assert_eq!(
            text(&[event]),
            "\
SEQUENCE  ACCEPTED              ID       TYPE  SOURCE
7         2026-01-31T12:00:00Z  order-1  paid  /orders
"
        );
        assert_eq!(text(&[]), "");
    }
}
