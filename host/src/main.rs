//! The `waystation` binary: composition only.
//!
//! `cli` reads what is asked for, `config` what is configured, `serve` answers
//! over HTTP in the shapes of `api`; what the host does is in the crates beside
//! this one.

mod api;
mod cli;
mod clock;
mod config;
mod handlers;
mod serve;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.code()
        }
    }
}
