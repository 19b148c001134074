//! `waystation check`: what a component is, and what a host would make of it.

mod grants;
mod imports;
mod report;
mod text;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use bytes::Bytes;
use waystation_core::{Descriptor, Digest, Filter, HandlerName, TypePattern, limits};
use waystation_folder::{FirstSight, Sidecar};
use waystation_runtime::{Component, Engine, LoadError, Surface};

use super::exit::{Exit, Failure};
use super::offline;
use super::output::Output;
use report::{Beside, Report, Says, Verdict};

/// Show what a component needs and does, and whether a host would take it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The components, as they lie in a handlers folder
    #[arg(value_name = "FILE.wasm", required = true)]
    files: Vec<PathBuf>,
    /// The form of the answer
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    output: Output,
}

/// Prints a report on each file. The answer is no if a host would refuse one.
pub fn run(args: &Args) -> Result<(), Failure> {
    let engine = offline::engine()?;
    let runtime = offline::runtime()?;
    let mut reports = Vec::new();
    for file in &args.files {
        reports.push(runtime.block_on(check(&engine, file))?);
    }
    args.output.print(&reports, |reports| {
        let texts: Vec<String> = reports.iter().map(text::of).collect();
        texts.join("\n")
    })?;
    let refused = reports.iter().filter(|it| it.verdict == Verdict::Refused);
    let refused: Vec<String> = refused
        .map(|report| format!("`{}`", report.file.display()))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    let error = anyhow!("a host would refuse {}", refused.join(", "));
    Err(Failure::new(Exit::Negative, error))
}

/// What there is to know of one file.
async fn check(engine: &Engine, file: &Path) -> Result<Report, Failure> {
    let bytes = offline::component(file)?;
    let beside = Some(file.with_extension("toml")).filter(|path| path.is_file());
    let sidecar = beside.as_deref().map(offline::sidecar).transpose()?;
    let stem = file.file_stem().unwrap_or_default();
    let handler = stem.to_string_lossy().into_owned();
    let mut report = Report {
        file: file.to_owned(),
        bytes: bytes.len() as u64,
        generation: Digest::of(&bytes),
        verdict: Verdict::Taken,
        reason: None,
        imports: Vec::new(),
        exports: Vec::new(),
        descriptor: None,
        sidecar: None,
        open: Vec::new(),
        withheld: Vec::new(),
        hints: Vec::new(),
        handler,
    };
    if let Err(reason) = inspect(engine, &mut report, bytes, sidecar.as_deref()).await {
        report.verdict = Verdict::Refused;
        report.reason = Some(reason);
    }
    Ok(report)
}

/// Completes a report, or says why a host would refuse the file.
async fn inspect(
    engine: &Engine,
    report: &mut Report,
    bytes: Bytes,
    sidecar: Option<&str>,
) -> Result<(), String> {
    let reason = |error: LoadError| error.to_string();
    if report.bytes > limits::COMPONENT_BYTES_MAX {
        return Err(reason(LoadError::TooLarge { bytes: bytes.len() }));
    }
    let surface = Surface::of(&bytes).map_err(reason)?;
    report.imports = imports::grouped(&surface.imports);
    report.exports = surface.exports;
    let name = HandlerName::new(&report.handler).map_err(|error| error.to_string())?;
    let loaded = Component::load(engine, &name, bytes).await;
    let (_, descriptor) = loaded.map_err(reason)?;
    report.hints = oddities(&descriptor);
    report.descriptor = Some(Says::of(&descriptor, Vec::new()));

    let beside = report.file.with_extension("toml");
    let in_sidecar = |error: &dyn std::fmt::Display| match sidecar {
        Some(_) => format!("in {}:\n{error}", beside.display()),
        None => error.to_string(),
    };
    let parsed = Sidecar::parse(sidecar.unwrap_or_default()).map_err(|error| in_sidecar(&error))?;
    let seen = FirstSight::of(&descriptor, &parsed).map_err(|error| in_sidecar(&error))?;
    report.sidecar = sidecar.map(|_| Beside {
        changes: report::changes(&descriptor, &seen),
        file: beside,
    });
    report.descriptor = Some(Says::of(&descriptor, seen.asks));
    report.open = seen.open;
    // What is still to be granted is not yet gone without.
    let open = &report.open;
    let withheld = seen.withheld.into_iter().filter(|ask| !open.contains(ask));
    report.withheld = withheld.collect();
    if !report.open.is_empty() {
        report.verdict = Verdict::Quarantined;
    }
    Ok(())
}

/// What looks like a mistake in the types of a handler.
fn oddities(descriptor: &Descriptor) -> Vec<String> {
    let subscribed = descriptor.subscriptions.iter();
    let subscribed = subscribed.flat_map(|Filter { types, .. }| types);
    let types = subscribed.chain(&descriptor.publishes);
    types.filter_map(TypePattern::oddity).collect()
}
