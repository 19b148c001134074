//! The host beside other systems that keep events: NATS JetStream and Redis
//! Streams.
//!
//! All get the same bytes from the same kind of client: threads with one
//! connection and one request in flight each. No two run at the same time, and
//! they take turns.

mod host;
mod nats;
mod redis;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::guests;

use crate::cpu::{Took, Whose};
use crate::report::{Cell, Report, Table, Target};
use crate::wall::pause;

/// How often each is measured, and how long it takes events then.
const ROUNDS: usize = 3;
const LASTS: Duration = Duration::from_secs(3);
/// What is not measured before.
const WARM_UP: Duration = Duration::from_millis(500);
/// The requests in flight, each on a connection of its own.
const CONNECTIONS: usize = 64;
/// How long a server may take to start, or to hand out what it took.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many events are consumed then, unless it took less than twice as many.
const CONSUMED: u64 = 50_000;
/// The bytes that an event's data carries besides.
const PADDING: usize = 160;
const STACK_BYTES: usize = 256 * 1024;

/// Something that takes events and hands them out.
pub trait Peer {
    fn pid(&self) -> u32;

    /// A connection that publishes: what it is given is the number of its first
    /// event, and it returns once all of them are acknowledged.
    fn publisher(&self) -> Box<dyn FnMut(u64) + Send>;

    /// The events of one request.
    fn batch(&self) -> u64 {
        1
    }

    /// How many events it has taken, as it says itself.
    fn stored(&mut self) -> u64;

    /// Has so many of them, or a few more, handled or read, each acknowledged: how
    /// many, and what it took.
    fn consume(&mut self, events: u64) -> (u64, Took);
}

/// One thing that is measured.
struct Contender {
    name: &'static str,
    promise: &'static str,
    start: fn() -> Box<dyn Peer>,
    rounds: Vec<Round>,
}

struct Round {
    published: u64,
    publishing: Took,
    p50_us: f64,
    p99_us: f64,
    consumed: u64,
    consuming: Took,
}

impl Contender {
    fn new(name: &'static str, promise: &'static str, start: fn() -> Box<dyn Peer>) -> Self {
        Self {
            name,
            promise,
            start,
            rounds: Vec::new(),
        }
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.rounds.iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }

    fn publish_rate(&self) -> f64 {
        self.median(|round| round.publishing.per_second(round.published))
    }
}

const FSYNCED: &str = "on the disk (fsync)";
const WRITTEN: &str = "written, no fsync";

pub fn run() -> Report {
    let mut report = Report::new("peers");
    // Whether it could shows in what is there afterwards.
    let _ = Command::new("sh")
        .args(["-c", include_str!("peers.sh")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    let mut contenders = contenders(&mut report.notes);
    for _ in 0..ROUNDS {
        for contender in &mut contenders {
            let mut peer = (contender.start)();
            contender.rounds.push(measure(peer.as_mut()));
        }
    }
    let host = contenders[0].publish_rate();
    report.tables = tables(&contenders, host);
    if let Some(peer) = contenders.iter().find(|one| one.name == nats::DEFAULT) {
        let measure = "durable ingest / JetStream's publish at its default";
        let ratio = host / peer.publish_rate();
        report
            .targets
            .push(Target::at_least(measure, ratio, 1.0, "x"));
    }
    report.notes.push(format!(
        "{CONNECTIONS} connections, one request in flight each; medians of {ROUNDS} rounds of \
         {LASTS:?}. Every event is the same {} bytes: one event in CloudEvents' JSON format. The \
         host parses it and refuses a repeated id; the others store bytes.",
        event(100_000).len()
    ));
    report.notes.push(
        "Consumed: the host runs a fresh instance for each event and settles it durably; the \
         others hand 64 at a time to one client that only acknowledges each."
            .to_owned(),
    );
    report
}

/// Those that can be had here; the host is the first.
fn contenders(notes: &mut Vec<String>) -> Vec<Contender> {
    let mut all = vec![
        Contender::new("Waystation", FSYNCED, || Box::new(host::start(1))),
        Contender::new("Waystation, batches of 100", FSYNCED, || {
            Box::new(host::start(100))
        }),
    ];
    if is_there("nats-server") {
        all.push(Contender::new(nats::DEFAULT, WRITTEN, || {
            Box::new(nats::start(nats::Syncing::Default))
        }));
        if nats::can_sync() {
            all.push(Contender::new(
                "JetStream, sync_interval always",
                FSYNCED,
                || Box::new(nats::start(nats::Syncing::Always)),
            ));
        } else {
            let version = version("nats-server");
            notes.push(format!(
                "{version} has no `sync_interval`: it syncs once in some minutes, whatever it is told."
            ));
        }
    } else {
        notes.push("There is no nats-server here, so JetStream is left out.".to_owned());
    }
    if is_there("redis-server") {
        all.push(Contender::new("Redis, appendfsync always", FSYNCED, || {
            Box::new(redis::start("always"))
        }));
        all.push(Contender::new(
            "Redis, appendfsync everysec",
            "written, fsync within 1 s",
            || Box::new(redis::start("everysec")),
        ));
    } else {
        notes.push("There is no redis-server here, so Redis is left out.".to_owned());
    }
    all
}

fn tables(contenders: &[Contender], host: f64) -> Vec<Table> {
    let columns = [
        "events/s",
        "Waystation / it",
        "server us CPU/event",
        "p50 us",
        "p99 us",
        "promise",
    ];
    let mut publish = Table::new("publish, acknowledged", &columns);
    let columns = ["events/s", "server us CPU/event"];
    let mut consume = Table::new("consume and acknowledge", &columns);
    for one in contenders {
        let rate = one.publish_rate();
        let cells: [Cell; 6] = [
            rate.into(),
            (host / rate).into(),
            one.median(|round| round.publishing.cpu_us(round.published))
                .into(),
            one.median(|round| round.p50_us).into(),
            one.median(|round| round.p99_us).into(),
            one.promise.into(),
        ];
        publish.row(one.name, cells);
        let cells = [
            one.median(|round| round.consuming.per_second(round.consumed)),
            one.median(|round| round.consuming.cpu_us(round.consumed)),
        ];
        consume.row(one.name, cells.map(Into::into));
    }
    vec![publish, consume]
}

fn measure(peer: &mut dyn Peer) -> Round {
    let numbers = AtomicU64::new(0);
    publish(peer, &numbers, WARM_UP);
    let span = Whose::Process(peer.pid()).begin();
    let mut took_us = publish(peer, &numbers, LASTS);
    let publishing = span.end();
    took_us.sort_by(f64::total_cmp);
    let at = |share: f64| took_us[(took_us.len() as f64 * share) as usize];
    let sent = numbers.into_inner();
    assert_eq!(peer.stored(), sent, "stored and acknowledged");
    let (consumed, consuming) = peer.consume(CONSUMED.min(sent / 2));
    Round {
        published: took_us.len() as u64 * peer.batch(),
        publishing,
        p50_us: at(0.5),
        p99_us: at(0.99),
        consumed,
        consuming,
    }
}

/// Publishes on all connections: the microseconds that each request took.
fn publish(peer: &dyn Peer, numbers: &AtomicU64, lasts: Duration) -> Vec<f64> {
    let publishers: Vec<_> = (0..CONNECTIONS).map(|_| peer.publisher()).collect();
    let (batch, until) = (peer.batch(), Instant::now() + lasts);
    let work = |mut publish: Box<dyn FnMut(u64) + Send>| {
        let mut took_us = Vec::new();
        while Instant::now() < until {
            let first = numbers.fetch_add(batch, Ordering::Relaxed);
            let began = Instant::now();
            publish(first);
            took_us.push(began.elapsed().as_secs_f64() * 1e6);
        }
        took_us
    };
    thread::scope(|scope| {
        let small = || thread::Builder::new().stack_size(STACK_BYTES);
        let working: Vec<_> = publishers
            .into_iter()
            .map(|publisher| small().spawn_scoped(scope, || work(publisher)).unwrap())
            .collect();
        let took = working.into_iter().map(|one| one.join().unwrap());
        took.flatten().collect()
    })
}

/// An event as its publisher sends it.
fn event(number: u64) -> String {
    let padding = "x".repeat(PADDING);
    format!(
        r#"{{"specversion":"1.0","id":"{number}","source":"/bench","type":"test.measured.v1","data":{{"order_id":"o-{number}","padding":"{padding}"}}}}"#
    )
}

fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    found.is_ok_and(|output| output.status.success())
}

fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A server with a folder of its own, which is killed when it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    /// Its files are on the disk below the build output.
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts what `command` makes of a folder and a free port, and waits until it
    /// takes connections.
    fn start(command: impl FnOnce(&Path, u16) -> Command) -> Self {
        fs::create_dir_all(guests::scratch()).unwrap();
        let folder = tempfile::tempdir_in(guests::scratch()).unwrap();
        // It is free again when this is dropped.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = command(folder.path(), address.port());
        command.current_dir(folder.path()).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self {
            child: child.unwrap(),
            address,
            _folder: folder,
        };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "{command:?} takes no connection");
            pause(Duration::from_millis(10));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection of a protocol of lines.
struct Lines {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Lines {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: BufReader::new(stream),
            line: String::new(),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// The next line, without its end.
    fn line(&mut self) -> &str {
        self.line.clear();
        let read = self.stream.read_line(&mut self.line).unwrap();
        assert!(read > 0, "the server closed the connection");
        self.line.trim_end()
    }

    /// So many bytes.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        std::io::Read::read_exact(&mut self.stream, &mut bytes).unwrap();
        bytes
    }
}
