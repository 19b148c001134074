//! The parts of the host put together in this process as `waystation run` puts
//! them together, without listeners, folder and terminal.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep};
use waystation_core::{
    Clock, Descriptor, Digest, Event, HandlerName, Instances, Settings, Start, Timestamp,
};
use waystation_dispatch::{Completion, Dispatch, Invocation, Invoke, Notice, Options};
use waystation_journal::Journal;
use waystation_journal::embedded::{Embedded, Options as JournalOptions};
use waystation_runtime::{Component, Engine, Generation, Request};

/// The events that are appended in one transaction.
pub const APPEND_BATCH: u64 = 256;
/// What takes longer than this will not end.
const PATIENCE: Duration = Duration::from_secs(120);

/// The host's parts, running.
pub struct Parts {
    io: Runtime,
    /// Held for its threads.
    _workers: Runtime,
    pub journal: Arc<Embedded>,
    pub dispatch: Dispatch,
    seen: Arc<Seen>,
}

/// What was seen of dispatch's notices.
#[derive(Default)]
struct Seen {
    settled: AtomicU64,
    missed: AtomicBool,
}

impl Parts {
    /// Starts on a data folder, with so many threads for attempts.
    pub fn start(folder: &Path, workers: usize) -> Self {
        // As `waystation run` builds them.
        let io = threads("io", 2).build().unwrap();
        let workers = threads("attempt", workers)
            .global_queue_interval(2)
            .build()
            .unwrap();
        let journal = open(folder);
        let options = Options {
            clock: Arc::new(WallClock),
            system: Arc::new(WallClock),
            workers: workers.handle().clone(),
        };
        let dispatch = {
            let _inside = io.enter();
            Dispatch::start(journal.clone(), options)
        };
        let seen = Arc::new(Seen::default());
        io.spawn(watch(dispatch.notices(), seen.clone()));
        Self {
            io,
            _workers: workers,
            journal,
            dispatch,
            seen,
        }
    }

    pub fn install(&self, name: &HandlerName, settings: Settings, invoke: Arc<dyn Invoke>) {
        let installed = self.dispatch.install(name.clone(), settings, invoke);
        self.io.block_on(installed).unwrap();
    }

    /// Runs what `future` does where the pump runs.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.io.block_on(future)
    }

    /// Appends events while handlers serve, but lets them fall no further behind
    /// than two batches: they stay at the live end.
    pub fn feed(&self, events: Vec<Event>) {
        let before = self.seen.settled.load(Ordering::Relaxed);
        let mut fed = 0;
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let batch: Vec<Event> = events.by_ref().take(APPEND_BATCH as usize).collect();
            fed += batch.len() as u64;
            self.block_on(self.journal.append(batch)).unwrap();
            self.wait_for(before + fed.saturating_sub(2 * APPEND_BATCH));
        }
        self.wait_for(before + fed);
    }

    /// Waits until so many deliveries were settled since the start.
    pub fn wait_for(&self, count: u64) {
        let began = Instant::now();
        self.block_on(async {
            while self.seen.settled.load(Ordering::Relaxed) < count {
                let all =
                    self.seen.missed.load(Ordering::Relaxed) && self.nothing_is_behind().await;
                if all {
                    return;
                }
                assert!(began.elapsed() < PATIENCE, "not settled in {PATIENCE:?}");
                sleep(Duration::from_millis(2)).await;
            }
        });
    }

    async fn nothing_is_behind(&self) -> bool {
        // To ask costs something where there are many subscriptions.
        sleep(Duration::from_millis(50)).await;
        let view = self.dispatch.view().await.unwrap();
        view.iter().all(|one| one.behind == 0 && one.running == 0)
    }

    /// Stops everything, and makes sure that this handler has handled all events.
    pub fn stop(self, handler: &HandlerName) {
        self.block_on(async {
            self.dispatch.drain().await.unwrap();
            let head = *self.journal.head().borrow();
            let all = self.journal.subscriptions().await.unwrap();
            let own = all.iter().find(|one| one.handler == *handler).unwrap();
            assert_eq!((own.cursor, own.waiting, own.dead), (head, 0, 0));
            self.journal.close().await.unwrap();
        });
    }
}

fn threads(name: &str, count: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).thread_name(name).enable_all();
    builder
}

/// Opens the journal in a data folder.
pub fn open(folder: &Path) -> Arc<Embedded> {
    let options = JournalOptions {
        folder: folder.to_owned(),
        clock: Arc::new(WallClock),
    };
    Arc::new(Embedded::open(options).unwrap())
}

/// Reads the notices, as the terminal does.
async fn watch(mut notices: Receiver<Notice>, seen: Arc<Seen>) {
    loop {
        match notices.recv().await {
            Ok(Notice::Settled(_)) => {
                seen.settled.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Notice::Arrived { .. }) => {}
            Err(RecvError::Lagged(_)) => seen.missed.store(true, Ordering::Relaxed),
            Err(RecvError::Closed) => return,
        }
    }
}

/// A component that was loaded and can be put into service.
pub struct Guest {
    engine: Engine,
    name: HandlerName,
    component: Component,
    descriptor: Descriptor,
}

impl Guest {
    pub fn load(engine: &Engine, name: &str, bytes: Vec<u8>) -> Self {
        let name = HandlerName::new(name).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let loading = Component::load(engine, &name, bytes.into());
        let (component, descriptor) = runtime.block_on(loading).unwrap();
        Self {
            engine: engine.clone(),
            name,
            component,
            descriptor,
        }
    }

    pub fn name(&self) -> &HandlerName {
        &self.name
    }

    /// The settings without a sidecar, but from the first event on.
    pub fn settings(&self, instances: Instances) -> Settings {
        Settings {
            start: Start::Earliest,
            instances,
            ..Settings::of(&self.descriptor)
        }
    }

    pub fn generation(&self, settings: Settings) -> Arc<dyn Invoke> {
        Arc::new(Sandboxed(Generation::new(
            &self.engine,
            self.name.clone(),
            self.component.clone(),
            settings,
        )))
    }
}

/// A generation as dispatch sees it, as `waystation run` has it.
struct Sandboxed(Generation);

#[async_trait]
impl Invoke for Sandboxed {
    fn generation(&self) -> Digest {
        self.0.digest()
    }

    async fn invoke(&self, invocation: Invocation) -> Completion {
        let delivery = invocation.delivery.to_string();
        let request = Request {
            event: &invocation.entry.event,
            delivery: &delivery,
            attempt: invocation.attempt,
            sequence: invocation.entry.sequence,
        };
        let ended = self.0.attempt(request).await;
        Completion {
            outcome: ended.outcome,
            drafts: ended.drafts,
            state: ended.state,
            took: ended.took,
        }
    }
}

/// The system's clock.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since_1970 = Duration::try_from(clock_gettime(ClockId::Realtime)).unwrap();
        Timestamp::from_millis(0).after(since_1970)
    }
}

/// A folder for a journal, on a disk that is one.
pub fn folder() -> TempDir {
    let scratch = e2e::guests::scratch();
    std::fs::create_dir_all(&scratch).unwrap();
    tempfile::tempdir_in(scratch).unwrap()
}

/// A journal with events in it that nobody has read, of which each measurement
/// gets a copy.
pub struct Backlog(TempDir);

impl Backlog {
    pub fn of(events: Vec<Event>) -> Self {
        let folder = folder();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let journal = open(folder.path());
            for batch in events.chunks(APPEND_BATCH as usize) {
                journal.append(batch.to_vec()).await.unwrap();
            }
            journal.close().await.unwrap();
        });
        Self(folder)
    }

    pub fn copy(&self) -> TempDir {
        let copy = folder();
        for file in std::fs::read_dir(self.0.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        copy
    }
}
