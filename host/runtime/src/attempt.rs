//! One attempt: what goes in, what comes out, and what a trap means.

use std::time::Duration;

use waystation_core::{
    Code, Draft, Event, Failure, LogLine, Outcome, Sequence, StateAccess, Surroundings, limits,
};

use wasmtime::Trap;

use crate::sandbox::Sandbox;
use crate::trap;

/// What an attempt is given.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The event.
    pub event: &'a Event,
    /// The id of the delivery, the same over all its attempts.
    pub delivery: &'a str,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The event's position in the journal.
    pub sequence: Sequence,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// What the handler wants to publish. Empty unless it was handled.
    pub drafts: Vec<Draft>,
    /// What the handler read and wants to write of durable state. Empty if it is
    /// to be tried again.
    pub state: StateAccess,
    /// How long it took.
    pub took: Duration,
    /// What it saw, if it failed or wants to publish what may not be published.
    pub seen: Option<Box<Seen>>,
}

/// What a failed attempt saw, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What surrounded it.
    pub surroundings: Surroundings,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// The attempts that its instance had served before.
    pub served_before: u32,
}

/// Tells why a guest could not finish.
pub(crate) fn explain(error: &wasmtime::Error, sandbox: &Sandbox) -> Failure {
    let refused = sandbox.limiter().refused();
    if let Some(refused) = refused {
        return Failure::new(Code::Memory, with_stderr(refused.to_owned(), sandbox));
    }
    if error
        .downcast_ref::<wasmtime::PoolConcurrencyLimitError>()
        .is_some()
    {
        return Failure::new(Code::Busy, format!("no instance is free: {error}"));
    }
    let mut text = with_stderr(cause(error), sandbox);
    for frame in frames(error) {
        text.push_str("\n  at ");
        text.push_str(&frame);
    }
    Failure::new(Code::Trap, sandbox.scrub().reason(text))
}

/// What stopped a guest, in the words of whoever wrote it.
fn cause(error: &wasmtime::Error) -> String {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return format!("the handler ended itself with status {}", exit.0);
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap::in_words(*trap),
        None => error.root_cause().to_string(),
    }
}

/// The last words of the guest say more than the trap, so a panic comes first.
fn with_stderr(text: String, sandbox: &Sandbox) -> String {
    let said = sandbox.log().stderr_tail();
    match panic_message(&said) {
        // The trap is how a panic ends and tells no more.
        Some(panic) => panic,
        None if said.is_empty() => text,
        None => format!("{text}\n{said}"),
    }
}

/// What a Rust guest says when it panics, on one line: the place and the message.
fn panic_message(said: &str) -> Option<String> {
    let (_, panic) = said.rsplit_once("panicked at ")?;
    let mut lines = panic.lines();
    let place = lines.next()?;
    // It tells how to get a backtrace where there is a shell.
    let message: Vec<&str> = lines
        .take_while(|line| !line.starts_with("note: "))
        .collect();
    Some(
        format!("panicked at {place} {}", message.join(" "))
            .trim_end()
            .to_owned(),
    )
}

/// What the machinery of panics, of Rust's library and of the SDK is called, which
/// says nothing of the handler.
const MACHINERY: [&str; 12] = [
    "core::",
    "std::",
    "alloc::",
    "waystation_sdk::",
    "<core::",
    "<std::",
    "<alloc::",
    "<waystation_sdk::",
    "waystation:events/",
    "__rust",
    "rust_",
    "abort",
];

/// The handler's functions on the guest's stack, innermost first.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else {
        return Vec::new();
    };
    backtrace
        .frames()
        .iter()
        .filter_map(|frame| {
            let mut symbols = frame.symbols().iter();
            let symbol = symbols.find_map(|symbol| symbol.name().map(str::to_owned));
            symbol.or_else(|| frame.func_name().map(demangled))
        })
        .filter(|name| !MACHINERY.iter().any(|start| name.starts_with(start)))
        .take(limits::BACKTRACE_FRAMES_MAX)
        .collect()
}

fn demangled(name: &str) -> String {
    // The alternate form leaves out the hash.
    format!("{:#}", rustc_demangle::demangle(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_on_one_line() {
        let said = "before\n\nthread '<unnamed>' (1) panicked at src/lib.rs:15:20:\nno greeting\n\
                    for you\nnote: run with `RUST_BACKTRACE=1` environment variable";
        let told = panic_message(said);
        assert_eq!(
            told.as_deref(),
            Some("panicked at src/lib.rs:15:20: no greeting for you")
        );
        assert_eq!(panic_message("nothing of the kind"), None);
    }
}
