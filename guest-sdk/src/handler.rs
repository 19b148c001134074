//! What makes a type a handler.

use crate::{Context, Descriptor, Event, HandlerError, RawData};

/// A handler: a function from one event to the events that follow from it.
///
/// The attribute [`handler`](macro@crate::handler) implements it for a type that
/// has the name of the function.
pub trait Handler {
    /// What the handler says of itself.
    const DESCRIPTOR: Descriptor;

    /// Handles one event. What it publishes through the context counts only if
    /// it returns `Ok`.
    ///
    /// # Errors
    /// Why it could not, and whether another attempt may help.
    fn handle(event: Event<RawData>, ctx: &mut Context) -> Result<(), HandlerError>;
}

/// Types of events whose data is one Rust type, so that a handler of it needs no `on`.
///
/// [`Events`](derive@crate::Events) implements it for an enum.
#[diagnostic::on_unimplemented(
    message = "a handler of `{Self}` needs the types of its events",
    label = "it has no types of its own",
    note = "name them in the attribute: `on = \"com.example.thing-happened.v1\"`",
    note = "or take an enum that derives `Events`, with a variant for each type"
)]
pub trait EventTypes {
    /// The types: exact, or prefixes that end in `.*`.
    const TYPES: &'static [&'static str];
}

/// Whether a type is the pattern, or begins with it if it ends in `.*`.
#[doc(hidden)]
pub fn matches(pattern: &str, event_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => event_type.starts_with(prefix),
        None => pattern == event_type,
    }
}
