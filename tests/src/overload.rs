//! More is offered to a host than it can take.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::guests;
use crate::host::Site;
use crate::ledger::{Findings, Ledger, Report, Subscriber};
use crate::load::{Event, PLAIN, Script};
use crate::memory::{MIB, Samples, Watch};
use crate::publish::{Client, Reply};

/// Connections that offer batches without a pause. Together they hold out at once
/// six times the bodies that a host takes on (`HTTP_BODIES_BYTES_MAX`).
const CONNECTIONS: usize = 800;
const BATCH: u64 = 100;
const PADDING: usize = 10 * 1_024;
/// While events are offered, the handler takes no more than 200 a second.
const SCRIPT: Script = Script::Sleep { ms: 20 };
const SLOW: &str = "concurrency = 4\n";
/// Afterwards it has time to come to the end of them.
const FAST: &str = "concurrency = 256\n";
/// A slow machine must not turn a handling into a timeout.
const TIMEOUT: &str = "timeout = '30s'\n";
/// Publishers need little stack.
const STACK_BYTES: usize = 256 * 1024;
/// The memory that the host may use. By its limits it holds 128 MiB of bodies, 64
/// MiB of events that wait for the journal's writer and as many that it writes, 32
/// MiB of the newest events, 50 MiB of buffers for these connections, 24 MiB of
/// pages and 60 MiB of code and instances; half as much again is what the allocator
/// cannot use.
const MEMORY_BYTES_MAX: u64 = 640 * MIB;
/// The memory by which it may still grow in the last quarter.
const GROWTH_BYTES_MAX: u64 = 96 * MIB;

const HANDLER: Subscriber = Subscriber {
    handler: "scripted",
    types: PLAIN,
};

/// What an overload came to.
pub struct Outcome {
    pub lasted: Duration,
    /// The batches that were taken.
    pub taken: u64,
    /// The batches that were refused because the host was busy.
    pub busy: u64,
    /// Of those, the ones that said when to try again.
    pub told_when: u64,
    /// The batches that got any other answer, or none.
    pub other: u64,
    pub drained: Duration,
    /// While batches were offered.
    pub memory: Samples,
    pub report: Report,
}

impl Outcome {
    /// Some was refused and told when to come back, memory stayed flat, and
    /// nothing that was taken is lost.
    pub fn keeps_promises(&self) -> bool {
        self.taken > 0
            && self.busy > 0
            && self.told_when == self.busy
            && self.other == 0
            && self.memory.most() < MEMORY_BYTES_MAX
            && self.memory.growth() < GROWTH_BYTES_MAX
            && self.report.is_clean()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{:.0?} of {CONNECTIONS} connections that offer batches of {BATCH} events, {} KiB each: {} taken, {} \
             refused as busy, {} of them with Retry-After, {} other; memory {} MiB at most, {} MiB \
             more in the last quarter; drained after {:.0?}; {}",
            self.lasted,
            PADDING / 1_024,
            self.taken,
            self.busy,
            self.told_when,
            self.other,
            self.memory.most() / MIB,
            self.memory.growth() / MIB,
            self.drained,
            self.report
        )
    }
}

#[derive(Default)]
struct Tally {
    taken: u64,
    busy: u64,
    told_when: u64,
    other: u64,
    ledger: Ledger,
}

impl Tally {
    fn count(&mut self, reply: Reply) {
        match reply.status {
            Some(202) => self.taken += 1,
            Some(429 | 503) => {
                self.busy += 1;
                self.told_when += u64::from(reply.says_when_to_retry);
            }
            _ => self.other += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.taken += other.taken;
        self.busy += other.busy;
        self.told_when += other.told_when;
        self.other += other.other;
        self.ledger.merge(other.ledger);
    }
}

/// Overloads a host for so long, and lets it come to rest.
pub fn run(below: &Path, lasts: Duration) -> Outcome {
    let site = Site::below(below);
    site.drop_in(HANDLER.handler, &guests::component("scripted"));
    site.sidecar(HANDLER.handler, &format!("{TIMEOUT}{SLOW}"));
    let mut host = site.start();
    let watch = Watch::start(host.pid());
    let (began, url) = (Instant::now(), host.events_url().to_owned());
    let tally = offer(&url, began + lasts);
    let lasted = began.elapsed();
    let memory = watch.stop();
    site.sidecar(HANDLER.handler, &format!("{TIMEOUT}{FAST}"));
    let began = Instant::now();
    host.wait_until_settled();
    let drained = began.elapsed();
    let found = Findings::read(&host, &tally.ledger, &[HANDLER]);
    Outcome {
        lasted,
        taken: tally.taken,
        busy: tally.busy,
        told_when: tally.told_when,
        other: tally.other,
        drained,
        memory,
        report: tally.ledger.check(&[HANDLER], &found),
    }
}

fn offer(url: &str, until: Instant) -> Tally {
    let numbers = AtomicU64::new(0);
    let publish = || {
        let client = Client::new(url);
        let mut tally = Tally::default();
        while Instant::now() < until {
            let first = numbers.fetch_add(BATCH, Ordering::Relaxed);
            let batch: Vec<Event> = (first..first + BATCH)
                .map(|number| Event {
                    script: SCRIPT,
                    ..Event::plain(number, PADDING)
                })
                .collect();
            let reply = client.batch(&batch);
            for event in &batch {
                tally.ledger.note(event, reply.answer);
            }
            tally.count(reply);
        }
        tally
    };
    thread::scope(|scope| {
        let small = || thread::Builder::new().stack_size(STACK_BYTES);
        let publishers: Vec<_> = (0..CONNECTIONS)
            .map(|_| small().spawn_scoped(scope, publish).unwrap())
            .collect();
        let mut all = Tally::default();
        for publisher in publishers {
            all.merge(publisher.join().unwrap());
        }
        all
    })
}
