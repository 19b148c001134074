//! What handlers that have nothing to do cost, and how long a start takes: with
//! many handlers, and with many events that wait.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use e2e::guests;
use e2e::host::{Host, Site};
use e2e::memory::MIB;
use serde_json::Value;
use waystation_core::Event;
use waystation_journal::Journal as _;

use crate::journal;
use crate::report::{Report, Table, Target};
use crate::wall::pause;

const COMPONENT: &str = "measured";
/// How many handlers a host has when its memory is looked at.
const IDLE: [usize; 3] = [1, 100, 1_000];
/// How long a host is left alone before that.
const REST: Duration = Duration::from_millis(500);
/// How long handlers may take to load.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many handlers a host has when its start is timed, and how often.
const CACHED: usize = 100;
const STARTS: usize = 5;
/// The events that wait when a start is timed, how many go into one commit, and
/// the bytes that each carries.
const BACKLOG: u64 = 1_000_000;
const BATCH: u64 = 1_000;
const PADDING: usize = 200;
const BACKLOG_STARTS: usize = 3;

pub fn run() -> Report {
    let mut report = Report::new("hosts");
    memory(&mut report);
    let mut starts = Table::new("start to Ready, ms", &["starts", "median", "longest"]);
    let with_backlog = with_backlog(&mut report);
    let measures = [
        (
            format!("{CACHED} cached handlers"),
            with_handlers(),
            1_000.0,
        ),
        (format!("a backlog of {BACKLOG}"), with_backlog, 2_000.0),
    ];
    for (name, mut took, bound_ms) in measures {
        took.sort();
        let ms = |at: usize| took[at].as_secs_f64() * 1e3;
        let (median, longest) = (ms(took.len() / 2), ms(took.len() - 1));
        starts.row(&name, [took.len() as f64, median, longest].map(Into::into));
        let measure = format!("Ready with {name}, median");
        report
            .targets
            .push(Target::at_most(&measure, median, bound_ms, "ms"));
    }
    report.tables.push(starts);
    report
}

/// The same component under so many names.
fn site(handlers: usize) -> Site {
    let site = Site::below(&guests::scratch());
    let bytes = guests::component(COMPONENT);
    for number in 0..handlers {
        site.drop_in(&format!("handler-{number}"), &bytes);
    }
    site
}

/// Waits until so many handlers serve.
fn wait_for_handlers(host: &mut Host, count: usize) {
    let end = Instant::now() + PATIENCE;
    loop {
        let handlers = host.get("/api/handlers");
        let serving = handlers.as_array().unwrap().iter();
        if serving.filter(|one| one["state"] == "serving").count() == count {
            return;
        }
        assert!(Instant::now() < end, "{count} handlers do not load");
        pause(Duration::from_millis(100));
    }
}

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    /// Its part of all that is resident.
    resident: u64,
    /// Of that, compiled code with its tables: private memory that it may not
    /// write, with no file behind.
    code: u64,
    /// What its handlers' memories begin with: in files that exist in memory only
    /// and are not resident as long as no instance uses them.
    images: u64,
}

impl Memory {
    fn of(pid: u32) -> Self {
        let mut memory = Self::default();
        let mut is_code = false;
        for line in fs::read_to_string(format!("/proc/{pid}/smaps"))
            .unwrap()
            .lines()
        {
            let mut words = line.split_whitespace();
            let first = words.next().unwrap_or_default();
            if let Some(rights) = words.next().filter(|_| !first.ends_with(':')) {
                is_code = !rights.starts_with("rw") && words.count() == 3;
            } else if first == "Pss:" {
                let kib = line.split_whitespace().nth(1).unwrap();
                let bytes = kib.parse::<u64>().unwrap() * 1024;
                memory.resident += bytes;
                memory.code += if is_code { bytes } else { 0 };
            }
        }
        memory.images = images(pid);
        memory
    }

    fn beyond_code(&self) -> u64 {
        self.resident - self.code + self.images
    }
}

/// What the files without a name that a process has open take of the memory.
fn images(pid: u32) -> u64 {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut total = 0;
    for path in open.map(|entry| entry.unwrap().path()) {
        // A connection may be gone by now.
        let to = fs::read_link(&path).unwrap_or_default();
        let is_image = to.to_string_lossy().starts_with("/memfd:wasm-memory-image");
        if is_image {
            total += fs::metadata(path).unwrap().blocks() * 512;
        }
    }
    total
}

fn memory(report: &mut Report) {
    let columns = ["PSS", "code", "images", "beyond code", "open files"];
    let mut table = Table::new("memory with idle handlers, MiB", &columns);
    let mut found = Vec::new();
    for count in IDLE {
        let site = site(count);
        // The code is compiled by the first start.
        let mut host = site.start();
        wait_for_handlers(&mut host, count);
        host.kill();
        let mut host = site.start();
        wait_for_handlers(&mut host, count);
        pause(REST);
        let memory = Memory::of(host.pid());
        let files = fs::read_dir(format!("/proc/{}/fd", host.pid()))
            .unwrap()
            .count();
        let bytes = [
            memory.resident,
            memory.code,
            memory.images,
            memory.beyond_code(),
        ];
        let mib = bytes.map(|bytes| bytes as f64 / MIB as f64);
        table.row(
            count.to_string(),
            mib.into_iter().chain([files as f64]).map(Into::into),
        );
        found.push(memory);
    }
    report.tables.push(table);
    let (few, many) = (found[0], found[IDLE.len() - 1]);
    let handlers = (IDLE[IDLE.len() - 1] - IDLE[0]) as f64;
    let each = |of: fn(&Memory) -> u64| (of(&many) as f64 - of(&few) as f64) / handlers / 1024.0;
    let mut table = Table::new(
        "each further handler, KiB",
        &["code", "images", "beyond code"],
    );
    let beyond = each(Memory::beyond_code);
    let kib = [
        each(|memory| memory.code),
        each(|memory| memory.images),
        beyond,
    ];
    table.row(format!("of {}", IDLE[IDLE.len() - 1]), kib.map(Into::into));
    report.tables.push(table);
    let measure = format!(
        "{} idle handlers, each beyond its code",
        IDLE[IDLE.len() - 1]
    );
    report
        .targets
        .push(Target::at_most(&measure, beyond, 150.0, "KiB"));
    report.notes.push(format!(
        "The handlers are one component of {} KiB under different names, loaded from the cache. \
         Code is compiled code with its tables; images are what memories begin with.",
        guests::component(COMPONENT).len() / 1024
    ));
}

/// How long starts take with handlers whose code is cached.
fn with_handlers() -> Vec<Duration> {
    let site = site(CACHED);
    let start = |_| {
        let mut host = site.spawn();
        let took = host.wait_until_ready();
        wait_for_handlers(&mut host, CACHED);
        host.kill();
        took
    };
    // The first compiles.
    start(0);
    (0..STARTS).map(start).collect()
}

/// How long starts take while events wait, each after a kill.
fn with_backlog(report: &mut Report) -> Vec<Duration> {
    let site = Site::below(&guests::scratch());
    site.drop_in("waits", &guests::component(COMPONENT));
    // Compiles it, and begins its subscription.
    site.start().stop();
    let began = Instant::now();
    lay_down(&site);
    let laid_down = began.elapsed();
    let took = (0..BACKLOG_STARTS).map(|_| {
        let mut host = site.spawn();
        let took = host.wait_until_ready();
        let behind = host.handler("waits")["behind"].as_u64();
        assert!(behind > Some(BACKLOG * 9 / 10), "{behind:?} wait");
        host.kill();
        took
    });
    let took = took.collect();
    let bytes = fs::read_dir(site.data()).unwrap();
    let bytes: u64 = bytes
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    report.notes.push(format!(
        "The backlog was laid down in {laid_down:.1?}, in commits of {BATCH}: {} MiB. Each start \
         comes after a kill while it is worked off.",
        bytes / MIB
    ));
    took
}

/// Appends the events of a backlog.
fn lay_down(site: &Site) {
    let (journal, runtime) = journal::open(site);
    runtime.block_on(async {
        for first in (0..BACKLOG).step_by(BATCH as usize) {
            let events = (first..first + BATCH).map(event).collect();
            journal.append(events).await.unwrap();
        }
        journal.close().await.unwrap();
    });
}

fn event(number: u64) -> Event {
    let data = serde_json::json!({"order_id": number.to_string(), "padding": "x".repeat(PADDING)});
    Event {
        id: number.to_string(),
        source: "/backlog".to_owned(),
        event_type: "test.measured.v1".to_owned(),
        data_content_type: Some("application/json".to_owned()),
        data: Some(Bytes::from(Value::to_string(&data))),
        ..Event::default()
    }
}
