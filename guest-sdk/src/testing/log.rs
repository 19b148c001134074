//! What a handler writes to the log.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

use crate::log::Line;

/// A line that the handler wrote to the log, as the host would show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How grave it is.
    pub level: Level,
    /// The module that wrote it.
    pub target: String,
    /// The message, then the fields as `name=value`.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.level, self.target, self.text)
    }
}

/// Runs something, and keeps the lines that it writes to the log.
pub fn collect<T>(run: impl FnOnce() -> T) -> (T, Vec<LogLine>) {
    let collector = Collector::default();
    let lines = Arc::clone(&collector.lines);
    let result = tracing::subscriber::with_default(collector, run);
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    (result, std::mem::take(&mut *lines))
}

#[derive(Default)]
struct Collector {
    lines: Arc<Mutex<Vec<LogLine>>>,
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let metadata = event.metadata();
        let line = LogLine {
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            text: Line::of(event),
        };
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // As in a component: no span is kept.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
