//! The command line: one module a verb.
//!
//! A verb gives what it found to standard output and everything else to standard
//! error, and ends with one of four exit codes ([`exit::Exit`]). The verbs that
//! ask a running host know its API and nothing of what is behind it.

mod build;
mod capsule;
mod cases;
mod check;
pub mod clean;
mod client;
mod completions;
mod credentials;
mod dead_letters;
mod deliveries;
mod dev;
mod events;
mod exit;
mod export;
mod handlers;
mod invoke;
mod new;
mod offline;
mod output;
mod private;
mod publish;
mod rehearse;
mod run;
mod shell;
mod table;
mod tree;

use clap::{Parser, Subcommand};

pub use exit::Failure;
pub use run::COMPILE;

/// A host for WebAssembly event handlers: stores events, hands each to the
/// handlers that ask for it, and swaps handlers while they run
#[derive(Debug, Parser)]
#[command(
    name = "waystation",
    version,
    after_help = "Exit codes: 0 ok, 1 negative answer, 2 usage or configuration, 3 host unreachable"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    New(new::Args),
    Build(build::BuildArgs),
    Dev(dev::Args),
    Invoke(invoke::Args),
    Test(cases::Args),
    Check(check::Args),
    Publish(publish::Args),
    Handlers(handlers::Args),
    Events(events::Args),
    Export(export::Args),
    Deliveries(deliveries::Args),
    DeadLetters(dead_letters::Args),
    Completions(completions::Args),
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Run(args) => run::run(args),
            Command::New(args) => new::run(&args),
            Command::Build(args) => Ok(build::run(&args)?),
            Command::Dev(args) => dev::run(args),
            Command::Invoke(args) => invoke::run(&args),
            Command::Test(args) => cases::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Publish(args) => publish::run(args),
            Command::Handlers(args) => handlers::run(&args),
            Command::Events(args) => events::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Deliveries(args) => deliveries::run(&args),
            Command::DeadLetters(args) => dead_letters::run(&args),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }

    /// The code blocks of a language in a page.
    fn snippets(page: &'static str, language: &str) -> Vec<&'static str> {
        let blocks = page.split("```").skip(1).step_by(2);
        blocks
            .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
            .collect()
    }

    #[test]
    fn every_command_in_the_documents_is_one() {
        let mut count = 0;
        for page in [
            include_str!("../../../README.md"),
            include_str!("../../README.md"),
            include_str!("../../rehearsals.md"),
            include_str!("../../../guest-sdk/README.md"),
            include_str!("../../../guest-sdk/template/README.md"),
            include_str!("../../../guest-sdk/javascript/README.md"),
            include_str!("../../../guest-sdk/javascript/template/README.md"),
            include_str!("../../../guest-sdk/python/README.md"),
            include_str!("../../../guest-sdk/python/template/README.md"),
        ] {
            let blocks = ["sh", "sh,ignore", "console"]
                .map(|it| snippets(page, it))
                .concat();
            let lines = blocks.iter().flat_map(|block| block.lines());
            // What is in brackets is a synopsis.
            for line in lines.filter(|it| it.trim().starts_with("waystation ") && !it.contains('['))
            {
                let command = line.split(" #").next().unwrap_or_default();
                let command = command.replace("{{name}}", "name");
                let parsed = Cli::try_parse_from(command.split_whitespace());
                assert!(parsed.is_ok(), "{command}: {:?}", parsed.err());
                count += 1;
            }
        }
        assert!(count > 25, "{count}");
    }

    #[test]
    fn the_files_in_the_page_on_rehearsals_are_read() {
        let page = include_str!("../../rehearsals.md");
        let [state, http] = snippets(page, "json").try_into().unwrap();
        let state: waystation_core::StateImage = serde_json::from_str(state).unwrap();
        assert!(state.value("orders", "logo").is_some());
        let http: Vec<waystation_core::Exchange> = serde_json::from_str(http).unwrap();
        assert_eq!(http.len(), 2);
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        let check = |arguments: &str, expected: ErrorKind| {
            let words = arguments.split(' ');
            let error = Cli::try_parse_from(words).expect_err(arguments);
            assert_eq!(error.kind(), expected, "{arguments}");
            assert_eq!(error.exit_code(), 2, "{arguments}");
        };
        check("waystation publish", ErrorKind::MissingRequiredArgument);
        check(
            "waystation publish --type t",
            ErrorKind::MissingRequiredArgument,
        );
        check(
            "waystation publish a.json --type t --source /s",
            ErrorKind::ArgumentConflict,
        );
        check(
            "waystation publish a.json --id 1",
            ErrorKind::ArgumentConflict,
        );
        check(
            "waystation handlers --admin nowhere",
            ErrorKind::ValueValidation,
        );
        check(
            "waystation deliveries --state lost",
            ErrorKind::InvalidValue,
        );
        check(
            "waystation deliveries --limit 0",
            ErrorKind::ValueValidation,
        );
        check("waystation events 1 --limit 2", ErrorKind::ArgumentConflict);
        check(
            "waystation dead-letters --handler a/b",
            ErrorKind::ValueValidation,
        );
        check(
            "waystation dead-letters redrive",
            ErrorKind::MissingRequiredArgument,
        );
        check(
            "waystation dead-letters redrive a.1.b --all",
            ErrorKind::ArgumentConflict,
        );
    }
}
