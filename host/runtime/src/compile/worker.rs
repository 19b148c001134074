//! The process that compiles one component: this is all that it does.

use std::fs;
use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, nice, set_parent_process_death_signal, setrlimit,
};
use waystation_core::limits;

use super::message::{Answer, FAILED, Header};
use super::{Excess, compile};
use crate::{LoadError, engine};

/// The whole life of the process that a [`Compiler`](crate::Compiler) starts:
/// compiles the component on standard input, with no more than the budget that
/// comes with it.
pub fn compile_process() -> ExitCode {
    match answer() {
        Ok(answer) => ExitCode::from(answer as u8),
        Err(error) => {
            // Without standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(FAILED)
        }
    }
}

fn answer() -> io::Result<Answer> {
    panic::set_hook(Box::new(say_why));
    let mut input = io::stdin().lock();
    let header = Header::read(&mut input)?;
    confine(&header)?;
    let bytes = header.read_component(&mut input)?;
    let engine = engine::for_compiling().map_err(io::Error::other)?;
    let (answer, output) = match compile(&engine, &bytes) {
        Ok(code) => (Answer::Code, code),
        Err(LoadError::Module(reason)) => (Answer::Module, reason.into_bytes()),
        Err(LoadError::Compile(reason)) => (Answer::Invalid, reason.into_bytes()),
        Err(LoadError::TooMuch(Excess::Memory)) => (Answer::Memory, Vec::new()),
        Err(error) => return Err(io::Error::other(error)),
    };
    let mut stdout = io::stdout().lock();
    stdout.write_all(&output)?;
    stdout.flush()?;
    Ok(answer)
}

/// Of a panic, only the reason is for whoever dropped the component.
fn say_why(panic: &panic::PanicHookInfo<'_>) {
    let why = panic.payload_as_str().unwrap_or("for no reason");
    // Without standard error there is nobody to tell.
    let _ = writeln!(io::stderr(), "{why}");
}

/// Takes from this process what a compilation does not need, before it sees the
/// component.
fn confine(header: &Header) -> io::Result<()> {
    // If the host ends meanwhile, nobody wants the code any more.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Where memory gets short, the system ends this process and not the host.
    fs::write("/proc/self/oom_score_adj", "1000")?;
    // Handlers come before it.
    nice(10)?;
    // At the first the system sends a signal of its own, and at the second it kills.
    limit(
        Resource::Cpu,
        header.processor_seconds,
        header.processor_seconds + 1,
    )?;
    for (resource, most) in [
        (Resource::Data, header.memory_bytes),
        (Resource::Stack, limits::COMPILE_STACK_BYTES),
        (Resource::Fsize, header.code_bytes),
        (Resource::Nofile, limits::COMPILE_FILES_MAX),
        (Resource::Core, 0),
    ] {
        limit(resource, most, most)?;
    }
    Ok(())
}

/// Lowers a limit of this process; what is lower already stays so.
fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let given = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Rlimit {
        current: Some(soft.min(given)),
        maximum: Some(hard.min(given)),
    };
    Ok(setrlimit(resource, limit)?)
}
