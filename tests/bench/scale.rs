//! How the cost of an event depends on what else is there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use e2e::guests;
use futures_util::stream::{self, StreamExt as _};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::time::sleep;
use waystation_core::{
    Descriptor, Digest, Event, Filter, HandlerName, Instances, Order, Outcome, Settings,
    StateAccess, TypePattern,
};
use waystation_dispatch::{Completion, Invocation, Invoke};
use waystation_journal::Journal as _;
use waystation_runtime::Engine;

use crate::cpu::{Took, Whose};
use crate::events::{TYPE, event, median};
use crate::parts::{APPEND_BATCH, Backlog, Guest, Parts, folder, open};
use crate::report::{Report, Table, Target};

const ROUNDS: usize = 3;
const SUBSCRIPTIONS: [usize; 3] = [1, 100, 10_000];
/// Enough for the cursors to be stored meanwhile, as they are from time to time.
const EVENTS: u64 = 200_000;
/// After many handlers were installed, each asks for what waits for it.
const REST: Duration = Duration::from_millis(500);
const GUEST_EVENTS: u64 = 20_000;
const PAYLOAD: usize = 200;
/// The handlers that are installed side by side.
const INSTALLS: usize = 64;
/// A slow stream of events, for longer than cursors wait to be stored.
const TRICKLE: Duration = Duration::from_secs(12);
const TRICKLE_PAUSE: Duration = Duration::from_millis(10);

pub fn run() -> Report {
    let mut report = Report::new("scale");
    subscriptions(&mut report);
    tail(&mut report);
    report
}

/// Many subscriptions of which one asks for the events.
fn subscriptions(report: &mut Report) {
    let folders = SUBSCRIPTIONS.map(|_| folder());
    let mut costs = SUBSCRIPTIONS.map(|_| Vec::new());
    let mut trickles = SUBSCRIPTIONS.map(|_| f64::NAN);
    let mut next = 1;
    for round in 0..=ROUNDS {
        for (index, count) in SUBSCRIPTIONS.into_iter().enumerate() {
            let parts = Parts::start(folders[index].path(), 2);
            install(&parts, count);
            if round == 0 {
                trickles[index] = trickle(&parts, &mut next);
            } else {
                let events = events(&mut next, EVENTS);
                let span = Whose::Ours.begin();
                parts.feed(events);
                costs[index].push(span.end().cpu_us(EVENTS));
            }
            parts.stop(&handler(0));
        }
    }
    let costs = costs.map(median);
    let mut table = Table::new(
        "subscriptions, of which one asks for the event",
        &[
            "µs of CPU for each event",
            "ratio",
            "ms of CPU for each second of a trickle",
        ],
    );
    for (index, count) in SUBSCRIPTIONS.into_iter().enumerate() {
        let cells = [costs[index], costs[index] / costs[0], trickles[index]];
        table.row(count.to_string(), cells.map(Into::into));
    }
    report.tables.push(table);
    report.notes.push(
        "Each handler asks for one exact type and does nothing, so that what dispatch does is not \
         lost in what a guest costs. An event costs from its append, in batches of 256, to its \
         settlement. The trickle is one event every 10 ms for 12 seconds: what is stored of idle \
         subscriptions from time to time is in it."
            .into(),
    );
    report.targets.push(Target::at_most(
        "10,000 subscriptions : 1, for each event",
        costs[2] / costs[0],
        1.2,
        "x",
    ));
}

/// A backlog on the disk against events that come while the handler serves.
fn tail(report: &mut Report) {
    let engine = Engine::new(None).unwrap();
    let guest = Guest::load(&engine, "measured", guests::component("measured"));
    let mut next = 1;
    let backlog = Backlog::of(events(&mut next, GUEST_EVENTS));
    let (mut appended, mut behind, mut live) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        appended.push(append(&folder(), events(&mut next, GUEST_EVENTS)).cpu_us(GUEST_EVENTS));
        behind.push(handle(&guest, &backlog.copy(), Vec::new()).cpu_us(GUEST_EVENTS));
        live.push(handle(&guest, &folder(), events(&mut next, GUEST_EVENTS)).cpu_us(GUEST_EVENTS));
    }
    let [appended, behind, live] =
        [appended, behind, live].map(|all| median(all.into_iter().skip(1)));
    let mut table = Table::new(
        "a fresh guest for each event",
        &["µs of CPU for each event"],
    );
    table.row("from a backlog on the disk", [behind.into()]);
    table.row("append alone", [appended.into()]);
    table.row("append and dispatch at the live end", [live.into()]);
    table.row("live end, less append", [(live - appended).into()]);
    table.row(
        "backlog : live end, less append",
        [(behind / (live - appended)).into()],
    );
    report.tables.push(table);
    report.notes.push(
        "At the live end events are appended in batches of 256, and the handler is at most two \
         batches behind."
            .into(),
    );
}

/// So many events, none of which was there before.
fn events(next: &mut u64, count: u64) -> Vec<Event> {
    let first = *next;
    *next += count;
    (first..*next)
        .map(|number| event(number, PAYLOAD))
        .collect()
}

/// Installs so many handlers, of which the first one asks for the events.
fn install(parts: &Parts, count: usize) {
    let idle: Arc<dyn Invoke> = Arc::new(Idle);
    let installs = (0..count).map(|number| {
        let settings = settings(number);
        parts
            .dispatch
            .install(handler(number), settings, idle.clone())
    });
    let all = stream::iter(installs).buffer_unordered(INSTALLS);
    parts.block_on(async {
        all.for_each(async |installed| installed.unwrap()).await;
        sleep(REST).await;
    });
}

/// The CPU that a slow stream of events takes, in ms a second.
fn trickle(parts: &Parts, next: &mut u64) -> f64 {
    let count = (TRICKLE.as_millis() / TRICKLE_PAUSE.as_millis()) as u64;
    let events = events(next, count);
    let span = Whose::Ours.begin();
    parts.block_on(async {
        for event in events {
            parts.journal.append(vec![event]).await.unwrap();
            sleep(TRICKLE_PAUSE).await;
        }
    });
    parts.wait_for(count);
    let took = span.end();
    took.cpu.as_secs_f64() * 1e3 / took.wall.as_secs_f64()
}

fn append(folder: &TempDir, events: Vec<Event>) -> Took {
    let journal = open(folder.path());
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let span = Whose::Ours.begin();
    runtime.block_on(async {
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let batch = events.by_ref().take(APPEND_BATCH as usize).collect();
            journal.append(batch).await.unwrap();
        }
    });
    let took = span.end();
    runtime.block_on(journal.close()).unwrap();
    took
}

/// Has a guest handle what is in the journal, and the events that come.
fn handle(guest: &Guest, folder: &TempDir, events: Vec<Event>) -> Took {
    let parts = Parts::start(folder.path(), 2);
    let settings = guest.settings(Instances::Fresh);
    let generation = guest.generation(settings.clone());
    let span = Whose::Ours.begin();
    parts.install(guest.name(), settings, generation);
    if events.is_empty() {
        parts.wait_for(GUEST_EVENTS);
    } else {
        parts.feed(events);
    }
    let took = span.end();
    parts.stop(guest.name());
    took
}

fn handler(number: usize) -> HandlerName {
    HandlerName::new(&format!("handler-{number}")).unwrap()
}

fn settings(number: usize) -> Settings {
    let event_type = match number {
        0 => TYPE.to_owned(),
        other => format!("test.scale.type-{other}.v1"),
    };
    Settings::of(&Descriptor {
        description: String::new(),
        subscriptions: vec![Filter {
            types: vec![TypePattern::Exact(event_type)],
            source: None,
            subject: None,
        }],
        publishes: Vec::new(),
        capabilities: Vec::new(),
        order: Order::None,
        instances: Instances::Fresh,
    })
}

/// A handler that handles everything at once.
struct Idle;

#[async_trait]
impl Invoke for Idle {
    fn generation(&self) -> Digest {
        Digest::of(b"idle")
    }

    async fn invoke(&self, _: Invocation) -> Completion {
        Completion {
            outcome: Outcome::Ack,
            drafts: Vec::new(),
            state: StateAccess::default(),
            took: Duration::ZERO,
        }
    }
}
