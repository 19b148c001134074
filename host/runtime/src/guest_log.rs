//! What a guest says, as log lines of the host.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use waystation_core::{Digest, HandlerName, LogLine, limits};

use crate::bindings::logging::Level;
use crate::scrub::{Cut, Scrub};

/// Who speaks: the attempt that a log line belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    pub(crate) handler: HandlerName,
    pub(crate) generation: Digest,
    /// The id of the event, or nothing while the handler describes itself.
    pub(crate) event: String,
    pub(crate) attempt: u32,
}

/// Takes what a guest writes to wasi:logging, stdout and stderr, bounded in the
/// length of a line and in the bytes and lines of an attempt. Cheap to clone.
#[derive(Clone)]
pub(crate) struct GuestLog(Arc<Mutex<Inner>>);

struct Inner {
    speaker: Speaker,
    scrub: Arc<Scrub>,
    bytes_left: usize,
    lines_left: usize,
    stdout: Line,
    stderr: Line,
    /// The end of what came over stderr: a panic says there what happened.
    stderr_tail: Vec<u8>,
    /// Whether it is not all that came.
    stderr_cut: bool,
    /// The lines of the attempt, as they were logged.
    lines: Vec<LogLine>,
}

/// A line that is not complete yet.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    cut: bool,
}

/// One of the two streams.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl GuestLog {
    pub(crate) fn new(speaker: Speaker, scrub: Arc<Scrub>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            speaker,
            scrub,
            bytes_left: limits::LOG_ATTEMPT_BYTES_MAX,
            lines_left: limits::LOG_ATTEMPT_LINES_MAX,
            stdout: Line::default(),
            stderr: Line::default(),
            stderr_tail: Vec::new(),
            stderr_cut: false,
            lines: Vec::new(),
        })))
    }

    /// Begins another attempt with fresh bounds.
    pub(crate) fn begin(&self, speaker: Speaker) {
        let mut inner = self.lock();
        inner.speaker = speaker;
        inner.bytes_left = limits::LOG_ATTEMPT_BYTES_MAX;
        inner.lines_left = limits::LOG_ATTEMPT_LINES_MAX;
        inner.stderr_tail.clear();
        inner.stderr_cut = false;
        inner.lines.clear();
    }

    /// Ends the attempt: a last line without a line feed counts too.
    pub(crate) fn finish(&self) {
        let mut inner = self.lock();
        inner.flush(Stream::Stdout);
        inner.flush(Stream::Stderr);
    }

    /// The lines of the attempt.
    pub(crate) fn take_lines(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.lock().lines)
    }

    /// The end of what came over stderr, without secrets.
    pub(crate) fn stderr_tail(&self) -> String {
        let inner = self.lock();
        let cut = if inner.stderr_cut {
            Cut::Front
        } else {
            Cut::Whole
        };
        let tail = inner.scrub.bytes(&inner.stderr_tail, cut);
        String::from_utf8_lossy(&tail).trim().to_owned()
    }

    /// A message over wasi:logging.
    pub(crate) fn message(&self, level: Level, context: &str, message: &str) {
        self.lock().emit(level, context, message.as_bytes(), false);
    }

    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut inner = self.lock();
        if matches!(stream, Stream::Stderr) {
            inner.keep_tail(bytes);
        }
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = inner.line(stream);
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = limits::LOG_LINE_BYTES_MAX.saturating_sub(line.bytes.len());
            line.cut |= text.len() > room;
            line.bytes.extend(text.iter().take(room));
            if text.len() < part.len() {
                inner.flush(stream);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held leaves at worst half a log line.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn line(&mut self, stream: Stream) -> &mut Line {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Whether the attempt wrote as much as it may.
    fn is_full(&self) -> bool {
        self.bytes_left == 0 || self.lines_left == 0
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        self.stderr_tail.extend(bytes);
        let over = self
            .stderr_tail
            .len()
            .saturating_sub(limits::STDERR_TAIL_BYTES);
        self.stderr_tail.drain(..over);
        self.stderr_cut |= over > 0;
    }

    fn flush(&mut self, stream: Stream) {
        let line = std::mem::take(self.line(stream));
        if line.bytes.is_empty() {
            return;
        }
        let (level, context) = match stream {
            Stream::Stdout => (Level::Info, "stdout"),
            Stream::Stderr => (Level::Warn, "stderr"),
        };
        self.emit(level, context, &line.bytes, line.cut);
    }

    /// Text of the guest as it may be shown.
    fn clean(&self, bytes: &[u8], cut: bool) -> String {
        let end = if cut { Cut::Back } else { Cut::Whole };
        printable(&self.scrub.bytes(bytes, end), cut)
    }

    fn emit(&mut self, level: Level, context: &str, message: &[u8], cut: bool) {
        if self.is_full() {
            return;
        }
        let length = message
            .len()
            .min(limits::LOG_LINE_BYTES_MAX)
            .min(self.bytes_left);
        let cut = cut || length < message.len();
        self.bytes_left -= length;
        self.lines_left -= 1;
        let text = self.clean(message.get(..length).unwrap_or_default(), cut);
        let (context, context_cut) = match context.as_bytes().split_at_checked(CONTEXT_BYTES_MAX) {
            Some((kept, rest)) => (kept, !rest.is_empty()),
            None => (context.as_bytes(), false),
        };
        let context = self.clean(context, context_cut);
        let Speaker {
            handler,
            generation,
            event,
            attempt,
        } = &self.speaker;
        let generation = generation.short();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(target: "handler", %handler, generation, event, attempt, context, "{text}")
            };
        }
        match level {
            Level::Trace => line!(trace),
            Level::Debug => line!(debug),
            Level::Info => line!(info),
            Level::Warn => line!(warn),
            Level::Error | Level::Critical => line!(error),
        }
        if self.is_full() {
            tracing::warn!(
                target: "handler", %handler, generation, event, attempt,
                "the attempt may write {} bytes and {} lines of log; the rest is dropped",
                limits::LOG_ATTEMPT_BYTES_MAX,
                limits::LOG_ATTEMPT_LINES_MAX
            );
        }
        self.lines.push(LogLine {
            level: word(level).into(),
            context,
            text,
        });
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error | Level::Critical => "error",
    }
}

/// The longest context of a log line that is kept, in bytes.
const CONTEXT_BYTES_MAX: usize = 64;

/// Text that cannot move the cursor or forge a line.
fn printable(bytes: &[u8], cut: bool) -> String {
    let mut text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    if cut {
        text.push('…');
    }
    text
}

/// A guest's stdout or stderr.
pub(crate) struct Output {
    pub(crate) log: GuestLog,
    pub(crate) stream: Stream,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Self {
            log: self.log.clone(),
            stream: self.stream,
        })
    }

    fn p2_stream(&self) -> Box<dyn wasmtime_wasi::p2::OutputStream> {
        Box::new(Self {
            log: self.log.clone(),
            stream: self.stream,
        })
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.log.write(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait::async_trait]
impl wasmtime_wasi::p2::Pollable for Output {
    async fn ready(&mut self) {}
}

impl wasmtime_wasi::p2::OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> wasmtime_wasi::p2::StreamResult<()> {
        self.log.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> wasmtime_wasi::p2::StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> wasmtime_wasi::p2::StreamResult<usize> {
        Ok(limits::LOG_LINE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_guest_can_move_the_cursor() {
        assert_eq!(
            printable(b"a\x1b[2Jb\r\nc\td", false),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\td"
        );
        assert_eq!(printable(b"\xff", true), "\u{fffd}…");
    }

    #[test]
    fn keeps_only_the_end_of_stderr() {
        let speaker = Speaker {
            handler: HandlerName::new("h").unwrap(),
            generation: Digest::of(b""),
            event: String::new(),
            attempt: 1,
        };
        let log = GuestLog::new(speaker, Arc::default());
        log.write(Stream::Stderr, &vec![b'a'; limits::STDERR_TAIL_BYTES]);
        log.write(Stream::Stderr, b"the end");
        let tail = log.stderr_tail();
        assert_eq!(tail.len(), limits::STDERR_TAIL_BYTES);
        assert!(tail.ends_with("the end"));
    }
}
