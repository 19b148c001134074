//! The text of a log line, as the host shows it.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};

/// The message first, then the fields as `name=value`.
#[derive(Default)]
pub struct Line {
    message: String,
    fields: String,
}

impl Line {
    /// What an event of tracing says.
    pub fn of(event: &tracing::Event<'_>) -> String {
        let mut line = Self::default();
        event.record(&mut line);
        if line.message.is_empty() {
            return line.fields.trim_start().to_owned();
        }
        line.message.push_str(&line.fields);
        line.message
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String fails only if the value's own Debug does.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}
