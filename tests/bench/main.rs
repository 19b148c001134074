//! Measures the host against the floors of its parts, on loopback and within
//! bounds: `bench [PROGRAM...]`, all programs without one.
//!
//! Each program prints its tables and writes them to `target/bench/PROGRAM.json`;
//! at the end stand the targets, reached or missed. Absolute figures mean little
//! on a machine that does other things too: what counts are ratios between two
//! things that were measured in the same run.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on must end with what is wrong"
)]
#![allow(missing_docs, reason = "the names say it")]

mod bare;
mod client;
mod cpu;
mod disk;
mod dispatch;
mod end_to_end;
mod engine;
mod events;
mod floor;
mod hosts;
mod ingest;
mod journal;
mod parts;
mod peers;
mod report;
mod scale;
mod swap;
mod threads;
mod wall;

use std::process::ExitCode;
use std::time::Instant;

use report::Report;

/// A program and what it is called.
type Program = (&'static str, fn() -> Report);

/// All programs, in their order.
const PROGRAMS: &[Program] = &[
    ("floor", floor::run),
    ("dispatch", dispatch::run),
    ("ingest", ingest::run),
    ("end-to-end", end_to_end::run),
    ("swap", swap::run),
    ("scale", scale::run),
    ("hosts", hosts::run),
    ("peers", peers::run),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted == [bare::SERVE] {
        bare::serve();
        return ExitCode::SUCCESS;
    }
    let unknown = wanted
        .iter()
        .find(|name| PROGRAMS.iter().all(|(known, _)| known != name));
    if let Some(unknown) = unknown {
        let names: Vec<&str> = PROGRAMS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "there is no program `{unknown}`; there are {}",
            names.join(", ")
        );
        return ExitCode::from(2);
    }
    let folder = e2e::guests::folder().with_file_name("bench");
    let began = Instant::now();
    let mut reports = Vec::new();
    for (name, program) in PROGRAMS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        let at = Instant::now();
        let report = program();
        println!("== {name} ({:.0?})\n{}", at.elapsed(), report.text());
        report.save(&folder);
        reports.push(report);
    }
    println!("{}", report::verdicts(&reports));
    println!(
        "in {:.0?}; figures in {}",
        began.elapsed(),
        folder.display()
    );
    ExitCode::SUCCESS
}
