//! Many events come while their handler is away; the host is killed, started
//! again, and its handler comes back.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::guests;
use crate::host::{Host, Site};
use crate::ledger::{Findings, Ledger, Report, Subscriber};
use crate::load::{Event, PLAIN};
use crate::memory::{MIB, Watch, of};
use crate::publish::{Answer, Client};

/// With a backlog the host must take events again within this time.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// The bytes by which ten times the backlog may take more.
const GROWTH_BYTES_MAX: u64 = 64 * MIB;

const BATCH: u64 = 1_000;
/// Enough that a host that kept the events in memory would show it.
const PADDING: usize = 1_000;
const PUBLISHERS: usize = 4;
const HANDLER: Subscriber = Subscriber {
    handler: "scripted",
    types: PLAIN,
};

/// What a backlog came to.
pub struct Outcome {
    pub events: u64,
    /// How long the events took to come in.
    pub published: Duration,
    pub ready: Duration,
    /// In bytes, right after the start.
    pub memory_ready: u64,
    /// How long the handler took for all of them.
    pub drained: Duration,
    /// In bytes, while the handler was at them.
    pub memory_most: u64,
    pub report: Report,
}

impl Outcome {
    pub fn keeps_promises(&self) -> bool {
        self.ready < READY_WITHIN && self.report.is_clean()
    }

    /// Whether it took no more memory than a smaller backlog, but for what the
    /// host keeps of the newest events and of its file.
    pub fn grew_little_since(&self, smaller: &Self) -> bool {
        let grew = |now: u64, before: u64| now.saturating_sub(before) > GROWTH_BYTES_MAX;
        !grew(self.memory_ready, smaller.memory_ready)
            && !grew(self.memory_most, smaller.memory_most)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{} events: in after {:.1?}; ready after a restart {:.1?}, with {} MiB; drained after \
             {:.1?}, with {} MiB at most; {}",
            self.events,
            self.published,
            self.ready,
            self.memory_ready / MIB,
            self.drained,
            self.memory_most / MIB,
            self.report
        )
    }
}

/// Lets so many events pile up and be worked off.
pub fn run(below: &Path, events: u64) -> Outcome {
    let site = Site::below(below);
    site.drop_in(HANDLER.handler, &guests::component("scripted"));
    // A slow machine must not turn a handling into a timeout.
    site.sidecar(HANDLER.handler, "timeout = '30s'\nconcurrency = 64\n");
    let mut host = site.start();
    take_away(&site, &mut host);
    let began = Instant::now();
    let ledger = publish(host.events_url(), events);
    let published = began.elapsed();
    host.kill();

    site.drop_in(HANDLER.handler, &guests::component("scripted"));
    let mut host = site.spawn();
    let ready = host.wait_until_ready();
    let memory_ready = of(host.pid()).unwrap();
    let (watch, began) = (Watch::start(host.pid()), Instant::now());
    host.wait_until_settled();
    let drained = began.elapsed();
    let memory_most = watch.stop().most();
    let found = Findings::read(&host, &ledger, &[HANDLER]);
    Outcome {
        events,
        published,
        ready,
        memory_ready,
        drained,
        memory_most,
        report: ledger.check(&[HANDLER], &found),
    }
}

/// Takes the handler out of the folder; its subscription stays.
fn take_away(site: &Site, host: &mut Host) {
    let file = format!("{}.wasm", HANDLER.handler);
    fs::remove_file(site.handlers().join(file)).unwrap();
    host.wait_until("the handler is retired", |host| {
        (host.handler(HANDLER.handler)["state"] == "retired").then_some(())
    });
}

/// Publishes events with the numbers from 0, every one acknowledged.
fn publish(url: &str, events: u64) -> Ledger {
    let next = AtomicU64::new(0);
    let publish = || {
        let client = Client::new(url);
        let mut ledger = Ledger::default();
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            let numbers = first..events.min(first + BATCH);
            if numbers.is_empty() {
                return ledger;
            }
            let batch: Vec<Event> = numbers
                .map(|number| Event::plain(number, PADDING))
                .collect();
            let reply = client.batch(&batch);
            assert_eq!(reply.answer, Answer::Acknowledged, "{reply:?}");
            for event in &batch {
                ledger.note(event, reply.answer);
            }
        }
    };
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS).map(|_| scope.spawn(publish)).collect();
        let mut all = Ledger::default();
        for publisher in publishers {
            all.merge(publisher.join().unwrap());
        }
        all
    })
}
