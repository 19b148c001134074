//! `waystation run`: the host itself.

use std::io::{self, IsTerminal, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use clap::Args as ClapArgs;
use tokio::runtime::{self, Builder};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tracing_subscriber::EnvFilter;
use waystation_core::{Clock, limits};
use waystation_dispatch::{Dispatch, Options as DispatchOptions};
use waystation_folder::{Consent, Folder, Handle, Options as FolderOptions, State};
use waystation_journal::Journal;
use waystation_journal::embedded::{Embedded, Options as JournalOptions};
use waystation_runtime::{Cache, Compiler, Engine, MemoryReset};

use super::exit::{Exit, Failure};
use crate::capsules::Capsules;
use crate::clock::{SteadyClock, SystemClock};
use crate::config::{self, Config, Given};
use crate::handlers::{Handlers, JournalState};
use crate::retention;
use crate::serve::admin::{self, Admin};
use crate::serve::listener::Listener;
use crate::terminal::{self, say};
use crate::{doors, files};

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
    #[arg(long, value_name = "ADDR", value_parser = config::address)]
    listen: Option<SocketAddr>,
    /// Where the admin API is; port 0 takes a free one [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR", value_parser = config::address)]
    admin: Option<SocketAddr>,
    /// How long events that are done are kept, such as 7d [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = config::retention_age)]
    retention_age: Option<Duration>,
    /// How much the journal may fill of the disk, such as 10GiB [default: 64GiB]
    #[arg(long, value_name = "SIZE", value_parser = config::retention_size)]
    retention_size: Option<usize>,
    /// The configuration file [default: waystation.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The argument with which the host starts itself to compile a component.
pub const COMPILE: &str = "compile-component";

/// This program, whatever its file is called or was replaced with meanwhile.
pub const SELF: &str = "/proc/self/exe";

/// Runs what the flags and the configuration file say.
pub fn run(args: Args) -> Result<(), Failure> {
    let flags = Given {
        handlers: args.handlers,
        data: args.data,
        listen: args.listen,
        admin: args.admin,
        retention_age: args.retention_age,
        retention_size: args.retention_size,
    };
    let config = Config::load(flags, args.config.as_deref()).map_err(anyhow::Error::from)?;
    host(config, Consent::Operator, drop)
}

/// Runs a host until a signal ends it or the journal fails. Tells where its admin API
/// answers as soon as it does.
pub fn host(
    config: Config,
    consent: Consent,
    tell: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    log_to_stderr();
    let connections_max = files::connections_max();
    // Attempts have workers of their own: a handler that spins takes nothing
    // from the listeners, the timers or the journal.
    // They take new attempts in turn with those that spin, not after many turns.
    let workers = threads("attempt").global_queue_interval(2).build();
    let workers = workers.context("cannot start the workers")?;
    let io = threads("io").build().context("cannot start the threads")?;
    let result = io.block_on(async {
        let workers = workers.handle().clone();
        let started = Host::start(config, consent, connections_max, workers).await?;
        let Some((host, mut signals)) = started else {
            return Ok(());
        };
        tell(host.admin);
        let ended = host.serve(&mut signals).await;
        // It was well configured, so what ends it now is no mistake of usage.
        ended.map_err(|error| Failure::new(Exit::Negative, error))
    });
    // What still runs was not settled and will be delivered again.
    workers.shutdown_background();
    io.shutdown_background();
    result
}

fn threads(name: &str) -> Builder {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(cores).thread_name(name).enable_all();
    builder
}

/// What is logged unless `RUST_LOG` says otherwise: warnings of the host and what
/// handlers say. What happens to handlers stands on the terminal already.
const LOG_DEFAULT: &str = "warn,handler=info,waystation_folder::board=off";

/// Log lines go to standard error.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// A host that is up: its handlers are loaded, and it takes no events yet.
struct Host {
    journal: Arc<Embedded>,
    dispatch: Dispatch,
    folder: Handle,
    capsules: Capsules,
    /// Where the admin API answers.
    admin: SocketAddr,
    events: Listener,
    router: Router,
    /// Answers until the very end, so that it can tell that the host is not
    /// ready any more.
    control: JoinHandle<()>,
    stop_control: watch::Sender<bool>,
    ready: watch::Sender<bool>,
    /// Has the journal drop what is old.
    retention: JoinHandle<()>,
}

impl Host {
    /// Opens the journal, binds the ports, loads the handlers. Whatever keeps it
    /// from that is found before the first event. Nothing is started if a signal
    /// comes before that.
    async fn start(
        config: Config,
        consent: Consent,
        connections_max: usize,
        workers: runtime::Handle,
    ) -> Result<Option<(Self, Signals)>> {
        let mut signals = Signals::new()?;
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::new());
        // What may be mistaken is tried before anything is made.
        let [events, control] = bind(&config, connections_max).await?;
        Folder::<Handlers>::check(&config.handlers)?;
        let journal = {
            let options = JournalOptions {
                folder: config.data.clone(),
                clock: clock.clone(),
            };
            Arc::new(spawn_blocking(move || Embedded::open(options)).await??)
        };
        let (memory_reset, slower) = MemoryReset::probe();
        if let Some(why) = slower {
            tracing::warn!("memory is cleaned the slower way between attempts: {why}");
        }
        let cache = Cache::open(&config.data.join("compiled"))?;
        let engine = Engine::with_memory_reset(Some(cache), memory_reset)?
            .compile_with(Compiler::new(SELF, [COMPILE]))
            .with_state(Arc::new(JournalState(journal.clone())));
        let options = DispatchOptions {
            clock: clock.clone(),
            system: Arc::new(SystemClock),
            workers: workers.clone(),
        };
        let dispatch = Dispatch::start(journal.clone(), options);
        let capsules = Capsules::start(
            &config.data,
            &config.handlers,
            config.retention.age,
            clock.clone(),
        )?;
        let handlers = Handlers {
            engine,
            dispatch: dispatch.clone(),
            capsules: capsules.clone(),
            workers,
        };
        let router = doors::events(&config, events.address(), journal.clone());
        let approvals = config.data.join("approvals.json");
        let options = FolderOptions {
            consent,
            ..FolderOptions::new(&config.handlers, approvals)
        };
        let folder = Folder::start(options, clock.clone(), Arc::new(handlers)).await?;

        show_addresses(&config, events.address(), control.address());
        let admin = control.address();
        let (ready, is_ready) = watch::channel(false);
        let (stop_control, control_stop) = watch::channel(false);
        let admin_router = admin::router(Admin {
            journal: journal.clone(),
            dispatch: dispatch.clone(),
            folder: folder.clone(),
            capsules: capsules.clone(),
            ready: is_ready,
            door: doors::admin(&config, control.address()),
        });
        let control = tokio::spawn(control.serve(admin_router, control_stop));
        tokio::select! {
            // What takes longer begins to serve when it is loaded, like a handler
            // that is dropped in later.
            _ = timeout(limits::START_LOAD_TIMEOUT, folder.loaded()) => {
                show_handlers(&folder, consent);
            }
            () = signals.next() => {
                journal.close().await?;
                return Ok(None);
            }
        }
        let keeping = {
            let folder = folder.clone();
            let present = move || retention::present(&folder);
            retention::keep(journal.clone(), clock, config.retention, present)
        };
        let host = Self {
            retention: tokio::spawn(keeping),
            journal,
            dispatch,
            folder,
            capsules,
            admin,
            events,
            router,
            control,
            stop_control,
            ready,
        };
        Ok(Some((host, signals)))
    }

    /// Takes events until a signal ends it or the journal fails.
    async fn serve(self, signals: &mut Signals) -> Result<()> {
        let watch = terminal::watch(self.dispatch.notices(), self.folder.clone());
        let terminal = tokio::spawn(watch);
        let (stop_events, events_stop) = watch::channel(false);
        let events = tokio::spawn(self.events.serve(self.router, events_stop));
        self.ready.send_replace(true);
        say("Ready");

        let mut failed = self.journal.failed();
        tokio::select! {
            // A journal that failed also stops dispatch, and is the reason.
            biased;
            () = signals.next() => {}
            failed = failed.wait_for(Option::is_some) => {
                let why = failed.ok().and_then(|why| why.clone()).unwrap_or_default();
                // Who waits for an answer is told; nothing else is worth waiting for.
                stop_events.send_replace(true);
                if timeout(limits::LAST_ANSWERS_TIMEOUT, events).await.is_err() {
                    tracing::warn!("some clients were not told that the journal failed");
                }
                bail!("the journal failed and takes nothing more: {why}");
            }
            why = self.dispatch.stopped() => {
                bail!("nothing is dispatched any more: {why}");
            }
        }
        self.ready.send_replace(false);
        self.retention.abort();
        stop_events.send_replace(true);
        let stopping = "stopping: waiting for the attempts that run; a second signal ends at once";
        // Whoever closed standard error does not want to know.
        let _ = writeln!(io::stderr(), "{stopping}");
        tokio::select! {
            () = signals.next() => bail!("ended by a second signal; what ran is delivered again"),
            drained = drain(events, &self.folder, &self.dispatch, &self.journal) => drained?,
        }
        let capsules = self.capsules;
        spawn_blocking(move || capsules.flush()).await?;
        self.stop_control.send_replace(true);
        self.control.await?;
        terminal.abort();
        Ok(())
    }
}

/// Ends in order: no new events, no new handlers, no new attempts, everything
/// stored.
async fn drain(
    events: JoinHandle<()>,
    folder: &Handle,
    dispatch: &Dispatch,
    journal: &Embedded,
) -> Result<()> {
    events.await?;
    folder.stop().await;
    match timeout(limits::DRAIN_TIMEOUT, dispatch.drain()).await {
        Ok(drained) => drained?,
        Err(_) => tracing::warn!(
            "some attempts did not end within {:?}; they are made again after the next start",
            limits::DRAIN_TIMEOUT
        ),
    }
    journal.close().await?;
    Ok(())
}

/// Binds the listener for events and the one of the admin API.
async fn bind(config: &Config, connections_max: usize) -> Result<[Listener; 2]> {
    let events = Listener::bind("--listen", config.listen).await?;
    let control = Listener::bind("--admin", config.admin).await?;
    Ok([events, control].map(|listener| listener.with_connections_max(connections_max)))
}

fn show_addresses(config: &Config, events: SocketAddr, control: SocketAddr) {
    say(&format!("Waystation {}", env!("CARGO_PKG_VERSION")));
    say(&format!("events  http://{events}/events"));
    say(&format!("admin   http://{control}"));
    for webhook in &config.webhooks {
        let (name, event_type) = (&webhook.name, &webhook.event_type);
        say(&format!(
            "webhook http://{events}/webhooks/{name}  gives {event_type}"
        ));
    }
}

fn show_handlers(folder: &Handle, consent: Consent) {
    for status in folder.handlers() {
        if let Some(serving) = &status.serving {
            let types: Vec<String> = serving
                .settings
                .subscriptions
                .iter()
                .flat_map(|filter| filter.types.iter().map(ToString::to_string))
                .collect();
            let digest = serving.digest.short();
            let types = types.join(", ");
            say(&format!("handler {}  {digest}  on {types}", status.name));
        }
        if let Some(refused) = &status.refused {
            let reason = terminal::one_line(&refused.reason);
            say(&format!("handler {}  refused: {reason}", status.name));
        }
        if status.state == State::Loading {
            let name = &status.name;
            say(&format!(
                "handler {name}  is still being compiled; it serves as soon as that is done"
            ));
        }
        if let Some(quarantine) = &status.quarantined {
            let name = &status.name;
            let line = terminal::quarantine_line(name, quarantine);
            say(&format!("handler {name}  {line}"));
        }
    }
    if folder.handlers().is_empty() {
        say(match consent {
            Consent::Operator => "no handlers yet: drop a component into the folder",
            Consent::Author => "no handlers yet: the first build is under way",
        });
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
