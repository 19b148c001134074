//! `waystation handlers`: what serves, what does not and why, how far each has
//! come; and the approval of what is quarantined.

mod approve;

use clap::Subcommand;
use serde::Serialize;
use waystation_core::Ask;

use super::client::Asking;
use super::exit::Failure;
use super::{clean, table};
use crate::api::{Handler, HandlerState, Quarantined, Refused, Serving, Stray};

/// List the handlers, with what was refused and why, or let one in
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Approve(approve::Args),
}

/// Lists or approves.
pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.verb {
        None => list(&args.asking),
        Some(Verb::Approve(args)) => approve::run(args),
    }
}

fn list(asking: &Asking) -> Result<(), Failure> {
    let client = asking.client()?;
    let found = Found {
        handlers: client.get("/api/handlers", &[])?,
        strays: client.get("/api/strays", &[])?,
    };
    asking
        .output
        .print(&found, |found| text(&found.handlers, &found.strays))
}

/// What is in the handlers folder.
#[derive(Serialize)]
struct Found {
    handlers: Vec<Handler>,
    /// The files that are no handler's.
    strays: Vec<Stray>,
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
        "SUBSCRIBES TO",
    ];
    let mut text = if handlers.is_empty() {
        "no handlers yet: drop a component into the handlers folder\n".to_owned()
    } else {
        table::draw(&header, 7, handlers.iter().map(row))
    };
    let grants: Vec<String> = handlers.iter().flat_map(grants).collect();
    if !grants.is_empty() {
        text.push_str(&format!("\n{}\n", grants.join("\n")));
    }
    for handler in handlers {
        if let Some(refused) = &handler.refused {
            text.push_str(&refusal(handler, refused));
        }
        if let Some(quarantined) = &handler.quarantined {
            text.push_str(&quarantine(handler, quarantined));
        }
    }
    for stray in strays {
        let (file, reason) = (clean::line(&stray.file), clean::line(&stray.reason));
        text.push_str(&format!("\nignored {file}: {reason}\n"));
    }
    text
}

fn row(handler: &Handler) -> Vec<String> {
    let state = match handler.state {
        HandlerState::Loading => "loading",
        HandlerState::Serving if handler.refused.is_some() => "newest refused",
        HandlerState::Serving if handler.quarantined.is_some() => "newest quarantined",
        HandlerState::Serving => "serving",
        HandlerState::Refused => "refused",
        HandlerState::Quarantined => "quarantined",
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
        table::or_dash(serving.map(subscribes_to)),
    ]
}

fn subscribes_to(serving: &Serving) -> String {
    let types = serving
        .subscriptions
        .iter()
        .flat_map(|filter| &filter.types);
    types
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a handler may do beyond getting events, and what it goes without: a line
/// for each.
fn grants(handler: &Handler) -> Vec<String> {
    let Some(serving) = &handler.serving else {
        return Vec::new();
    };
    let publishes = serving.publishes.iter().cloned().map(Ask::Publish);
    let may: Vec<Ask> = serving.grants.iter().cloned().chain(publishes).collect();
    let mut lines = Vec::new();
    let name = &handler.name;
    if !may.is_empty() {
        lines.push(format!("{name} may {}", listed(&may)));
    }
    if !serving.withheld.is_empty() {
        let withheld = listed(&serving.withheld);
        lines.push(format!(
            "{name} goes without {withheld}: {name}.toml gives none of it"
        ));
    }
    lines
}

fn listed(asks: &[Ask]) -> String {
    let asks: Vec<String> = asks.iter().map(Ask::to_string).collect();
    clean::line(&asks.join(", "))
}

/// What was refused, why, and what serves beside it.
fn refusal(handler: &Handler, refused: &Refused) -> String {
    let name = &handler.name;
    let file = match refused.generation {
        Some(generation) => format!("refused {name} {}", generation.short()),
        None => format!("refused {name}"),
    };
    let mut text = format!("\n{file} at {}:\n", clean::line(&refused.at));
    for line in clean::lines(&refused.reason) {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&format!("  {}\n", what_serves(handler)));
    text
}

/// What was quarantined, what for, what serves beside it and how to let it in.
fn quarantine(handler: &Handler, quarantined: &Quarantined) -> String {
    let name = &handler.name;
    let generation = quarantined.generation.short();
    let at = clean::line(&quarantined.at);
    let asks = listed(&quarantined.asks);
    let serves = what_serves(handler);
    format!(
        "\nquarantined {name} {generation} at {at}:\n  asks for {asks}\n  {serves}\n  let it in \
         with `waystation handlers approve {name}`, or grant it in {name}.toml\n"
    )
}

fn what_serves(handler: &Handler) -> String {
    match &handler.serving {
        Some(serving) => format!("{} goes on serving", serving.generation.short()),
        None => "no generation of it serves".to_owned(),
    }
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
                "grants": [], "networks": [], "withheld": [],
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
            "quarantined": null,
            "cursor": 40, "behind": 2, "running": 1, "waiting": 3, "dead": 4,
        }))
        .unwrap()
    }

    fn asks(texts: &[&str]) -> Vec<Ask> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn quarantined(asks: Vec<Ask>) -> Option<Quarantined> {
        Some(Quarantined {
            generation: "1a".repeat(32).parse().unwrap(),
            asks,
            at: "2026-01-31T12:30:00.000Z".to_owned(),
        })
    }

    #[test]
    fn a_handler_shows_what_it_may_and_what_it_waits_for() {
        let mut mail = handler("mail", true, None);
        let serving = mail.serving.as_mut().unwrap();
        serving.grants = asks(&["http api.example.com", "secret token"]);
        serving.publishes = vec!["out.*".to_owned().try_into().unwrap()];
        serving.withheld = asks(&["state mail"]);
        mail.quarantined = quarantined(asks(&["http b.example", "publish com.example.new.*"]));
        let mut stock = handler("stock", false, None);
        stock.state = HandlerState::Quarantined;
        stock.quarantined = quarantined(asks(&["state stock"]));
        assert_eq!(
            text(&[mail, stock], &[]),
            "\
HANDLER  STATE               GENERATION    BEHIND  RUNNING  WAITING  DEAD  SUBSCRIBES TO
mail     newest quarantined  9f9f9f9f9f9f  2       1        3        4     com.example.orders.paid.v1, com.example.users.*
stock    quarantined         -             2       1        3        4     -

mail may http api.example.com:443, secret token, publish out.*
mail goes without state mail: mail.toml gives none of it

quarantined mail 1a1a1a1a1a1a at 2026-01-31T12:30:00.000Z:
  asks for http b.example:443, publish com.example.new.*
  9f9f9f9f9f9f goes on serving
  let it in with `waystation handlers approve mail`, or grant it in mail.toml

quarantined stock 1a1a1a1a1a1a at 2026-01-31T12:30:00.000Z:
  asks for state stock
  no generation of it serves
  let it in with `waystation handlers approve stock`, or grant it in stock.toml
"
        );
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
HANDLER    STATE           GENERATION    BEHIND  RUNNING  WAITING  DEAD  SUBSCRIBES TO
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
