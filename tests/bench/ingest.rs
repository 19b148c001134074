//! What it costs to take events in: the host without a handler, beside the same
//! server with an empty handler, and beside a bare file.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::guests;
use e2e::host::{Host, Site};

use crate::bare::Bare;
use crate::client::{Form, Load, Request, address, median};
use crate::cpu::{Whose, of_threads};
use crate::disk::Appended;
use crate::report::{Report, Table, Target};

/// The most that taking in one event a request may cost of an empty handler.
const CPU_AT_MOST: f64 = 1.6;
/// The share of the disk floor, or of the HTTP floor, that must be reached.
const OF_DISK: f64 = 0.7;
const OF_HTTP: f64 = 0.6;

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_millis(500);
const CONNECTIONS: [usize; 3] = [1, 64, 256];
const BATCH: u64 = 100;
/// The name of the thread that writes the journal.
const WRITER: &str = "journal-writer";
/// The newest events of which it is seen which were stored together.
const SAMPLE: u64 = 5_000;

/// What a server did in one round.
struct Side {
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Of the server, for each event.
    cpu_us: f64,
    /// Of the thread that writes the journal, for each event.
    writer_us: f64,
    /// Of the load generator, for each event.
    client_us: f64,
}

/// The rounds with one form and so many connections.
struct Trial {
    form: Form,
    connections: usize,
    host: Vec<Side>,
    bare: Vec<Side>,
    /// The events that shared a commit.
    stored_together: f64,
}

pub fn run() -> Report {
    let bare = Bare::start();
    let mut report = Report::new("ingest");
    let mut hosts = Table::new(
        "host",
        &[
            "202/s",
            "events/s",
            "p50 ms",
            "p99 ms",
            "CPU us/event",
            "of that, writer",
            "client us/event",
            "events/commit",
        ],
    );
    let mut floors = Table::new(
        "HTTP floor",
        &[
            "202/s",
            "p50 ms",
            "p99 ms",
            "CPU us/event",
            "client us/event",
            "host's CPU",
            "host's 202/s",
        ],
    );
    let mut disk = disk_floor();
    for form in [Form::Structured, Form::Binary, Form::Batch(BATCH)] {
        let site = Site::below(&guests::scratch());
        let host = site.start();
        for connections in CONNECTIONS {
            let trial = Trial::run(&host, &bare, form, connections);
            trial.show(&mut hosts, &mut floors);
            if form == Form::Structured && connections == 64 {
                let cost = "ingest CPU, structured, 64 connections, against an empty handler";
                let target = Target::at_most(cost, trial.cpu_ratio(), CPU_AT_MOST, "x");
                report.targets.push(target);
            }
            if form == Form::Structured && connections == 256 {
                let floor = disk_row(&mut disk, "as many as the host", trial.stored_together);
                report.targets.push(trial.throughput_target(floor));
            }
        }
    }
    report.tables = vec![hosts, floors, disk];
    report.notes = [
        "The load generator is one thread and shares the cores with the server. Each figure is the \
         median of three rounds of a second; the host and the empty handler take turns.",
        "events/commit: how many of the newest events have one stamp. It has milliseconds, so this \
         is too high, and the disk floor with it, where a commit takes less.",
        "The empty handler reads the whole body and answers 202, behind the host's own listener \
         (connections, timeouts) on a runtime like the host's, in a process of its own. Its answer \
         is that to one event, also where a batch came.",
    ]
    .map(str::to_owned)
    .to_vec();
    report
}

impl Trial {
    fn run(host: &Host, bare: &Bare, form: Form, connections: usize) -> Self {
        let load = |to, lasts| Load {
            to,
            request: Request::new(form, false),
            connections,
            lasts,
            rate: None,
        };
        let servers = [
            (address(host.events_url()), host.pid()),
            (address(bare.url()), bare.pid()),
        ];
        for (to, _) in servers {
            load(to, WARM_UP).run().accepted();
        }
        let mut sides = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for ((to, pid), side) in servers.iter().zip(&mut sides) {
                side.push(Side::measure(&load(*to, ROUND), *pid, form));
            }
        }
        let [host_sides, bare] = sides;
        let at_most = (connections as u64 * form.events()) as f64;
        Self {
            form,
            connections,
            host: host_sides,
            bare,
            stored_together: stored_together(host).min(at_most),
        }
    }

    fn show(&self, hosts: &mut Table, floors: &mut Table) {
        let form = match self.form {
            Form::Structured => "structured".to_owned(),
            Form::Binary => "binary".to_owned(),
            Form::Batch(events) => format!("batch of {events}"),
        };
        let name = format!("{form}, {}", self.connections);
        let [requests, p50, p99, cpu, client, writer] = figures(&self.host);
        let events = requests * self.form.events() as f64;
        let cells = [
            requests,
            events,
            p50,
            p99,
            cpu,
            writer,
            client,
            self.stored_together,
        ];
        hosts.row(name.clone(), cells.map(Into::into));
        let [requests, p50, p99, cpu, client, _] = figures(&self.bare);
        let ratios = [self.cpu_ratio(), self.requests_ratio()];
        let ratios = ratios.map(|ratio| format!("{ratio:.2} x").into());
        let cells = [requests, p50, p99, cpu, client].map(Into::into);
        floors.row(name, cells.into_iter().chain(ratios));
    }

    /// The host's processor time for an event against the floor's.
    fn cpu_ratio(&self) -> f64 {
        self.ratio(|side| side.cpu_us)
    }

    fn requests_ratio(&self) -> f64 {
        self.ratio(|side| side.requests_per_second)
    }

    /// In the middle of the rounds, each with a floor of its own.
    fn ratio(&self, figure: impl Fn(&Side) -> f64) -> f64 {
        let rounds = self.host.iter().zip(&self.bare);
        median(rounds.map(|(host, bare)| figure(host) / figure(bare)))
    }

    /// Against the lower of what the disk and what the server allow.
    fn throughput_target(&self, disk: Appended) -> Target {
        let [host, bare] = [&self.host, &self.bare].map(|sides| figures(sides)[0]);
        let bound = (OF_DISK * disk.events_per_second()).min(OF_HTTP * bare);
        let measure = format!(
            "ingest, structured, 256 connections: the lower of {OF_DISK} x disk and {OF_HTTP} x HTTP"
        );
        Target::at_least(&measure, host, bound, "/s")
    }
}

impl Side {
    fn measure(load: &Load, pid: u32, form: Form) -> Self {
        let (server, writer) = (Whose::Process(pid).begin(), writer(pid));
        let answers = load.run();
        let server = server.end();
        let writer = self::writer(pid).saturating_sub(writer);
        let requests = answers.accepted();
        let events = requests * form.events();
        Self {
            requests_per_second: answers.took.per_second(requests),
            p50_ms: answers.within_ms(0.5),
            p99_ms: answers.within_ms(0.99),
            cpu_us: server.cpu_us(events),
            writer_us: writer.as_secs_f64() * 1e6 / events as f64,
            client_us: answers.took.cpu_us(events),
        }
    }
}

/// The processor time of the thread that writes the journal, if a process has one.
fn writer(pid: u32) -> Duration {
    let threads = of_threads(pid);
    threads.get(WRITER).copied().unwrap_or_default()
}

/// The middle of the rounds: requests in a second, p50, p99, processor time of the
/// server, of the load generator, of the journal's writer.
fn figures(sides: &[Side]) -> [f64; 6] {
    let figures: [fn(&Side) -> f64; 6] = [
        |side| side.requests_per_second,
        |side| side.p50_ms,
        |side| side.p99_ms,
        |side| side.cpu_us,
        |side| side.client_us,
        |side| side.writer_us,
    ];
    figures.map(|figure| median(sides.iter().map(figure)))
}

/// How many of the newest events shared a commit: a commit gives its events one
/// stamp. The oldest one looked at may be cut, and does not count.
fn stored_together(host: &Host) -> f64 {
    let mut stamps = BTreeSet::new();
    let (mut events, mut before) = (0, String::new());
    while events < SAMPLE {
        let page = host.get(&format!("/api/events?limit=1000{before}"));
        let page = page.as_array().unwrap();
        let Some(last) = page.last() else { break };
        before = format!("&before={}", last["sequence"]);
        events += page.len() as u64;
        stamps.extend(page.iter().map(|event| event["accepted"].to_string()));
    }
    events as f64 / stamps.len() as f64
}

fn disk_floor() -> Table {
    let columns = ["events/append", "appends/s", "events/s", "CPU us/event"];
    let mut table = Table::new("append + fdatasync", &columns);
    for events in [1, 64, 256] {
        disk_row(&mut table, &format!("{events} events"), events as f64);
    }
    disk_row(&mut table, "64 batches of 100", 64.0 * BATCH as f64);
    table
}

/// Measures the disk with batches of so many events.
fn disk_row(table: &mut Table, name: &str, events: f64) -> Appended {
    let bytes = Request::new(Form::Structured, false).body_bytes();
    let floor = Appended::measure(&guests::scratch(), events.round() as u64, bytes, ROUND);
    let (appends, per_second) = (floor.batches_per_second(), floor.events_per_second());
    let cells = [events.round(), appends, per_second, floor.cpu_us()];
    table.row(name, cells.map(Into::into));
    floor
}
