//! `waystation deliveries`: where the newest deliveries stand.

use clap::Subcommand;
use clap::builder::RangedU64ValueParser;
use waystation_core::{HandlerName, limits};

use super::client::Asking;
use super::exit::Failure;
use super::{capsule, output, table};
use crate::api::{Delivery, DeliveryState};

/// List the deliveries, newest first, or take a failed attempt out of a host
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Only those of this handler
    #[arg(long, value_name = "NAME", value_parser = HandlerName::new)]
    handler: Option<HandlerName>,
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = ["pending", "waiting", "done", "dead"])]
    state: Option<String>,
    /// How many to list
    #[arg(long, value_name = "N", value_parser = limit())]
    limit: Option<u64>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Capsule(capsule::Args),
}

/// How many rows one answer may hold.
pub fn limit() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=limits::PAGE_ROWS_MAX as u64)
}

/// Asks for the deliveries and prints them.
pub fn run(args: &Args) -> Result<(), Failure> {
    if let Some(Verb::Capsule(args)) = &args.verb {
        return capsule::run(args);
    }
    let query = [
        ("handler", args.handler.as_ref().map(ToString::to_string)),
        ("state", args.state.clone()),
        ("limit", args.limit.map(|limit| limit.to_string())),
    ];
    let deliveries: Vec<Delivery> = args.asking.client()?.get("/api/deliveries", &query)?;
    if deliveries.is_empty() {
        output::note("no deliveries");
    }
    args.asking
        .output
        .print(&deliveries, |deliveries| text(deliveries))
}

fn text(deliveries: &[Delivery]) -> String {
    if deliveries.is_empty() {
        return String::new();
    }
    let header = ["DELIVERY", "STATE", "ATTEMPTS", "WHEN", "EVENT", "REASON"];
    let row = |delivery: &Delivery| {
        vec![
            delivery.id.clone(),
            state(delivery.state).to_owned(),
            delivery.attempts_made.to_string(),
            // The next attempt, where there is one to come; else the last.
            table::or_dash(
                delivery
                    .due
                    .as_deref()
                    .or(delivery.at.as_deref())
                    .map(table::seconds),
            ),
            delivery.event_type.clone(),
            failure(delivery),
        ]
    };
    table::draw(&header, 4, deliveries.iter().map(row))
}

/// The state as the API has it.
pub fn state(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Done => "done",
        DeliveryState::Pending => "pending",
        DeliveryState::Waiting => "waiting",
        DeliveryState::Dead => "dead",
    }
}

/// The last failure: its code and the first line of its reason; `events ID` has
/// it all.
pub fn failure(delivery: &Delivery) -> String {
    match (&delivery.code, &delivery.reason) {
        (Some(code), Some(reason)) => {
            format!("{code}: {}", reason.lines().next().unwrap_or_default())
        }
        (Some(code), None) => code.to_string(),
        (None, _) => "-".to_owned(),
    }
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;

    /// A dead letter of the handler `mail` for the event at this sequence.
    pub fn dead(sequence: u64, reason: &str) -> Delivery {
        serde_json::from_value(json!({
            "id": format!("mail.{sequence}.9f86d081884c"), "handler": "mail", "sequence": sequence,
            "event_id": "user-1", "event_source": "/users", "event_type": "registered",
            "state": "dead", "attempts_made": 8, "due": null, "code": "trap", "reason": reason,
            "at": "2026-01-31T12:00:00.000Z",
        }))
        .unwrap()
    }

    #[test]
    fn a_delivery_is_a_line_with_its_last_failure() {
        let waiting = Delivery {
            state: DeliveryState::Waiting,
            due: Some("2026-01-31T12:05:00.000Z".into()),
            ..dead(2, "unreachable\n  at handle")
        };
        let pending = Delivery {
            state: DeliveryState::Pending,
            attempts_made: 0,
            at: None,
            code: None,
            reason: None,
            ..dead(3, "")
        };
        assert_eq!(
            text(&[waiting, pending]),
            "\
DELIVERY             STATE    ATTEMPTS  WHEN                  EVENT       REASON
mail.2.9f86d081884c  waiting  8         2026-01-31T12:05:00Z  registered  trap: unreachable
mail.3.9f86d081884c  pending  0         -                     registered  -
"
        );
    }

    #[test]
    fn the_words_are_those_of_the_api() {
        for word in ["pending", "waiting", "done", "dead"] {
            let parsed: DeliveryState = serde_json::from_value(word.into()).unwrap();
            assert_eq!(state(parsed), word);
        }
    }
}
