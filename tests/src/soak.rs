//! A host is killed at random moments under load, and started again.

use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use fastrand::Rng;

use crate::guests;
use crate::host::{Host, Site};
use crate::ledger::{Findings, Ledger, Report, Subscriber};
use crate::load::{ATTEMPTS, ORDERS};
use crate::publish::publish_at_random;

/// After a kill the host must take events again within this time.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Publishers that offer events side by side.
const PUBLISHERS: usize = 3;
/// How long a round may last before the kill, in milliseconds. One in a few lasts
/// longer, so that what the host stores each second takes part.
const LOAD_MS: u64 = 500;
const LONG_LOAD_MS: u64 = 2_000;
/// The same for a round that is killed while it starts.
const START_MS: u64 = 400;

/// The handlers of a soak: one takes everything, side by side; the other takes
/// some in order, on reused instances.
pub const SUBSCRIBERS: [Subscriber; 2] = [
    Subscriber {
        handler: "everything",
        types: "test.scripted.",
    },
    Subscriber {
        handler: "orders",
        types: ORDERS,
    },
];

/// Gives a site the handlers of a soak.
pub fn furnish(site: &Site) {
    let retry = format!("[retry]\nattempts = {ATTEMPTS}\nfirst = '10ms'\nmax = '50ms'\n");
    // A slow machine must not turn a handling into a timeout.
    let timeout = "timeout = '30s'\n";
    for subscriber in SUBSCRIBERS {
        site.drop_in(subscriber.handler, &guests::component("scripted"));
    }
    let many = "concurrency = 64\n";
    site.sidecar("everything", &format!("{many}{timeout}{retry}"));
    let orders = format!("subscriptions = [{{ types = ['{ORDERS}'] }}]\n");
    let order = "order = 'key'\ninstances = 'reused'\n";
    site.sidecar("orders", &format!("{orders}{order}{timeout}{retry}"));
}

/// What a soak came to.
pub struct Outcome {
    pub rounds: u32,
    /// The rounds that were killed before the host was ready.
    pub killed_early: u32,
    pub slowest_start: Duration,
    pub report: Report,
}

impl Outcome {
    pub fn keeps_promises(&self) -> bool {
        self.slowest_start < READY_WITHIN && self.report.is_clean()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{} rounds, {} of them killed while they started; ready again after {:?} at most; {}",
            self.rounds, self.killed_early, self.slowest_start, self.report
        )
    }
}

struct Soak {
    site: Site,
    random: Rng,
    numbers: AtomicU64,
    ledger: Ledger,
    killed_early: u32,
    slowest_start: Duration,
}

/// Kills a host so many times, and compares what it promised with what is there.
/// `show` is told of each round.
pub fn run(below: &Path, rounds: u32, seed: u64, show: impl Fn(u32)) -> Outcome {
    let mut soak = Soak {
        site: Site::below(below),
        random: Rng::with_seed(seed),
        numbers: AtomicU64::new(0),
        ledger: Ledger::default(),
        killed_early: 0,
        slowest_start: Duration::ZERO,
    };
    furnish(&soak.site);
    for round in 1..=rounds {
        soak.round();
        show(round);
    }
    let mut host = soak.start();
    host.wait_until_settled();
    let found = Findings::read(&host, &soak.ledger, &SUBSCRIBERS);
    Outcome {
        rounds,
        killed_early: soak.killed_early,
        slowest_start: soak.slowest_start,
        report: soak.ledger.check(&SUBSCRIBERS, &found),
    }
}

impl Soak {
    fn round(&mut self) {
        if self.random.u8(..4) == 0 {
            let host = self.site.spawn();
            pause(self.random.u64(..START_MS));
            host.kill();
            self.killed_early += 1;
            return;
        }
        let host = self.start();
        let is_long = self.random.u8(..6) == 0;
        let end = self
            .random
            .u64(..if is_long { LONG_LOAD_MS } else { LOAD_MS });
        let url = host.events_url().to_owned();
        let random = &mut self.random;
        let ledger = publish_at_random(&url, PUBLISHERS, &self.numbers, random, || {
            pause(end);
            host.kill();
        });
        self.ledger.merge(ledger);
    }

    fn start(&mut self) -> Host {
        let mut host = self.site.spawn();
        let took = host.wait_until_ready();
        self.slowest_start = self.slowest_start.max(took);
        host
    }
}

/// Lets a moment pass that chance chose.
fn pause(ms: u64) {
    let (_keep, never) = mpsc::channel::<()>();
    let waited = never.recv_timeout(Duration::from_millis(ms));
    assert_eq!(waited, Err(RecvTimeoutError::Timeout));
}
