//! How a command ends.

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::clean;

/// Why a command did not succeed, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Nobody reads the output any more, as in `| head`. Not an error.
    BrokenPipe = 0,
    /// The answer is no: not found, refused, nothing to do.
    Negative = 1,
    /// The command, a file that it names or the configuration is wrong.
    Usage = 2,
    /// No host answers, or it cannot answer now.
    Unreachable = 3,
}

/// A command that did not succeed.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    /// None if the output has said it already.
    error: Option<anyhow::Error>,
    hint: Option<String>,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: Some(error.into()),
            hint: None,
        }
    }

    /// A failure that the output has told already.
    pub fn said(exit: Exit) -> Self {
        Self {
            exit,
            error: None,
            hint: None,
        }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Standard output cannot be written.
    pub fn of_output(error: io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::BrokenPipe => Exit::BrokenPipe,
            _ => Exit::Usage,
        };
        let error = anyhow::Error::new(error).context("cannot write to standard output");
        Self {
            exit,
            error: Some(error),
            hint: None,
        }
    }

    /// The same failure, in the work on this.
    #[must_use]
    pub fn within(self, place: String) -> Self {
        Self {
            error: self.error.map(|error| error.context(place)),
            ..self
        }
    }

    /// The exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }

    /// Writes the error, its causes and the hint to standard error.
    pub fn report(&self) {
        if self.exit != Exit::BrokenPipe {
            // There is no place left to say that this failed.
            let _ = io::stderr().write_all(self.text().as_bytes());
        }
    }

    /// Why, for a report that goes on: the causes, then the hint.
    pub fn reason(&self) -> String {
        let mut lines = vec![self.causes().join(": ")];
        lines.extend(self.hint.clone());
        lines.join("\n")
    }

    fn causes(&self) -> Vec<String> {
        let errors = self.error.iter().flat_map(anyhow::Error::chain);
        let mut causes: Vec<String> = errors.map(ToString::to_string).collect();
        // Some errors already end with their cause.
        causes.dedup_by(|cause, said| said.ends_with(cause.as_str()));
        causes
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (depth, cause) in self.causes().iter().enumerate() {
            let lead = if depth == 0 { "error" } else { "  because" };
            text.push_str(&format!("{lead}: {}\n", multiline(cause)));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("hint: {}\n", multiline(hint)));
        }
        text
    }
}

/// What starts and builds the host fails on what it was given.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Usage, error)
    }
}

fn multiline(text: &str) -> String {
    clean::lines(text).collect::<Vec<_>>().join("\n    ")
}

#[cfg(test)]
impl Failure {
    /// What it is for its caller: the exit code and the text.
    pub fn parts(&self) -> (Exit, String) {
        (self.exit, self.text())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_cause_has_a_line_and_the_hint_is_last() {
        let error = anyhow!("connection refused")
            .context("cannot connect")
            .context("no answer");
        let failure = Failure::new(Exit::Unreachable, error).with_hint("start it");
        assert_eq!(
            failure.text(),
            "error: no answer\n  because: cannot connect\n  because: connection refused\n\
             hint: start it\n"
        );
    }

    #[test]
    fn a_cause_is_said_once_and_never_steers_the_terminal() {
        let error = anyhow!("port\x1b[2J in use").context("cannot listen: port\x1b[2J in use");
        assert_eq!(
            Failure::from(error).text(),
            "error: cannot listen: port [2J in use\n"
        );
        let two_lines = Failure::from(anyhow!("two mistakes:\nfirst\nsecond"));
        assert_eq!(
            two_lines.text(),
            "error: two mistakes:\n    first\n    second\n"
        );
    }

    #[test]
    fn the_exit_codes_are_a_contract() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        for (failure, expected) in [
            (Failure::of_output(broken), 0),
            (Failure::new(Exit::Negative, anyhow!("no")), 1),
            (Failure::of_output(full), 2),
            (Failure::from(anyhow!("port in use")), 2),
            (Failure::new(Exit::Unreachable, anyhow!("down")), 3),
        ] {
            assert_eq!(failure.code(), ExitCode::from(expected), "{failure:?}");
        }
    }
}
