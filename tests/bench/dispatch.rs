//! What one event costs from the journal to its settlement.

use std::sync::Arc;
use std::time::Duration;

use e2e::guests;
use tokio::runtime::Builder;
use waystation_core::{Clock as _, Digest, Instances, Sequence, Start, StateAccess, limits};
use waystation_journal::{Disposition, Entry, Journal, Settlement, SubscriptionId};
use waystation_runtime::Engine;

use crate::cpu::{Took, Whose};
use crate::engine::{Bare, Call};
use crate::events::{event, median, size};
use crate::floor;
use crate::parts::{Backlog, Guest, Parts, WallClock, open};
use crate::report::{Report, Table, Target};
use crate::threads;

const ROUNDS: usize = 5;
const EVENTS: u64 = 20_000;
const PAYLOADS: [usize; 2] = [200, 1024];
/// What the pump settles together at most, and what it gets from one handler of
/// the default concurrency.
const BATCHES: [usize; 2] = [256, limits::CONCURRENCY as usize];

/// What is measured with one payload.
struct Rig {
    bare: Bare,
    guest: Guest,
    backlog: Backlog,
    payload: usize,
}

/// One way to handle all events: on which instances, on how many threads.
type Way = (Instances, usize);

const WAYS: [Way; 4] = [
    (Instances::Fresh, 1),
    (Instances::Fresh, 2),
    (Instances::Reused, 1),
    (Instances::Reused, 2),
];

/// What one way takes, the middle of all rounds; times are µs of CPU for an event.
struct Found {
    floor: f64,
    floor_cores: f64,
    dispatch: f64,
    cores: f64,
    /// Events for each commit of the journal.
    group: f64,
    /// Events a second.
    rate: f64,
    /// The processor time of the threads of each name.
    threads: [f64; THREADS.len()],
}

/// The threads of the host: those that run handlers, those of the pump, and the
/// one that writes the journal.
const THREADS: [&str; 3] = ["attempt", "io", "journal-writer"];

/// One run of dispatch.
struct Run {
    took: Took,
    /// The commits of the journal.
    commits: u64,
    threads: [Duration; THREADS.len()],
}

/// What the journal takes alone, in µs of CPU for an event.
struct Store {
    read: f64,
    /// In batches of each size.
    settle: [f64; 2],
}

pub fn run() -> Report {
    let engine = Engine::new(None).unwrap();
    let component = guests::component("measured");
    let mut report = Report::new("dispatch");
    for payload in PAYLOADS {
        let rig = Rig {
            bare: Bare::new(&engine, &component),
            guest: Guest::load(&engine, "measured", component.clone()),
            backlog: Backlog::of((1..=EVENTS).map(|n| event(n, payload)).collect()),
            payload,
        };
        rig.report(&mut report);
    }
    report.notes.extend([
        "CPU of the whole process, from the installation of a handler to the settlement of its \
         last event, all of which lie on the disk; the journal is opened anew each time. Dispatch, \
         journal, generation and runtimes are composed as `waystation run` does it. The floor is \
         the cheaper way to call the guest in `floor`, on as many threads; targets are on two."
            .into(),
        "Read: all events, in the steps of a backlog. Settle: the same settlements without \
         dispatch, one batch after another, in batches of two sizes; from those follows what the \
         groups cost that dispatch's settlements were committed in. Rest: what is left. By thread: \
         the same CPU in another division; `io` has the pump, and reads."
            .into(),
    ]);
    report
}

impl Rig {
    fn report(&self, report: &mut Report) {
        let (store, ways) = self.rounds();
        let mut table = Table::new(
            &format!("{}, µs of CPU for each event", size(self.payload)),
            &["fresh, 1 thread", "fresh, 2", "reused, 1", "reused, 2"],
        );
        let mut row = |name: &str, figure: &dyn Fn(&Found) -> f64| {
            table.row(name, ways.iter().map(|found| figure(found).into()));
        };
        row("floor", &|found| found.floor);
        row("dispatch", &|found| found.dispatch);
        row("  of it: floor", &|found| found.floor);
        row("  journal: read", &|_| store.read);
        row("  journal: settle, in its groups", &|found| {
            store.in_groups(found.group)
        });
        row("  rest", &|found| {
            found.excess() - store.read - store.in_groups(found.group)
        });
        for (index, name) in THREADS.into_iter().enumerate() {
            row(&format!("  by thread: {name}"), &|found| {
                found.threads[index]
            });
        }
        row("dispatch : floor", &Found::ratio);
        row("dispatch - floor", &Found::excess);
        row("events a commit", &|found| found.group);
        row("events a second", &|found| found.rate);
        row("cores, floor", &|found| found.floor_cores);
        row("cores, dispatch", &|found| found.cores);
        for (batch, cost) in BATCHES.into_iter().zip(store.settle) {
            let name = format!("journal alone, settle in batches of {batch}");
            row(&name, &|_| cost);
        }
        report.tables.push(table);
        let [fresh_one, fresh, _, reused] = &ways;
        let of = |what: &str| format!("{what}, {}", size(self.payload));
        let threads = fresh.dispatch / fresh_one.dispatch;
        report.targets.extend([
            Target::at_most(&of("dispatch : floor, fresh"), fresh.ratio(), 1.4, "x"),
            Target::at_most(&of("dispatch - floor, reused"), reused.excess(), 8.0, "µs"),
            Target::at_most(&of("two threads : one, fresh"), threads, 1.15, "x"),
        ]);
        report.notes.push(format!(
            "{}: two threads against one, fresh: the floor {:.2} x, dispatch {threads:.2} x",
            size(self.payload),
            fresh.floor / fresh_one.floor
        ));
    }

    fn rounds(&self) -> (Store, [Found; 4]) {
        let calls = WAYS.map(|(instances, _)| self.cheaper(instances));
        let mut floors = WAYS.map(|_| Vec::new());
        let mut runs = WAYS.map(|_| Vec::new());
        let mut reads = Vec::new();
        let mut settles = BATCHES.map(|_| Vec::new());
        self.dispatched((Instances::Fresh, 2));
        for _ in 0..ROUNDS {
            for (index, way) in WAYS.into_iter().enumerate() {
                floors[index].push(self.floor(calls[index], way));
                runs[index].push(self.dispatched(way));
            }
            for (index, batch) in BATCHES.into_iter().enumerate() {
                let [read, settle] = self.stored(batch);
                reads.push(read.cpu_us(EVENTS));
                settles[index].push(settle.cpu_us(EVENTS));
            }
        }
        let found = std::array::from_fn(|index| {
            let (instances, threads) = WAYS[index];
            let floors = &floors[index];
            let count = threads as u64 * floor::count(instances, self.payload);
            let runs = &runs[index];
            Found {
                floor: median(floors.iter().map(|took| took.cpu_us(count))),
                floor_cores: median(floors.iter().map(Took::cores)),
                dispatch: median(runs.iter().map(|run| run.took.cpu_us(EVENTS))),
                cores: median(runs.iter().map(|run| run.took.cores())),
                group: median(runs.iter().map(|run| EVENTS as f64 / run.commits as f64)),
                rate: median(runs.iter().map(|run| run.took.per_second(EVENTS))),
                threads: std::array::from_fn(|thread| {
                    let times = runs.iter().map(|run| run.threads[thread]);
                    median(times.map(|time| time.as_secs_f64() * 1e6 / EVENTS as f64))
                }),
            }
        });
        let store = Store {
            read: median(reads),
            settle: settles.map(median),
        };
        (store, found)
    }

    /// The cheaper way to call the bare guest.
    fn cheaper(&self, instances: Instances) -> Call {
        let cost = |call| median((0..3).map(|_| self.floor(call, (instances, 1)).cpu_us(1)));
        if cost(Call::Plain) <= cost(Call::Fiber) {
            Call::Plain
        } else {
            Call::Fiber
        }
    }

    fn floor(&self, call: Call, (instances, threads): Way) -> Took {
        let each = floor::count(instances, self.payload);
        let event = event(1, self.payload);
        self.bare
            .measure(call, instances, &event, threads as u64, each)
    }

    /// Has the whole backlog handled.
    fn dispatched(&self, (instances, workers): Way) -> Run {
        let folder = self.backlog.copy();
        let parts = Parts::start(folder.path(), workers);
        let settings = self.guest.settings(instances);
        let generation = self.guest.generation(settings.clone());
        let (commits, before) = (parts.journal.commits(), threads::cpu());
        let span = Whose::Ours.begin();
        parts.install(self.guest.name(), settings, generation);
        parts.wait_for(EVENTS);
        let took = span.end();
        let after = threads::cpu();
        let commits = parts.journal.commits() - commits;
        parts.stop(self.guest.name());
        Run {
            took,
            commits,
            threads: THREADS.map(|name| {
                after[name].saturating_sub(before.get(name).copied().unwrap_or_default())
            }),
        }
    }

    /// Reads the whole backlog and settles it without dispatch.
    fn stored(&self, batch: usize) -> [Took; 2] {
        let folder = self.backlog.copy();
        let journal = open(folder.path());
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let name = self.guest.name();
            let position = journal.subscribe(name, Start::Earliest).await.unwrap();
            let span = Whose::Ours.begin();
            let entries = read(&*journal).await;
            let reading = span.end();
            assert_eq!(entries.len() as u64, EVENTS);
            let settlements: Vec<Settlement> = entries
                .iter()
                .map(|entry| settlement(position.subscription, entry))
                .collect();
            let span = Whose::Ours.begin();
            for batch in settlements.chunks(batch) {
                journal.settle(batch.to_vec()).await.unwrap();
            }
            let settling = span.end();
            journal.close().await.unwrap();
            [reading, settling]
        })
    }
}

impl Found {
    fn ratio(&self) -> f64 {
        self.dispatch / self.floor
    }

    fn excess(&self) -> f64 {
        self.dispatch - self.floor
    }
}

impl Store {
    /// To settle in groups of another size: a commit costs the same whatever is in
    /// it, and each settlement besides.
    fn in_groups(&self, group: f64) -> f64 {
        let [large, small] = BATCHES.map(|batch| 1.0 / batch as f64);
        let commit = (self.settle[1] - self.settle[0]) / (small - large);
        self.settle[0] + commit * (1.0 / group - large)
    }
}

async fn read(journal: &dyn Journal) -> Vec<Arc<Entry>> {
    let mut entries: Vec<Arc<Entry>> = Vec::new();
    loop {
        let after = entries.last().map_or(Sequence(0), |entry| entry.sequence);
        let (most, bytes) = (limits::READ_EVENTS, limits::READ_BYTES);
        let more = journal.read(after, most, bytes).await.unwrap();
        if more.is_empty() {
            return entries;
        }
        entries.extend(more);
    }
}

fn settlement(subscription: SubscriptionId, entry: &Entry) -> Settlement {
    Settlement {
        subscription,
        sequence: entry.sequence,
        attempt: 1,
        forgiven: 0,
        generation: Digest::of(b"measured"),
        started: WallClock.now(),
        took: Duration::from_micros(50),
        disposition: Disposition::Done,
        publish: Vec::new(),
        state: StateAccess::default(),
    }
}
