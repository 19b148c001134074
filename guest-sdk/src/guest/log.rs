//! tracing's events become lines of the host's log.
//!
//! The host knows the handler, the event and the attempt, so a line holds only
//! what the handler says. Spans are not kept: within one attempt they would
//! repeat what the line's module already tells.

use std::sync::Once;

use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

use super::bindings::wasi::logging::logging;
use crate::log::Line;

/// Sends tracing's events to the host from now on.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // It fails only if the handler has set a subscriber of its own, which
        // is then the one that it wants.
        let _ = tracing::subscriber::set_global_default(HostLog);
    });
}

struct HostLog;

impl Subscriber for HostLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let metadata = event.metadata();
        let text = Line::of(event);
        logging::log(level(*metadata.level()), metadata.target(), &text);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // No span is enabled; a caller that asks all the same gets the same one.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn level(level: Level) -> logging::Level {
    match level {
        Level::ERROR => logging::Level::Error,
        Level::WARN => logging::Level::Warn,
        Level::INFO => logging::Level::Info,
        Level::DEBUG => logging::Level::Debug,
        Level::TRACE => logging::Level::Trace,
    }
}
