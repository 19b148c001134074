//! Guests that write without end.
//!
//! Each runs until its deadline. What the host keeps of it is bounded in bytes
//! and in lines.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::instrument::WithSubscriber;
use waystation_core::{Code, Outcome, limits};

use crate::guest::{ANSWER, Guest, RESULT};
use crate::trial::{Trial, attempt, check};
use crate::wasi::{with_logging, with_output};

/// What surrounds the text of a guest in a line of the log, at most, in bytes.
const FRAME_BYTES_MAX: usize = 512;

/// Counts what is logged.
#[derive(Clone, Default)]
struct Count(Arc<Counted>);

#[derive(Default)]
struct Counted {
    lines: AtomicUsize,
    bytes: AtomicUsize,
}

impl io::Write for Count {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lines.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(line.len(), Ordering::Relaxed);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes one attempt of a guest that writes until its deadline.
async fn check_bounded(guest: Guest) {
    let trial = Trial::new().await;
    let hostile = trial.generation(&guest).await;
    let count = Count::default();
    let writer = count.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("handler=trace")
        .with_writer(move || writer.clone())
        .finish();
    let ended = attempt(&hostile).with_subscriber(subscriber).await;
    assert!(
        matches!(&ended.outcome, Outcome::Retry(failure) if failure.code == Code::Timeout),
        "{:?}",
        ended.outcome
    );
    trial.attempt_of_neighbour().await;

    // A line more says that the rest is dropped.
    let lines_max = limits::LOG_ATTEMPT_LINES_MAX + 1;
    let lines = count.0.lines.load(Ordering::Relaxed);
    assert!((1..=lines_max).contains(&lines), "{lines} lines");
    let bytes_max = limits::LOG_ATTEMPT_BYTES_MAX + lines * FRAME_BYTES_MAX;
    let bytes = count.0.bytes.load(Ordering::Relaxed);
    assert!(bytes <= bytes_max, "{bytes} bytes in {lines} lines");
}

/// A guest that writes the same over and over.
fn writing(stream: &str, text: &str) -> Guest {
    let length = text.len();
    with_output(
        Guest::handle(format!(
            "(local $stream i32)
            (local.set $stream (call $stream))
            (loop $again
                (call $write (local.get $stream)
                    (i32.const 2048) (i32.const {length}) (i32.const {ANSWER}))
                (br $again))
            unreachable"
        )),
        stream,
    )
    .fields(&data(text))
}

/// A guest that logs the same over and over: so many bytes of it as context and
/// as message.
fn logging(text: &str, context: usize, message: usize) -> Guest {
    with_logging(Guest::handle(format!(
        "(loop $again
            (call $log (i32.const 2)
                (i32.const 2048) (i32.const {context}) (i32.const 2048) (i32.const {message}))
            (br $again))
        unreachable"
    )))
    .fields(&data(text))
}

fn data(text: &str) -> String {
    let text = text.replace('\n', "\\n");
    format!(r#"(data (memory 0) (i32.const 2048) "{text}")"#)
}

#[tokio::test]
async fn stdout_and_stderr_without_end() {
    for stream in ["stdout", "stderr"] {
        check_bounded(writing(stream, &"x".repeat(4096))).await;
        check_bounded(writing(stream, &"x\n".repeat(2048))).await;
    }
}

#[tokio::test]
async fn messages_without_end() {
    let text = "x".repeat(4096);
    check_bounded(logging(&text, 4096, 4096)).await;
    check_bounded(logging(&text, 1, 1)).await;
}

/// A message without text still costs a line.
#[tokio::test]
async fn empty_messages_without_end() {
    let text = "x".repeat(4096);
    check_bounded(logging(&text, 64, 0)).await;
}

/// The host would have to hold them.
#[tokio::test]
async fn more_zeros_than_a_stream_takes() {
    let too_many = limits::LOG_LINE_BYTES_MAX as u64 + 1;
    for length in [too_many, u64::MAX] {
        let guest = Guest::handle(format!(
            "(call $write-zeroes (call $stream) (i64.const {length}) (i32.const {ANSWER}))
            (i32.const {RESULT})"
        ));
        check(with_output(guest, "stdout"), Code::Trap).await;
    }
}
