//! What it costs to take events in: the host without a handler, beside the same
//! server with an empty handler, and beside a bare file.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::guests;
use e2e::host::{Host, Site};

use crate::bare::Bare;
use crate::client::{Form, Load, Request, address};
use crate::cpu::{Whose, of_threads};
use crate::disk::Appended;
use crate::events::median;
use crate::report::{Report, Table, Target};

/// The most that taking in one event a request may cost of an empty handler.
const CPU_AT_MOST: f64 = 1.6;
/// The share of the disk floor, or of the HTTP floor, that must be reached.
const OF_DISK: f64 = 0.7;
const OF_HTTP: f64 = 0.6;

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(1);
const DISK_ROUND: Duration = Duration::from_millis(400);
const WARM_UP: Duration = Duration::from_millis(500);
const CONNECTIONS: [usize; 3] = [1, 64, 256];
const BATCH: u64 = 100;
/// The name of the thread that writes the journal.
const WRITER: &str = "journal-writer";
/// The newest requests of which it is seen which were stored together, and the
/// fewest events.
const SAMPLE_REQUESTS: u64 = 200;
const SAMPLE_EVENTS: u64 = 5_000;

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
    /// A bare file, with as many events in each batch as the host stored together.
    disk: Vec<Appended>,
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
            "host's of disk",
        ],
    );
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
                report.targets.push(trial.throughput_target());
            }
        }
    }
    report.tables = vec![hosts, floors, disk_floor()];
    report.notes = [
        "The load generator is one thread and shares the cores with the server. Each figure is the \
         median of three rounds of a second; the host, the empty handler and a bare file take turns, \
         and a ratio is one of figures that followed each other.",
        "events/commit: how many of the newest events have one stamp; as many go into each batch of \
         the file beside it. A stamp has milliseconds, so this is too high, and what the disk \
         allows with it, where a commit takes less.",
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
        let mut trial = Self {
            form,
            connections,
            host: Vec::new(),
            bare: Vec::new(),
            disk: Vec::new(),
        };
        let at_most = connections as u64 * form.events();
        for _ in 0..ROUNDS {
            let [on_host, on_bare] =
                servers.map(|(to, pid)| Side::measure(&load(to, ROUND), pid, form));
            trial.host.push(on_host);
            trial.bare.push(on_bare);
            let together = stored_together(host, form).min(at_most);
            trial.disk.push(append(together));
        }
        trial
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
            median(self.disk.iter().map(|disk| disk.events_in_batch as f64)),
        ];
        hosts.row(name.clone(), cells.map(Into::into));
        let [requests, p50, p99, cpu, client, _] = figures(&self.bare);
        let ratios = [self.cpu_ratio(), self.requests_ratio(), self.disk_ratio()];
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

    /// The host's events in a second against the disk's.
    fn disk_ratio(&self) -> f64 {
        let rounds = self.host.iter().zip(&self.disk);
        let events = self.form.events() as f64;
        median(
            rounds.map(|(host, disk)| host.requests_per_second * events / disk.events_per_second()),
        )
    }

    /// Against the lower of what the disk and what the server allow.
    fn throughput_target(&self) -> Target {
        let found = (self.disk_ratio() / OF_DISK).max(self.requests_ratio() / OF_HTTP);
        let measure = format!(
            "ingest, structured, 256 connections, of the lower of {OF_DISK} x disk and {OF_HTTP} x HTTP"
        );
        Target::at_least(&measure, found, 1.0, "x")
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

/// How many of the newest events shared a commit, which gives its events one stamp.
fn stored_together(host: &Host, form: Form) -> u64 {
    let sample = SAMPLE_EVENTS.max(SAMPLE_REQUESTS * form.events());
    let mut stamps = BTreeSet::new();
    let (mut events, mut before) = (0_u64, String::new());
    while events < sample {
        let page = host.get(&format!("/api/events?limit=1000{before}"));
        let page = page.as_array().unwrap();
        let Some(last) = page.last() else { break };
        before = format!("&before={}", last["sequence"]);
        events += page.len() as u64;
        stamps.extend(page.iter().map(|event| event["accepted"].to_string()));
    }
    events / stamps.len() as u64
}

fn disk_floor() -> Table {
    let columns = ["appends/s", "events/s", "CPU us/event"];
    let mut table = Table::new("append + fdatasync", &columns);
    for events in [1, 64, 256, 64 * BATCH] {
        let floor = append(events);
        let figures = [
            floor.batches_per_second(),
            floor.events_per_second(),
            floor.cpu_us(),
        ];
        table.row(format!("{events} events"), figures.map(Into::into));
    }
    table
}

/// Appends so many events at a time to a bare file.
fn append(events: u64) -> Appended {
    let bytes = Request::new(Form::Structured, false).body_bytes();
    Appended::measure(&guests::scratch(), events, bytes, DISK_ROUND)
}
