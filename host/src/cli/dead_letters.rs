//! `waystation dead-letters`: what no handler got done, and its redrive.

use anyhow::anyhow;
use clap::{ArgGroup, Subcommand};
use waystation_core::HandlerName;

use super::client::{Asking, Client, Error};
use super::deliveries::{failure, limit};
use super::exit::{Exit, Failure};
use super::{clean, output, table};
use crate::api::{Delivery, Redrive, Redriven};

/// List the dead letters, or send them to their handlers again
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Only those of this handler
    #[arg(long, value_name = "NAME", value_parser = HandlerName::new)]
    handler: Option<HandlerName>,
    /// How many to list
    #[arg(long, value_name = "N", value_parser = limit())]
    limit: Option<u64>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Redrive(RedriveArgs),
}

/// Send dead letters to their handlers again, with all their attempts before them
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group(ArgGroup::new("chosen").required(true).args(["ids", "handler", "all"])))]
struct RedriveArgs {
    /// The deliveries, by id
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All of this handler
    #[arg(long, value_name = "NAME", value_parser = HandlerName::new)]
    handler: Option<HandlerName>,
    /// All
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Lists or redrives.
pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.verb {
        None => list(args),
        Some(Verb::Redrive(args)) => redrive(args),
    }
}

fn list(args: &Args) -> Result<(), Failure> {
    let query = [
        ("handler", args.handler.as_ref().map(ToString::to_string)),
        ("limit", args.limit.map(|limit| limit.to_string())),
    ];
    let dead: Vec<Delivery> = args.asking.client()?.get("/api/dead-letters", &query)?;
    if dead.is_empty() {
        output::note("no dead letters");
    }
    args.asking.output.print(&dead, |dead| text(dead))
}

fn text(dead: &[Delivery]) -> String {
    if dead.is_empty() {
        return String::new();
    }
    let header = ["DELIVERY", "ATTEMPTS", "SINCE", "EVENT", "REASON"];
    let row = |delivery: &Delivery| {
        vec![
            delivery.id.clone(),
            delivery.attempts_made.to_string(),
            table::or_dash(delivery.at.as_deref().map(table::seconds)),
            delivery.event_type.clone(),
            failure(delivery),
        ]
    };
    table::draw(&header, 3, dead.iter().map(row))
}

fn redrive(args: &RedriveArgs) -> Result<(), Failure> {
    let wanted = match &args.handler {
        Some(handler) => vec![Redrive::Handler(handler.clone())],
        None if args.all => vec![Redrive::All {}],
        None => args.ids.iter().cloned().map(Redrive::Delivery).collect(),
    };
    let (redriven, refused) = redrive_each(&args.asking.client()?, wanted);
    if refused.is_none() || !redriven.deliveries.is_empty() {
        args.asking.output.print(&redriven, redriven_text)?;
    }
    refused.map_or(Ok(()), Err)
}

/// One that is no dead letter does not keep the others from being redriven; a
/// host that is gone does.
fn redrive_each(client: &Client, wanted: Vec<Redrive>) -> (Redriven, Option<Failure>) {
    let mut redriven = Redriven {
        deliveries: Vec::new(),
    };
    let mut refused = Vec::new();
    for which in wanted {
        match client.post_json::<Redriven>("/api/dead-letters/redrive", &which) {
            Ok(more) => redriven.deliveries.extend(more.deliveries),
            Err(Error::Problem(problem)) if problem.status < 500 => refused.push(problem.detail),
            Err(error) => return (redriven, Some(error.into())),
        }
    }
    let refused = (!refused.is_empty()).then(|| {
        Failure::new(Exit::Negative, anyhow!(refused.join("\n")))
            .with_hint("`waystation dead-letters` lists them with their ids")
    });
    (redriven, refused)
}

fn redriven_text(redriven: &Redriven) -> String {
    let line = |id: &String| format!("redriven {}\n", clean::line(id));
    redriven.deliveries.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::{answer, listener, problem};
    use super::super::deliveries::tests::dead;
    use super::*;

    fn request(body: &str) -> Redrive {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn a_dead_letter_is_a_line() {
        assert_eq!(
            text(&[dead(12, "unreachable\n  at handle")]),
            "\
DELIVERY              ATTEMPTS  SINCE                 EVENT       REASON
mail.12.9f86d081884c  8         2026-01-31T12:00:00Z  registered  trap: unreachable
"
        );
    }

    #[test]
    fn one_that_is_no_dead_letter_does_not_stop_the_others() {
        let (client, served) = listener(vec![
            answer("404 Not Found", &problem(404, "`a` is no dead letter")),
            answer("200 OK", r#"{"deliveries":["b"]}"#),
        ]);
        let wanted = ["a", "b"]
            .map(|id| Redrive::Delivery(id.to_owned()))
            .to_vec();
        let (redriven, refused) = redrive_each(&client, wanted);
        assert_eq!(redriven_text(&redriven), "redriven b\n");
        let (exit, text) = refused.unwrap().parts();
        assert_eq!(exit, Exit::Negative);
        assert!(text.starts_with("error: `a` is no dead letter\n"), "{text}");
        let requests = served.join().unwrap();
        assert_eq!(requests[0].0, "POST /api/dead-letters/redrive HTTP/1.1");
        assert_eq!(request(&requests[0].1), Redrive::Delivery("a".to_owned()));
    }

    #[test]
    fn all_and_one_handler_are_asked_for_at_once() {
        for which in [
            Redrive::All {},
            Redrive::Handler(HandlerName::new("mail").unwrap()),
        ] {
            let (client, served) = listener(vec![answer(
                "200 OK",
                r#"{"deliveries":["mail.1.9f86d081884c"]}"#,
            )]);
            let (redriven, refused) = redrive_each(&client, vec![which.clone()]);
            assert!(refused.is_none() && redriven.deliveries.len() == 1);
            assert_eq!(request(&served.join().unwrap()[0].1), which);
        }
    }
}
