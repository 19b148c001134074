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

/// Whether a type is the pattern, or begins with it if it ends in `.*`.
pub(crate) fn matches(pattern: &str, event_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => event_type.starts_with(prefix),
        None => pattern == event_type,
    }
}
