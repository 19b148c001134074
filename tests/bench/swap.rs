//! From a closed file to the first event that the new generation handled.
//!
//! Cold: the component was never compiled here. Cached: it was, and served before.
//! The two take turns, so that whatever else the machine does hurts both.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::guests;
use e2e::host::{Host, STRUCTURED, Site, scripted_event};
use e2e::load::{DONE, Event};
use e2e::publish::{Answer, Client};
use serde_json::{Value, json};
use waystation_core::{Clock as _, Digest, Sequence, Timestamp};
use waystation_journal::{Entry, Journal as _};

use crate::journal;
use crate::report::{Report, Table, Target};
use crate::wall::{Wall, pause};

const HANDLER: &str = "scripted";
/// Swaps of each kind, idle and under load each.
const SWAPS: usize = 50;
/// The load: publishers side by side, each with an event so often, that carries
/// so many bytes.
const PUBLISHERS: u64 = 2;
const PERIOD: Duration = Duration::from_millis(5);
const PADDING: usize = 200;
/// How long a swap is taken to hurt events after the first on the new generation.
const AFTERMATH: Duration = Duration::from_millis(200);
/// How long nothing is swapped then.
const QUIET: Duration = Duration::from_millis(400);
/// By how much the p99 without a swap may be exceeded during one, in milliseconds.
const MARGIN_MS: f64 = 50.0;
/// The pause between two swaps of an idle host.
const REST: Duration = Duration::from_millis(150);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cold,
    Cached,
}

const KINDS: [Kind; 2] = [Kind::Cold, Kind::Cached];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Cached => "cached",
        }
    }

    /// What a swap may take, in milliseconds.
    fn bound_ms(self) -> f64 {
        match self {
            Self::Cold => 500.0,
            Self::Cached => 300.0,
        }
    }

    /// What the components of this kind are marked with.
    fn generation(self, round: usize) -> String {
        match self {
            Self::Cold => format!("cold-{round}"),
            Self::Cached => format!("cached-{}", round % 2),
        }
    }
}

/// A swap under load.
struct Swap {
    kind: Kind,
    generation: String,
    renamed: Timestamp,
}

/// An event of the load: when it was accepted and settled.
struct Handled {
    accepted: Timestamp,
    settled: Timestamp,
    generation: String,
}

pub fn run() -> Report {
    let mut report = Report::new("swap");
    let idle = idle();
    let (swaps, handled, answers) = under_load();
    let mut loaded: [Vec<f64>; 2] = Default::default();
    let mut hurt = Vec::new();
    for swap in &swaps {
        let first = first_on(&handled, swap);
        let ms = first.since(swap.renamed).as_secs_f64() * 1e3;
        loaded[usize::from(swap.kind == Kind::Cached)].push(ms);
        hurt.push((swap.kind, swap.renamed, first.after(AFTERMATH)));
    }
    report.tables = vec![
        durations(
            [("idle", idle), ("under load", loaded)],
            &mut report.targets,
        ),
        answers.table(&hurt),
        waits(&handled, &hurt, &mut report.targets),
    ];
    report.notes = notes();
    report
}

/// How long swaps took, in milliseconds, by kind.
fn durations(found: [(&str, [Vec<f64>; 2]); 2], targets: &mut Vec<Target>) -> Table {
    let title = "closed file to first event handled, ms";
    let mut table = Table::new(title, &["p50", "p99", "longest"]);
    for (load, found) in found {
        for (kind, mut ms) in KINDS.into_iter().zip(found) {
            ms.sort_by(f64::total_cmp);
            let name = format!("{}, {load}", kind.name());
            let figures = [share(&ms, 0.5), share(&ms, 0.99), share(&ms, 1.0)];
            table.row(&name, figures.map(Into::into));
            let measure = format!("swap, {name}, p99");
            let target = Target::at_most(&measure, share(&ms, 0.99), kind.bound_ms(), "ms");
            targets.push(target);
        }
    }
    table
}

fn notes() -> Vec<String> {
    let kib = guests::component(HANDLER).len() / 1024;
    let rate = u128::from(PUBLISHERS) * 1_000 / PERIOD.as_millis();
    let aftermath = AFTERMATH.as_millis();
    vec![
        format!(
            "A component of {kib} KiB, {SWAPS} swaps a row, of which the p99 is the longest. In \
             each are the 100 ms for which a file must stand still."
        ),
        "Idle: one event, sent when the host says that it swapped, until the host says that it is \
         settled."
            .to_owned(),
        format!(
            "Under load: {rate} events/s; until the commit began that settles the first event on \
             the new generation, to the millisecond. A wait is the time between the commits that \
             store and that settle an event. What came up to {aftermath} ms after that first event \
             counts as during the swap. Over are those that took {MARGIN_MS} ms more than the p99 \
             without a swap."
        ),
    ]
}

/// A host whose handler is replaced.
struct Place {
    site: Site,
    host: Host,
    /// What serves.
    serving: Digest,
}

impl Place {
    /// Serves a cached generation and has the other one in its cache.
    fn new() -> Self {
        let site = Site::below(&guests::scratch());
        let bytes = guests::scripted(&Kind::Cached.generation(1));
        site.drop_in(HANDLER, &bytes);
        let host = site.start();
        let serving = Digest::of(&bytes);
        let mut place = Self {
            site,
            host,
            serving,
        };
        place.swap(&Kind::Cached.generation(0));
        place.swap(&Kind::Cached.generation(1));
        place
    }

    /// Swaps, and waits until the host says that it did: the moment of the rename.
    fn swap(&mut self, generation: &str) -> (Timestamp, Instant) {
        let bytes = guests::scripted(generation);
        let handlers = self.site.handlers();
        let partial = handlers.join(".partial");
        fs::write(&partial, &bytes).unwrap();
        let renamed = (Wall.now(), Instant::now());
        fs::rename(partial, handlers.join(format!("{HANDLER}.wasm"))).unwrap();
        let old = std::mem::replace(&mut self.serving, Digest::of(&bytes));
        let swapped = format!("{} -> {} swapped", old.short(), self.serving.short());
        self.host.wait_for_line(|line| line.contains(&swapped));
        renamed
    }
}

/// What swaps of each kind take, in milliseconds.
fn idle() -> [Vec<f64>; 2] {
    let mut place = Place::new();
    let mut expected = BTreeMap::new();
    let mut found = KINDS.map(|_| Vec::new());
    for round in 0..SWAPS {
        for (kind, found) in KINDS.into_iter().zip(&mut found) {
            pause(REST);
            let generation = kind.generation(round);
            let (_, renamed) = place.swap(&generation);
            let id = format!("{}-{round}", kind.name());
            let event = scripted_event(&id, &json!({"do": "ack"})).to_string();
            let (status, answer) = place.host.post(&[STRUCTURED], event);
            assert_eq!(status, 202, "{answer}");
            let sequence = answer["sequences"][0].as_u64().unwrap();
            let settled = format!("<-- {sequence} {HANDLER} ack");
            place.host.wait_for_line(|line| line.starts_with(&settled));
            found.push(renamed.elapsed().as_secs_f64() * 1e3);
            expected.insert(sequence, generation);
        }
    }
    place.host.stop();
    for (sequence, handled) in read(&place.site) {
        assert_eq!(expected.remove(&sequence), Some(handled.generation));
    }
    assert!(expected.is_empty(), "not handled: {expected:?}");
    found
}

/// Swaps while events come: the swaps, the events, and how long the answers took.
fn under_load() -> (Vec<Swap>, Vec<Handled>, Answers) {
    let mut place = Place::new();
    let url = place.host.events_url().to_owned();
    let (stop, numbers) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut swaps = Vec::new();
    let answers = thread::scope(|scope| {
        let publish = || publish(&url, &numbers, &stop);
        let publishers: Vec<_> = (0..PUBLISHERS).map(|_| scope.spawn(publish)).collect();
        pause(QUIET);
        for round in 0..SWAPS {
            for kind in KINDS {
                let generation = kind.generation(round);
                let (renamed, _) = place.swap(&generation);
                swaps.push(Swap {
                    kind,
                    generation,
                    renamed,
                });
                pause(AFTERMATH + QUIET);
            }
        }
        stop.store(true, Ordering::Release);
        let answers = publishers.into_iter().map(|one| one.join().unwrap());
        Answers(answers.flatten().collect())
    });
    place.host.wait_until_settled();
    place.host.stop();
    let handled: Vec<Handled> = read(&place.site).into_values().collect();
    assert_eq!(handled.len(), answers.0.len(), "handled and acknowledged");
    (swaps, handled, answers)
}

/// Publishes at a steady rate, and catches up when an answer was late.
fn publish(url: &str, numbers: &AtomicU64, stop: &AtomicBool) -> Vec<(Timestamp, Duration)> {
    let client = Client::new(url);
    let mut answers = Vec::new();
    let mut next = Instant::now();
    while !stop.load(Ordering::Acquire) {
        pause(next.saturating_duration_since(Instant::now()));
        next += PERIOD;
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let (sent, began) = (Wall.now(), Instant::now());
        let reply = client.structured(&Event::plain(number, PADDING));
        assert_eq!(reply.answer, Answer::Acknowledged, "{reply:?}");
        answers.push((sent, began.elapsed()));
    }
    answers
}

/// When each event was asked for, and how long its answer took.
struct Answers(Vec<(Timestamp, Duration)>);

impl Answers {
    fn table(&self, hurt: &[(Kind, Timestamp, Timestamp)]) -> Table {
        let answers = self.0.iter();
        let answers = answers.map(|(sent, took)| (*sent, took.as_secs_f64() * 1e3));
        by_phase("until the 202, ms", answers, hurt).0
    }
}

/// What became of each event of the load, by its sequence.
fn read(site: &Site) -> BTreeMap<u64, Handled> {
    let (journal, runtime) = journal::open(site);
    let (mut accepted, mut handled) = (BTreeMap::new(), BTreeMap::new());
    let mut after = Sequence(0);
    loop {
        let page = journal.read(after, 1_000, usize::MAX);
        let page: Vec<Arc<Entry>> = runtime.block_on(page).unwrap();
        let Some(last) = page.last() else { break };
        after = last.sequence;
        for entry in page {
            match (&entry.cause, entry.event.event_type.as_str()) {
                (None, _) => drop(accepted.insert(entry.sequence, entry.accepted)),
                (Some(cause), DONE) => {
                    let data: Value =
                        serde_json::from_slice(entry.event.data.as_ref().unwrap()).unwrap();
                    let (a, b) = (&data["generation_a"], &data["generation_b"]);
                    assert_eq!(a, b, "handled by half of two generations");
                    let one = Handled {
                        accepted: accepted[&cause.sequence],
                        settled: entry.accepted,
                        generation: a.as_str().unwrap().to_owned(),
                    };
                    let before = handled.insert(cause.sequence.0, one);
                    assert!(before.is_none(), "{} was settled twice", cause.sequence);
                }
                (Some(_), other) => panic!("nobody publishes {other}"),
            }
        }
    }
    assert_eq!(handled.len(), accepted.len(), "handled and stored");
    handled
}

/// When the first event on the new generation was settled.
fn first_on(handled: &[Handled], swap: &Swap) -> Timestamp {
    let on_it = handled
        .iter()
        .filter(|one| one.generation == swap.generation && one.settled >= swap.renamed);
    on_it.map(|one| one.settled).min().unwrap()
}

/// How long events waited between their commits.
fn waits(
    handled: &[Handled],
    hurt: &[(Kind, Timestamp, Timestamp)],
    targets: &mut Vec<Target>,
) -> Table {
    let waits = handled.iter();
    let waits = waits.map(|one| {
        (
            one.accepted,
            one.settled.since(one.accepted).as_secs_f64() * 1e3,
        )
    });
    let (table, phases) = by_phase("from stored to settled, ms", waits, hurt);
    let [without, during @ ..] = &phases;
    for (kind, during) in KINDS.into_iter().zip(during) {
        let measure = format!("longest wait during a {} swap", kind.name());
        let bound = share(without, 0.99) + MARGIN_MS;
        targets.push(Target::at_most(&measure, share(during, 1.0), bound, "ms"));
    }
    table
}

/// Milliseconds by what the host did at that moment: no swap, a cold one, a
/// cached one.
fn by_phase(
    title: &str,
    figures: impl Iterator<Item = (Timestamp, f64)>,
    hurt: &[(Kind, Timestamp, Timestamp)],
) -> (Table, [Vec<f64>; 3]) {
    let mut phases: [Vec<f64>; 3] = Default::default();
    for (at, ms) in figures {
        let during = hurt
            .iter()
            .find(|(_, from, to)| (*from..=*to).contains(&at));
        let phase = match during {
            None => 0,
            Some((Kind::Cold, ..)) => 1,
            Some((Kind::Cached, ..)) => 2,
        };
        phases[phase].push(ms);
    }
    let mut table = Table::new(title, &["events", "p50", "p99", "longest", "over"]);
    let names = [
        "without a swap",
        "during a cold swap",
        "during a cached swap",
    ];
    // What no event may exceed: the first row is without a swap.
    let mut bound_ms = None;
    for (name, ms) in names.into_iter().zip(&mut phases) {
        ms.sort_by(f64::total_cmp);
        let bound = *bound_ms.get_or_insert(share(ms, 0.99) + MARGIN_MS);
        let over = ms.iter().filter(|ms| **ms > bound).count();
        let figures = [share(ms, 0.5), share(ms, 0.99), share(ms, 1.0)];
        let counts = [ms.len(), over].map(|count| count as f64);
        let figures = [&counts[..1], &figures, &counts[1..]].concat();
        table.row(name, figures.into_iter().map(Into::into));
    }
    (table, phases)
}

/// The figure that this share of all does not exceed; they are in order.
fn share(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}
