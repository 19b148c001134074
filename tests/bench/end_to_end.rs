//! Orders on their whole way: taken in, durable, handled by a fresh instance,
//! settled with one published event, which a second handler handles.

use std::ops::Range;
use std::time::Duration;

use e2e::guests;
use e2e::host::{Host, Site};
use e2e::ledger::{self, Findings, Ledger, Subscriber};
use e2e::load::{self, Event};
use e2e::publish::Answer;
use fastrand::Rng;
use serde_json::{Value, json};
use waystation_core::Instances;
use waystation_runtime::Engine;

use crate::bare::Bare;
use crate::client::{self, Answers, DONE, Form, Load, ORDER, Request, address, percentile};
use crate::cpu::{Took, Whose, idle, of_threads};
use crate::disk::Appended;
use crate::engine::{Bare as Guest, Call};
use crate::events::{event, median};
use crate::report::{Report, Table, Target};

/// The share of the bound that must be reached.
const OF_BOUND: f64 = 0.6;

const ROUNDS: usize = 3;
const CONNECTIONS: usize = 64;
/// How long orders are offered in one round.
const ROUND: Duration = Duration::from_secs(3);
const FLOOR_ROUND: Duration = Duration::from_secs(1);
/// The shares of the maximum at which the way is timed.
const SHARES: [f64; 3] = [0.1, 0.5, 0.9];
/// The orders whose way is timed, of each share.
const TIMED: usize = 1_000;

/// The first handler, and the second.
const ORDERS: Subscriber = Subscriber {
    handler: "orders",
    types: load::PLAIN,
};
const DELIVERIES: &str = "done";

/// The threads of the host that do the work, by name: HTTP and dispatch, handlers,
/// the journal.
const THREADS: [&str; 3] = ["io", "attempt", "journal-writer"];

/// What the parts of an order's way cost bare, in microseconds of processor time.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// The load generator, which has the same cores.
    pub client_us: f64,
    /// A request with an empty handler.
    pub http_us: f64,
    /// An event appended to a bare file.
    pub append_us: f64,
    /// An event handled by a fresh instance.
    pub fresh_us: f64,
}

impl Parts {
    /// Of one order: it and what is published are appended, both are handled. What
    /// marks them as settled counts nothing.
    pub fn sum_us(self) -> f64 {
        self.client_us + self.http_us + 2.0 * (self.append_us + self.fresh_us)
    }

    /// The orders in a second if so many cores did nothing else.
    pub fn bound(self, cores: f64) -> f64 {
        cores * 1e6 / self.sum_us()
    }
}

/// The maximum in one round.
struct Most {
    offered: Answers,
    /// Until the last order was settled.
    host: Took,
    /// The same by threads of the host, processor time only.
    threads: [Duration; THREADS.len()],
    orders: u64,
    /// The cores that other programs left to the host and the load generator.
    cores: f64,
    parts: Parts,
}

/// The events that the bare guest handles in a round, on each of two threads.
const FRESH: u64 = 5_000;

pub fn run() -> Report {
    let engine = Engine::new(None).unwrap();
    let guest = Guest::new(&engine, &guests::component("measured"));
    let site = furnish();
    let mut host = site.start();
    let bare = Bare::start();
    let mut offered = vec![warm_up(&mut host, &bare)];
    let mut round = || {
        let parts = floor(&bare, &guest);
        most(&mut host, parts)
    };
    let rounds = [(); ROUNDS].map(|()| round());
    let most = median(rounds.iter().map(Most::per_second));
    let mut ways = Table::new(
        "from 202 to settled",
        &[
            "offered/s",
            "p50 ms",
            "p99 ms",
            "CPU us/order",
            "202 p99 ms",
        ],
    );
    for share in SHARES {
        offered.push(pace(&mut host, share, share * most, &mut ways));
    }
    let mut report = Report::new("end-to-end");
    report.tables = vec![maxima(&rounds), parts(&rounds), ways];
    let reached = median(rounds.iter().map(Most::reached));
    let measure = "end-to-end, fresh instances, against the bound of its parts";
    let target = Target::at_least(measure, reached, OF_BOUND, "x");
    report.targets.push(target);
    offered.extend(rounds.into_iter().map(|round| round.offered.numbers));
    report.notes = notes(&check(&host, offered));
    report
}

fn notes(ledger: &ledger::Report) -> Vec<String> {
    vec![
        "Each order is one structured request on one of 64 connections; the maximum counts from the \
         first request until nothing is left, the load generator on the same cores."
            .to_owned(),
        "The bound is the cores that other programs left, over the sum of the parts, the load \
         generator's among them: it, HTTP, and twice an append and a fresh instance. It is of \
         processor time alone: nothing waits in it, and what marks deliveries as settled is free."
            .to_owned(),
        "From 202 to settled: from the stamp of the order, made just before its commit, to the end of \
         the second handler's attempt, just before its commit; in milliseconds, of 1,000 orders \
         each."
            .to_owned(),
        format!("The ledger: {ledger}; nothing waits, and `{DELIVERIES}` has no dead letter."),
    ]
}

/// Two handlers from one component.
fn furnish() -> Site {
    let site = Site::below(&guests::scratch());
    for (name, event_type) in [(ORDERS.handler, ORDER), (DELIVERIES, DONE)] {
        let sidecar = format!("subscriptions = [{{ types = ['{event_type}'] }}]\n");
        site.sidecar(name, &sidecar);
        site.drop_in(name, &guests::component("measured"));
    }
    site
}

fn load(to: &str, lasts: Duration, rate: Option<f64>) -> Load {
    Load {
        to: address(to),
        request: Request::new(Form::Structured, true),
        connections: CONNECTIONS,
        lasts,
        rate,
    }
}

/// Offers some orders to both servers: the numbers of those that the host has.
fn warm_up(host: &mut Host, bare: &Bare) -> Range<u64> {
    let bare = load(bare.url(), FLOOR_ROUND / 2, None).run();
    bare.accepted();
    let answers = load(host.events_url(), FLOOR_ROUND / 2, None).run();
    answers.accepted();
    host.wait_until_settled();
    answers.numbers
}

/// The floors of the parts.
fn floor(bare: &Bare, guest: &Guest) -> Parts {
    let load = load(bare.url(), FLOOR_ROUND, None);
    let server = Whose::Process(bare.pid()).begin();
    let answers = load.run();
    let server = server.end();
    let (orders, bytes) = (answers.accepted(), load.request.body_bytes());
    let together = CONNECTIONS as u64;
    let disk = Appended::measure(&guests::scratch(), together, bytes, FLOOR_ROUND / 2);
    let event = event(1, bytes);
    let fresh = guest.measure(Call::Plain, Instances::Fresh, &event, 2, FRESH);
    Parts {
        client_us: answers.took.cpu_us(orders),
        http_us: server.cpu_us(orders),
        append_us: disk.cpu_us(),
        fresh_us: fresh.cpu_us(2 * FRESH),
    }
}

/// Offers as many orders as the host takes, and waits until all are settled.
fn most(host: &mut Host, parts: Parts) -> Most {
    let (before, idle_before) = (of_threads(host.pid()), idle());
    let span = Whose::Process(host.pid()).begin();
    let offered = load(host.events_url(), ROUND, None).run();
    host.wait_until_settled();
    let (took, after) = (span.end(), of_threads(host.pid()));
    let left = idle() - idle_before + took.cpu + offered.took.cpu;
    Most {
        cores: left.as_secs_f64() / took.wall.as_secs_f64(),
        parts,
        orders: offered.accepted(),
        offered,
        host: took,
        threads: THREADS.map(|name| after[name].saturating_sub(before[name])),
    }
}

impl Most {
    fn per_second(&self) -> f64 {
        self.host.per_second(self.orders)
    }

    fn bound(&self) -> f64 {
        self.parts.bound(self.cores)
    }

    /// The share of the bound.
    fn reached(&self) -> f64 {
        self.per_second() / self.bound()
    }

    /// Microseconds of processor time for each order, by threads.
    fn threads_us(&self) -> [f64; THREADS.len()] {
        let orders = self.orders as f64;
        self.threads.map(|cpu| cpu.as_secs_f64() * 1e6 / orders)
    }
}

fn maxima(rounds: &[Most]) -> Table {
    let columns = [
        "202/s",
        "settled/s",
        "cores",
        "bound/s",
        "of the bound",
        "CPU us/order",
        "of that, io",
        "attempt",
        "journal",
        "client us/order",
    ];
    let mut table = Table::new("maximum", &columns);
    for (number, round) in (1..).zip(rounds) {
        let offered = &round.offered.took;
        let [io, attempt, journal] = round.threads_us();
        let figures = [
            offered.per_second(round.orders),
            round.per_second(),
            round.cores,
            round.bound(),
            round.reached(),
            round.host.cpu_us(round.orders),
            io,
            attempt,
            journal,
            offered.cpu_us(round.orders),
        ];
        table.row(format!("round {number}"), figures.map(Into::into));
    }
    table
}

fn parts(rounds: &[Most]) -> Table {
    let columns = ["client", "HTTP", "append", "fresh", "order"];
    let mut table = Table::new("floors, CPU us", &columns);
    for (number, round) in (1..).zip(rounds) {
        let parts = round.parts;
        let figures = [
            parts.client_us,
            parts.http_us,
            parts.append_us,
            parts.fresh_us,
            parts.sum_us(),
        ];
        table.row(format!("round {number}"), figures.map(Into::into));
    }
    table
}

/// Offers so many orders in a second, and times the way of some: the numbers of all.
fn pace(host: &mut Host, share: f64, rate: f64, table: &mut Table) -> Range<u64> {
    let span = Whose::Process(host.pid()).begin();
    let answers = load(host.events_url(), ROUND, Some(rate)).run();
    host.wait_until_settled();
    let (took, orders) = (span.end(), answers.accepted());
    let mut random = Rng::with_seed(orders);
    let timed = (0..TIMED).map(|_| random.u64(answers.numbers.clone()));
    let mut ways_ms: Vec<u32> = timed.map(|number| way_ms(host, number)).collect();
    ways_ms.sort_unstable();
    let figures = [
        answers.took.per_second(orders),
        f64::from(percentile(&ways_ms, 0.5)),
        f64::from(percentile(&ways_ms, 0.99)),
        took.cpu_us(orders),
        answers.within_ms(0.99),
    ];
    let name = format!("{:.0} % of the maximum", share * 100.0);
    table.row(name, figures.map(Into::into));
    answers.numbers
}

/// How long after it was accepted an order was handled by both, in milliseconds.
fn way_ms(host: &Host, number: u64) -> u32 {
    let order = host.tree(&client::id(number));
    let first = delivery(&order, ORDERS.handler);
    let second = delivery(&first["published"][0], DELIVERIES);
    let attempt = &second["attempts"][0];
    let began = millis(&attempt["started"]) - millis(&order["accepted"]);
    let took = attempt["took_us"].as_i64().unwrap() / 1_000;
    u32::try_from(began + took).unwrap()
}

/// The delivery of an event to a handler, which was handled at once.
fn delivery<'a>(event: &'a Value, handler: &str) -> &'a Value {
    let deliveries = event["deliveries"].as_array().unwrap();
    let delivery = deliveries.iter().find(|one| one["handler"] == handler);
    let delivery = delivery.unwrap_or_else(|| panic!("{event} is not for `{handler}`"));
    assert_eq!(delivery["state"], "done", "{event}");
    assert_eq!(delivery["attempts_made"], 1, "{event}");
    delivery
}

fn millis(stamp: &Value) -> i64 {
    let stamp: jiff::Timestamp = stamp.as_str().unwrap().parse().unwrap();
    stamp.as_millisecond()
}

/// Compares what was acknowledged with what is there, once all is settled.
fn check(host: &Host, acknowledged: Vec<Range<u64>>) -> ledger::Report {
    let mut ledger = Ledger::default();
    for number in acknowledged.into_iter().flatten() {
        ledger.note(&Event::plain(number, 0), Answer::Acknowledged);
    }
    let mut found = Findings::default();
    host.each_event(|entry| found.event(&as_noted(&entry["event"])));
    let report = ledger.check(&[ORDERS], &found);
    report.assert_clean();
    assert_eq!(host.handler(DELIVERIES)["dead"], 0);
    report
}

/// An event of the journal in the ledger's words: an order as an event of a load,
/// what it had published as the mark that it was handled.
fn as_noted(event: &Value) -> Value {
    let number = |name: &str| event[name].as_str().and_then(client::number);
    if let (Some(cause), true) = (number("causationid"), event["type"] == DONE) {
        let cause = load::id(cause);
        return json!({ "source": event["source"], "type": load::DONE, "causationid": cause });
    }
    match number("id") {
        Some(number) if event["source"] == client::SOURCE => {
            json!({ "source": load::source(number), "id": load::id(number) })
        }
        _ => event.clone(),
    }
}
