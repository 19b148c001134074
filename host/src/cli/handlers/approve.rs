//! `waystation handlers approve`: lets in what is quarantined.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, anyhow};
use waystation_core::{Ask, AskKind, HandlerName};

use super::listed;
use crate::api::{Approve, Approved, Handler, Quarantined};
use crate::cli::client::{Asking, Client};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Let a quarantined generation in, with all that it asks for
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The handler
    #[arg(value_name = "NAME", value_parser = HandlerName::new)]
    name: HandlerName,
    /// Do not ask whether it may have what it asks for
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Shows what a generation asks for, has it confirmed, and lets in that one and
/// no other.
pub fn run(args: &Args) -> Result<(), Failure> {
    let client = args.asking.client()?;
    let quarantined = quarantined(&client, &args.name)?;
    let generation = quarantined.generation.short();
    output::note(&format!("{} {generation} asks for", args.name));
    for ask in &quarantined.asks {
        output::note(&format!("- {ask}"));
    }
    if !args.yes {
        confirm()?;
    }
    let approve = Approve {
        handler: args.name.clone(),
        generation: quarantined.generation,
    };
    let approved: Approved = client.post_json("/api/handlers/approve", &approve)?;
    args.asking.output.print(&approved, text)
}

fn quarantined(client: &Client, name: &HandlerName) -> Result<Quarantined, Failure> {
    let handlers: Vec<Handler> = client.get("/api/handlers", &[])?;
    let mut handlers = handlers.into_iter();
    let no = match handlers.find(|handler| handler.name == *name) {
        Some(handler) => match handler.quarantined {
            Some(quarantined) => return Ok(quarantined),
            None => anyhow!("the handler `{name}` is not quarantined; there is nothing to let in"),
        },
        None => anyhow!("there is no handler `{name}`"),
    };
    Err(Failure::new(Exit::Negative, no).with_hint("`waystation handlers` lists them all"))
}

/// Asks the person at the terminal.
fn confirm() -> Result<(), Failure> {
    let mut stdin = io::stdin().lock();
    if !stdin.is_terminal() {
        let error = anyhow!("nobody is there to confirm it: standard input is no terminal");
        return Err(Failure::new(Exit::Usage, error).with_hint("confirm it with --yes"));
    }
    let mut stderr = io::stderr();
    // A standard error that is gone leaves the question open, and so unanswered.
    let _ = write!(stderr, "let it in? [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = stdin.read_line(&mut answer);
    read.context("cannot read the answer")?;
    if is_yes(&answer) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Negative,
        anyhow!("nothing was approved"),
    ))
}

fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes")
}

fn text(approved: &Approved) -> String {
    let is_value = |ask: &Ask| matches!(ask.kind(), AskKind::Config | AskKind::Secret);
    let (name, asks) = (&approved.handler, listed(&approved.asks));
    let values: Vec<Ask> = approved
        .asks
        .iter()
        .filter(|ask| is_value(ask))
        .cloned()
        .collect();
    let mut text = format!("{name} {} may {asks}\n", approved.generation.short());
    if !values.is_empty() {
        // What has a value is granted and so was not asked for.
        let values = listed(&values);
        text.push_str(&format!(
            "{name}.toml must still give values for {values}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::client::tests::{answer, listener};

    fn mail(quarantined: bool) -> String {
        let asks = ["http api.example.com:443", "publish out.*"];
        let quarantined = quarantined.then(|| {
            json!({"generation": "1a".repeat(32), "asks": asks, "at": "2026-01-31T12:30:00.000Z"})
        });
        json!([{
            "name": "mail", "state": "serving", "serving": null, "refused": null,
            "quarantined": quarantined,
            "cursor": 40, "behind": 2, "running": 1, "waiting": 3, "dead": 4,
        }])
        .to_string()
    }

    #[test]
    fn only_what_is_quarantined_can_be_let_in() {
        let check = |name: &str, expected: &str| {
            let (client, served) = listener(vec![answer("200 OK", &mail(false))]);
            let name = HandlerName::new(name).unwrap();
            let (exit, text) = quarantined(&client, &name).unwrap_err().parts();
            assert_eq!(exit, Exit::Negative);
            assert!(text.starts_with(&format!("error: {expected}")), "{text}");
            served.join().unwrap();
        };
        check("mail", "the handler `mail` is not quarantined");
        check("male", "there is no handler `male`");
        let (client, served) = listener(vec![answer("200 OK", &mail(true))]);
        let found = quarantined(&client, &HandlerName::new("mail").unwrap()).unwrap();
        assert_eq!(
            listed(&found.asks),
            "http api.example.com:443, publish out.*"
        );
        served.join().unwrap();
    }

    #[test]
    fn an_approval_names_the_values_that_are_still_to_be_given() {
        let asks = json!(["state a", "config region", "secret token"]);
        let json = json!({"handler": "mail", "generation": "1a".repeat(32), "asks": asks});
        assert_eq!(
            text(&serde_json::from_value(json).unwrap()),
            "mail 1a1a1a1a1a1a may state a, config region, secret token\n\
             mail.toml must still give values for config region, secret token\n"
        );
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "Y\n", "yes\n", " YES \n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yep\n", "no yes\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
