//! What surrounds an attempt: all that it sees beside its event, its delivery
//! and its settings. What one attempt saw can be given to another, which then
//! does the same.
//!
//! The shapes are files that people read and write: see `host/rehearsals.md`.

mod content;
mod exchange;
mod readings;
mod state;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use content::Content;
pub use exchange::{Answer, Asked, Exchange};
pub use readings::{Moment, Readings, Seeds};
pub use state::{Held, StateImage};

/// What an attempt saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surroundings {
    /// The state that it read.
    #[serde(default)]
    pub state: StateImage,
    /// The outbound HTTP that it made, in order.
    #[serde(default)]
    pub http: Vec<Exchange>,
    /// What the clocks showed each time it looked.
    #[serde(default)]
    pub clocks: Readings,
    /// Where its random values come from.
    pub random: Seeds,
    /// Whether it saw more than is kept.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// A line that a handler logged, as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: Cow<'static, str>,
    /// What the line is about, or the stream that it came over.
    pub context: String,
    /// The text.
    pub text: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
