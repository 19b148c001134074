//! `waystation dev`: a host beside the source of its handlers.
//!
//! One thread watches the source and builds into the folder that the host
//! watches; the host swaps what was built as it does everywhere. A build that
//! fails changes nothing there, so the last good generation goes on.

mod replay;
mod shelf;
mod sources;
mod workshop;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use waystation_folder::Consent;

use super::deliveries::limit;
use super::exit::Failure;
use super::run;
use crate::config::{self, Config, Given};
use crate::terminal::say;

use replay::Replay;
use workshop::Workshop;

/// Runs a host for the handlers in a folder and builds them anew whenever their
/// source changes
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A folder that is a handler package or holds some
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// Where events come in; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", value_parser = config::address)]
    listen: Option<SocketAddr>,
    /// Where the admin API is; port 0 takes a free one [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR", value_parser = config::address)]
    admin: Option<SocketAddr>,
    /// Run the last N events that a handler asks for on each new build and on the one
    /// before, in dry run, and show what would change
    #[arg(long, value_name = "N", value_parser = limit())]
    replay: Option<u64>,
}

/// Builds, then runs a host until a signal ends it.
pub fn run(args: Args) -> Result<(), Failure> {
    let mut workshop = Workshop::open(&args.dir)?;
    let (tell, admin) = mpsc::channel();
    if let Some(last) = args.replay {
        workshop.replay(Replay::new(
            usize::try_from(last).unwrap_or(usize::MAX),
            admin,
        )?)?;
    }
    let given = Given {
        handlers: Some(workshop.handlers()),
        data: Some(workshop.data()),
        listen: args.listen,
        admin: args.admin,
        ..Given::default()
    };
    let config = Config::load(given, None).map_err(anyhow::Error::from)?;
    for line in workshop.greeting(args.listen) {
        say(&line);
    }
    // It ends with the process: what it does is safe to stop at any point.
    thread::Builder::new()
        .name("build".into())
        .spawn(move || workshop.keep_built())
        .context("cannot start the thread that builds")?;
    run::host(config, Consent::Author, |admin| {
        // Nobody listens where nothing is compared.
        let _ = tell.send(admin);
    })
}
