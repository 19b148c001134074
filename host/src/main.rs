//! The `waystation` binary: composition only.
//!
//! `cli` reads what is asked for, `config` what is configured, `serve` answers
//! over HTTP in the shapes of `api`; what the host does is in the crates beside
//! this one.

mod api;
mod capsules;
mod cli;
mod clock;
mod config;
mod doors;
mod files;
mod handlers;
mod retention;
mod serve;
mod terminal;
mod token;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // The host starts itself with this; it is no verb for people.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|verb| verb == cli::COMPILE)
    {
        return waystation_runtime::compile_process();
    }
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.code()
        }
    }
}
