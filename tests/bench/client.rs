//! A load generator: publishers on connections that stay open, each with one
//! request at a time.
//!
//! It shares the cores with what it measures, so it does as little as it can: a
//! request is made once, and for each event only its id is written into it; of an
//! answer it reads the status and where it ends. What it takes itself is the
//! processor time of this process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::cpu::{Took, Whose};

/// The type of the orders.
pub const ORDER: &str = "test.measured.order.v1";
/// What an order may have its handler publish.
pub const DONE: &str = "test.measured.done.v1";
/// Whose events they are.
pub const SOURCE: &str = "/bench/orders";

/// The bytes of an order's data.
const DATA_BYTES: usize = 200;
/// The bytes of an id: those of a UUID.
const ID_BYTES: usize = 36;

/// The numbers of all events of this run, so that no id comes twice.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The id of the event with this number. It looks like a UUID and lies as far from
/// its neighbours as one, which an index feels; the number is its end.
pub fn id(number: u64) -> String {
    let [a, b, c, d, e, f, g, h] = scattered(number).to_be_bytes();
    let first = u32::from_be_bytes([a, b, c, d]);
    let [second, third] = [[e, f], [g, h]].map(u16::from_be_bytes);
    let third = 0x4000 | (third & 0x0fff);
    format!("{first:08x}-{second:04x}-{third:04x}-8000-{number:012x}")
}

/// The number of the event with this id.
pub fn number(id: &str) -> Option<u64> {
    let (_, end) = id.rsplit_once('-')?;
    u64::from_str_radix(end, 16).ok()
}

/// A number that has nothing in common with its neighbours' (SplitMix64).
fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The address in the URL of an ingest.
pub fn address(url: &str) -> SocketAddr {
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/events");
    address.parse().unwrap()
}

/// How events stand in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One, as JSON.
    Structured,
    /// One, with its attributes in headers.
    Binary,
    /// So many, as JSON.
    Batch(u64),
}

impl Form {
    /// The events of one request.
    pub fn events(self) -> u64 {
        match self {
            Self::Structured | Self::Binary => 1,
            Self::Batch(events) => events,
        }
    }
}

/// A request whose ids are still to be written.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    /// Where the ids stand.
    ids: Vec<usize>,
    body_bytes: usize,
}

/// How much longer than it should a load may last before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Stands for an id.
const BLANK: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

impl Request {
    /// Orders that do nothing more, or that have their handler publish one event.
    pub fn new(form: Form, publishes: bool) -> Self {
        let data = data(publishes);
        let event = format!(
            r#"{{"specversion":"1.0","id":"{BLANK}","source":"{SOURCE}","type":"{ORDER}","datacontenttype":"application/json","data":{data}}}"#
        );
        let (headers, body) = match form {
            Form::Structured => (content_type("application/cloudevents+json"), event),
            Form::Binary => {
                let attributes = format!(
                    "ce-specversion: 1.0\r\nce-id: {BLANK}\r\nce-source: {SOURCE}\r\nce-type: {ORDER}\r\n"
                );
                (content_type("application/json") + &attributes, data)
            }
            Form::Batch(events) => {
                let events: Vec<&str> = (0..events).map(|_| event.as_str()).collect();
                let body = format!("[{}]", events.join(","));
                (content_type("application/cloudevents-batch+json"), body)
            }
        };
        let length = body.len();
        let text = format!(
            "POST /events HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        Self {
            ids: text.match_indices(BLANK).map(|(at, _)| at).collect(),
            bytes: text.into_bytes(),
            body_bytes: length,
        }
    }

    /// The bytes of its body.
    pub fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// Makes its events new ones.
    fn renew(&mut self) {
        let first = NEXT.fetch_add(self.ids.len() as u64, Ordering::Relaxed);
        for (number, at) in (first..).zip(&self.ids) {
            self.bytes[*at..][..ID_BYTES].copy_from_slice(id(number).as_bytes());
        }
    }
}

fn content_type(media_type: &str) -> String {
    format!("content-type: {media_type}\r\n")
}

/// The data of an order.
fn data(publishes: bool) -> String {
    let publish = if publishes {
        format!(r#","publish":"{DONE}""#)
    } else {
        String::new()
    };
    let bare = r#"{"order_id":"o-1234567","padding":""}"#.len() + publish.len();
    let padding = "x".repeat(DATA_BYTES - bare);
    format!(r#"{{"order_id":"o-1234567","padding":"{padding}"{publish}}}"#)
}

/// What is offered.
#[derive(Clone, Debug)]
pub struct Load {
    pub to: SocketAddr,
    pub request: Request,
    pub connections: usize,
    pub lasts: Duration,
    /// The requests in a second over all connections; without it each sends the
    /// next one when it has its answer.
    pub rate: Option<f64>,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Answers {
    /// How many answers had each status.
    pub statuses: BTreeMap<u16, u64>,
    /// How long each answer took, in microseconds, the shortest first. With a rate,
    /// from the moment at which its request was due.
    latencies_us: Vec<u32>,
    /// The numbers of the events.
    pub numbers: Range<u64>,
    /// What offering them took of the clock and of this process.
    pub took: Took,
}

impl Load {
    /// Offers it, on this thread alone.
    pub fn run(&self) -> Answers {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(self.offer())
    }

    async fn offer(&self) -> Answers {
        let first = NEXT.load(Ordering::Relaxed);
        let mut streams = Vec::new();
        for _ in 0..self.connections {
            let stream = TcpStream::connect(self.to).await.unwrap();
            stream.set_nodelay(true).unwrap();
            streams.push(stream);
        }
        let (span, start) = (Whose::Ours.begin(), Instant::now());
        let publishers: Vec<_> = (0..)
            .zip(streams)
            .map(|(index, stream)| tokio::spawn(self.publisher(index, start).run(stream)))
            .collect();
        let mut answers = Answers::default();
        for publisher in publishers {
            let ended = timeout_at(start + self.lasts + PATIENCE, publisher).await;
            answers.merge(ended.unwrap().unwrap());
        }
        answers.took = span.end();
        answers.latencies_us.sort_unstable();
        answers.numbers = first..NEXT.load(Ordering::Relaxed);
        answers
    }

    fn publisher(&self, index: u32, start: Instant) -> Publisher {
        let period = self.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        Publisher {
            request: self.request.clone(),
            due: start + period.unwrap_or_default() * index,
            period: period.map(|period| period * u32::try_from(self.connections).unwrap()),
            end: start + self.lasts,
        }
    }
}

/// One connection's part of a load.
struct Publisher {
    request: Request,
    due: Instant,
    period: Option<Duration>,
    end: Instant,
}

impl Publisher {
    async fn run(mut self, mut stream: TcpStream) -> Answers {
        let mut answers = Answers::default();
        let mut read = Vec::with_capacity(4096);
        loop {
            match self.period {
                Some(_) => sleep_until(self.due).await,
                None => self.due = Instant::now(),
            }
            if self.due >= self.end {
                return answers;
            }
            self.request.renew();
            stream.write_all(&self.request.bytes).await.unwrap();
            let status = answer(&mut stream, &mut read).await;
            answers.note(status, self.due.elapsed());
            self.due += self.period.unwrap_or_default();
        }
    }
}

/// Reads an answer to its end: its status.
async fn answer(stream: &mut TcpStream, read: &mut Vec<u8>) -> u16 {
    read.clear();
    loop {
        let count = stream.read_buf(read).await.unwrap();
        assert_ne!(count, 0, "the server closed a connection");
        let Some(head) = read.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let text = str::from_utf8(&read[..head]).unwrap();
        if read.len() >= head + 4 + content_length(text) {
            return text[9..12].parse().unwrap();
        }
    }
}

/// The length of the body that follows these headers, as hyper writes them.
fn content_length(headers: &str) -> usize {
    const NAME: &str = "\r\ncontent-length: ";
    let (_, value) = headers.split_once(NAME).unwrap();
    let end = value.find('\r').unwrap_or(value.len());
    value[..end].parse().unwrap()
}

impl Answers {
    fn note(&mut self, status: u16, took: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        self.latencies_us.push(micros);
    }

    fn merge(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.latencies_us.extend(other.latencies_us);
    }

    /// The requests, each of which must have been accepted with all its events.
    pub fn accepted(&self) -> u64 {
        assert!(
            self.statuses.keys().all(|status| *status == 202),
            "{:?}",
            self.statuses
        );
        self.statuses.values().sum()
    }

    /// The time within which this share of the answers came, in milliseconds.
    pub fn within_ms(&self, share: f64) -> f64 {
        f64::from(percentile(&self.latencies_us, share)) / 1e3
    }
}

/// What this share of sorted figures does not exceed.
pub fn percentile(sorted: &[u32], share: f64) -> u32 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}
