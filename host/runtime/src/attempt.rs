//! One attempt: what goes in, what comes out, and what a trap means.

use std::time::Duration;

use waystation_core::{Code, Draft, Event, Failure, Outcome, Sequence, limits};

use crate::sandbox::Sandbox;

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
    /// How long it took.
    pub took: Duration,
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
        return Failure::new(Code::Host, format!("no instance is free: {error}"));
    }
    let mut text = error.root_cause().to_string();
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        text = format!("the handler ended itself with status {}", exit.0);
    }
    let mut text = with_stderr(text, sandbox);
    for frame in frames(error) {
        text.push_str("\n  at ");
        text.push_str(&frame);
    }
    Failure::new(Code::Trap, text)
}

/// The last words of the guest say more than the trap.
fn with_stderr(text: String, sandbox: &Sandbox) -> String {
    let said = sandbox.log().stderr_tail();
    if said.is_empty() {
        text
    } else {
        format!("{text}: {said}")
    }
}

/// The functions on the guest's stack, innermost first.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else {
        return Vec::new();
    };
    backtrace
        .frames()
        .iter()
        .take(limits::BACKTRACE_FRAMES_MAX)
        .filter_map(|frame| {
            let symbol = frame
                .symbols()
                .iter()
                .find_map(|symbol| symbol.name().map(str::to_owned));
            let raw = || frame.func_name().map(demangled);
            symbol.or_else(raw)
        })
        .collect()
}

fn demangled(name: &str) -> String {
    // The alternate form leaves out the hash.
    format!("{:#}", rustc_demangle::demangle(name))
}
