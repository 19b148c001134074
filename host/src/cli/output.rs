//! What a command gives to standard output.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde::Serialize;

use super::clean;
use super::exit::{Exit, Failure};

/// The form of what a command gives out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// For programs: the JSON of the host's API
    Json,
}

impl Output {
    /// Prints a value as JSON, or as what `text` makes of it.
    pub fn print<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self {
            Self::Text => print(&text(value)),
            Self::Json => {
                let json = serde_json::to_string_pretty(value)
                    .map_err(|error| Failure::new(Exit::Usage, error))?;
                print(&format!("{}\n", clean::json(&json)))
            }
        }
    }
}

/// Prints text that is fit for a terminal.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Failure::of_output)
}

/// Says something to the person at the terminal, beside the output.
pub fn note(text: &str) {
    // A standard error that is gone must not fail the command.
    let _ = writeln!(io::stderr(), "{}", clean::line(text));
}

/// Shows the person at the terminal what a tool said, with its indentation.
pub fn quote(text: &str) {
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        // A standard error that is gone must not fail the command.
        let _ = writeln!(io::stderr(), "{:indent$}{}", "", clean::line(line));
    }
}

/// Shows the person at the terminal a command to run, alone on its line.
pub fn command(text: &str) {
    // A standard error that is gone must not fail the command.
    let _ = writeln!(io::stderr(), "  {}", clean::line(text));
}
