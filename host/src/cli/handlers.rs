//! `waystation handlers`: what serves, what was refused, how far each has come.

use super::client::Asking;
use super::exit::Failure;
use super::table;
use crate::api::{Handler, HandlerState, Refused, Serving, Stray};

/// List the handlers: what serves, what was refused and why, what waits
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    asking: Asking,
}

/// Asks for the handlers and prints them.
pub fn run(args: &Args) -> Result<(), Failure> {
    let client = args.asking.client();
    let handlers: Vec<Handler> = client.get("/api/handlers", &[])?;
    let strays: Vec<Stray> = client.get("/api/strays", &[])?;
    args.asking
        .output
        .print(&handlers, |handlers| text(handlers, &strays))
}

fn text(handlers: &[Handler], strays: &[Stray]) -> String {
    let header = [
        "HANDLER",
        "STATE",
        "GENERATION",
        "BEHIND",
        "RUNNING",
        "WAITING",
        "DEAD",
        "ASKS FOR",
    ];
    let mut text = if handlers.is_empty() {
        "no handlers yet: drop a component into the handlers folder\n".to_owned()
    } else {
        table::draw(&header, 7, handlers.iter().map(row))
    };
    for handler in handlers {
        if let Some(refused) = &handler.refused {
            text.push_str(&refusal(handler, refused));
        }
    }
    for stray in strays {
        let (file, reason) = (
            super::clean::line(&stray.file),
            super::clean::line(&stray.reason),
        );
        text.push_str(&format!("\nignored {file}: {reason}\n"));
    }
    text
}

fn row(handler: &Handler) -> Vec<String> {
    let state = match handler.state {
        HandlerState::Loading => "loading",
        HandlerState::Serving if handler.refused.is_some() => "newest refused",
        HandlerState::Serving => "serving",
        HandlerState::Refused => "refused",
        HandlerState::Retired => "retired",
    };
    let serving = handler.serving.as_ref();
    vec![
        handler.name.to_string(),
        state.to_owned(),
        table::or_dash(serving.map(|serving| serving.generation.short())),
        handler.behind.to_string(),
        handler.running.to_string(),
        handler.waiting.to_string(),
        handler.dead.to_string(),
        table::or_dash(serving.map(asks_for)),
    ]
}

fn asks_for(serving: &Serving) -> String {
    let types = serving
        .subscriptions
        .iter()
        .flat_map(|filter| &filter.types);
    types
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What was refused, why, and what serves beside it.
fn refusal(handler: &Handler, refused: &Refused) -> String {
    let name = &handler.name;
    let file = match refused.generation {
        Some(generation) => format!("refused {name} {}", generation.short()),
        None => format!("refused {name}"),
    };
    let mut text = format!("\n{file} at {}:\n", super::clean::line(&refused.at));
    for line in super::clean::lines(&refused.reason) {
        text.push_str(&format!("  {line}\n"));
    }
    let serving = match &handler.serving {
        Some(serving) => format!("{} goes on serving", serving.generation.short()),
        None => "no generation of it serves".to_owned(),
    };
    text.push_str(&format!("  {serving}\n"));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn handler(name: &str, serving: bool, refused: Option<&str>) -> Handler {
        let state = match (serving, refused) {
            (true, _) => "serving",
            (false, Some(_)) => "refused",
            (false, None) => "retired",
        };
        let serving = serving.then(|| {
            json!({
                "generation": "9f".repeat(32), "bytes": 62000, "since": "2026-01-31T12:00:00.000Z",
                "description": "", "publishes": [], "order": "none", "instances": "fresh",
                "subscriptions": [{"types": ["com.example.orders.paid.v1"]},
                                  {"types": ["com.example.users.*"], "source": "/users"}],
                "concurrency": 16, "timeout_ms": 5000, "memory_bytes": 67108864, "attempts": 8,
            })
        });
        let refused = refused.map(|reason| {
            let generation = "1a".repeat(32);
            json!({"generation": generation, "reason": reason, "at": "2026-01-31T12:30:00.000Z"})
        });
        serde_json::from_value(json!({
            "name": name, "state": state, "serving": serving, "refused": refused,
            "cursor": 40, "behind": 2, "running": 1, "waiting": 3, "dead": 4,
        }))
        .unwrap()
    }

    #[test]
    fn a_refused_handler_shows_the_reason_and_what_serves() {
        let handlers = [
            handler("catalogue", true, None),
            handler("mail", false, None),
            handler(
                "shipping",
                true,
                Some("imports `a:b/c`,\nwhich is not\x1b offered"),
            ),
            handler("stock", false, Some("is no component")),
        ];
        let strays = [Stray {
            file: "a b.wasm".into(),
            reason: "no name of a handler".into(),
        }];
        assert_eq!(
            text(&handlers, &strays),
            "\
HANDLER    STATE           GENERATION    BEHIND  RUNNING  WAITING  DEAD  ASKS FOR
catalogue  serving         9f9f9f9f9f9f  2       1        3        4     com.example.orders.paid.v1, com.example.users.*
mail       retired         -             2       1        3        4     -
shipping   newest refused  9f9f9f9f9f9f  2       1        3        4     com.example.orders.paid.v1, com.example.users.*
stock      refused         -             2       1        3        4     -

refused shipping 1a1a1a1a1a1a at 2026-01-31T12:30:00.000Z:
  imports `a:b/c`,
  which is not offered
  9f9f9f9f9f9f goes on serving

refused stock 1a1a1a1a1a1a at 2026-01-31T12:30:00.000Z:
  is no component
  no generation of it serves

ignored a b.wasm: no name of a handler
"
        );
    }
}
