//! `waystation run`: the host itself.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use tokio::runtime::{self, Builder};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;
use waystation_core::{Clock, limits};
use waystation_dispatch::{Dispatch, Options as DispatchOptions};
use waystation_folder::{Folder, Handle, Options as FolderOptions};
use waystation_journal::Journal;
use waystation_journal::embedded::{Embedded, Options as JournalOptions};
use waystation_runtime::{Cache, Engine, MemoryReset};

use crate::clock::SystemClock;
use crate::config::{Config, Given};
use crate::handlers::Handlers;
use crate::serve::admin::{self, Admin};
use crate::serve::ingest::{self, Ingest};
use crate::serve::listener::Listener;
use crate::terminal;

/// Runs the host: takes events in, stores them, and has the handlers in a folder
/// handle them.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The folder with the handlers [default: handlers]
    #[arg(long, value_name = "DIR")]
    handlers: Option<PathBuf>,
    /// The folder for the journal [default: data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where events come in; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the admin API is; port 0 takes a free one [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// The configuration file [default: waystation.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs until a signal ends it or the journal fails.
pub fn run(args: Args) -> Result<()> {
    let flags = Given {
        handlers: args.handlers,
        data: args.data,
        listen: args.listen,
        admin: args.admin,
    };
    let config = Config::load(flags, args.config.as_deref())?;
    log_to_stderr();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // Attempts have workers of their own: a handler that spins takes nothing
    // from the listeners, the timers or the journal.
    let workers = Builder::new_multi_thread()
        .worker_threads(cores)
        .thread_name("attempt")
        .enable_all()
        .build()
        .context("cannot start the workers")?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores)
        .thread_name("io")
        .enable_all()
        .build()
        .context("cannot start the host's threads")?;
    let result = runtime.block_on(host(config, workers.handle().clone()));
    // What still runs was not settled and will be delivered again.
    workers.shutdown_background();
    runtime.shutdown_background();
    result
}

/// Log lines go to standard error: warnings of the host and what handlers say,
/// or what `RUST_LOG` chooses.
fn log_to_stderr() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,handler=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

async fn host(config: Config, workers: runtime::Handle) -> Result<()> {
    let mut signals = Signals::new()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);

    let journal = {
        let options = JournalOptions {
            folder: config.data.clone(),
            clock: clock.clone(),
        };
        Arc::new(tokio::task::spawn_blocking(move || Embedded::open(options)).await??)
    };
    let engine = Engine::new(Some(Cache::open(&config.data.join("compiled"))?))?;
    if let (MemoryReset::Decommit, Some(why)) = MemoryReset::probe() {
        tracing::warn!("memory is cleaned the slower way between attempts: {why}");
    }
    let events = Listener::bind("--listen", config.listen).await?;
    let control = Listener::bind("--admin", config.admin).await?;

    let dispatch = Dispatch::start(
        journal.clone(),
        DispatchOptions {
            clock: clock.clone(),
            workers,
        },
    );
    let handlers = Arc::new(Handlers {
        engine,
        dispatch: dispatch.clone(),
    });
    let folder = Folder::start(FolderOptions::new(&config.handlers), clock, handlers).await?;

    let (ready, is_ready) = watch::channel(false);
    let (stop_events, events_stop) = watch::channel(false);
    let (stop_control, control_stop) = watch::channel(false);
    println!("Waystation {}", env!("CARGO_PKG_VERSION"));
    println!("events  http://{}/events", events.address());
    println!("admin   http://{}", control.address());
    let router = admin::router(Admin {
        journal: journal.clone(),
        dispatch: dispatch.clone(),
        folder: folder.clone(),
        ready: is_ready,
        address: control.address(),
    });
    let control = tokio::spawn(control.serve(router, control_stop));

    tokio::select! {
        _ = folder.loaded() => {}
        () = signals.next() => bail!("stopped before the handlers were loaded"),
    }
    show_handlers(&folder);
    let terminal = tokio::spawn(terminal::watch(dispatch.notices(), folder.changes()));
    let router = ingest::router(Ingest {
        journal: journal.clone(),
    });
    let events = tokio::spawn(events.serve(router, events_stop));
    ready.send_replace(true);
    println!("Ready");

    let mut failed = journal.failed();
    let failure = tokio::select! {
        () = signals.next() => None,
        failure = failed.wait_for(Option::is_some) => {
            Some(failure.ok().and_then(|failure| failure.clone()).unwrap_or_default())
        }
    };
    ready.send_replace(false);
    stop_events.send_replace(true);
    if let Some(failure) = failure {
        bail!("the journal failed and takes nothing more: {failure}");
    }
    eprintln!("stopping: waiting for the attempts that run; a second signal ends at once");
    tokio::select! {
        () = signals.next() => bail!("ended by a second signal; what ran is delivered again"),
        result = drain(events, &folder, &dispatch, journal.as_ref()) => result?,
    }
    // Until here it told that the host is not ready any more.
    stop_control.send_replace(true);
    control.await?;
    terminal.abort();
    Ok(())
}

/// Ends in order: no new events, no new handlers, no new attempts, everything
/// stored.
async fn drain(
    events: JoinHandle<()>,
    folder: &Handle,
    dispatch: &Dispatch,
    journal: &dyn Journal,
) -> Result<()> {
    events.await?;
    folder.stop().await;
    match tokio::time::timeout(limits::DRAIN_TIMEOUT, dispatch.drain()).await {
        Ok(drained) => drained?,
        Err(_) => tracing::warn!(
            "some attempts did not end within {:?}; they are made again after the next start",
            limits::DRAIN_TIMEOUT
        ),
    }
    journal.close().await?;
    Ok(())
}

fn show_handlers(folder: &Handle) {
    for status in folder.handlers() {
        if let Some(serving) = &status.serving {
            let types: Vec<String> = serving
                .settings
                .subscriptions
                .iter()
                .flat_map(|filter| filter.types.iter().map(ToString::to_string))
                .collect();
            let digest = serving.digest.short();
            println!("handler {}  {digest}  on {}", status.name, types.join(", "));
        }
        if let Some(refused) = &status.refused {
            println!(
                "handler {}  refused: {}",
                status.name,
                refused.reason.replace('\n', "; ")
            );
        }
    }
    if folder.handlers().is_empty() {
        println!("no handlers yet: drop a component into the folder");
    }
}

/// The signals that end the host.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
