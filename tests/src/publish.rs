//! A publisher, and what it can tell of each answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::host::{BATCH, STRUCTURED};
use crate::ledger::Ledger;
use crate::load::{Event, id, source};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most events of a random batch.
const BATCH_EVENTS: usize = 40;
/// The events that may be offered once more.
const REMEMBERED: usize = 50;

/// What became of an event, as far as its publisher knows; the better the
/// greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// The host said that it did not store it.
    Refused,
    /// No answer came, or one that leaves it open.
    Unknown,
    /// The host said that it is durable.
    Acknowledged,
}

/// An answer with what HTTP says.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    pub answer: Answer,
    /// None if no answer came.
    pub status: Option<u16>,
    pub says_when_to_retry: bool,
}

/// A connection to an ingest.
pub struct Client {
    agent: ureq::Agent,
    url: String,
}

impl Client {
    pub fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE));
        Self {
            agent: config.build().into(),
            url: url.to_owned(),
        }
    }

    /// Offers events in one batch.
    pub fn batch(&self, events: &[Event]) -> Reply {
        let events: Vec<Value> = events.iter().map(Event::to_json).collect();
        let body = Value::from(events).to_string();
        self.send(&[BATCH], body.as_bytes())
    }

    pub fn structured(&self, event: &Event) -> Reply {
        self.send(&[STRUCTURED], event.to_json().to_string().as_bytes())
    }

    /// Offers an event with its attributes in headers.
    pub fn binary(&self, event: &Event) -> Reply {
        let (id, source) = (id(event.number), source(event.number));
        let key = event.key.map(|key| format!("key-{key}"));
        let mut headers = vec![
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-id", &id),
            ("ce-source", &source),
            ("ce-type", event.event_type),
        ];
        headers.extend(key.as_deref().map(|key| ("ce-partitionkey", key)));
        self.send(&headers, event.data().to_string().as_bytes())
    }

    /// Posts a body.
    pub fn send(&self, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = self.agent.post(&self.url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let Ok(mut response) = request.send(body) else {
            return Reply {
                answer: Answer::Unknown,
                status: None,
                says_when_to_retry: false,
            };
        };
        let status = response.status().as_u16();
        let says_when_to_retry = response.headers().contains_key("retry-after");
        // The connection can be used again only once the answer was read; whether
        // the end of it came changes nothing.
        let _ = response.body_mut().read_to_vec();
        let answer = match status {
            202 => Answer::Acknowledged,
            400..500 | 507 => Answer::Refused,
            503 if says_when_to_retry => Answer::Refused,
            // A host whose disk failed cannot know what of it is there.
            _ => Answer::Unknown,
        };
        Reply {
            answer,
            status: Some(status),
            says_when_to_retry,
        }
    }
}

/// Offers events at random, one request after the other.
pub struct Publisher<'a> {
    client: Client,
    numbers: &'a AtomicU64,
    random: Rng,
    recent: Vec<Event>,
    ledger: Ledger,
}

impl<'a> Publisher<'a> {
    /// A publisher that takes the numbers of its events from `numbers`.
    pub fn new(url: &str, numbers: &'a AtomicU64, random: Rng) -> Self {
        Self {
            client: Client::new(url),
            numbers,
            random,
            recent: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    /// Offers events until it is told to stop or the host is gone.
    pub fn run(mut self, stop: &AtomicBool) -> Ledger {
        while !stop.load(Ordering::Acquire) {
            if self.offer().status.is_none() {
                break;
            }
        }
        self.ledger
    }

    /// Makes one request, now and then a wrong one.
    pub fn offer(&mut self) -> Reply {
        let (events, reply) = match self.random.u8(..10) {
            0..4 => {
                let event = self.event();
                let reply = self.client.structured(&event);
                (vec![event], reply)
            }
            4..7 => {
                let event = self.event();
                let reply = self.client.binary(&event);
                (vec![event], reply)
            }
            7..9 => {
                let count = self.random.usize(1..=BATCH_EVENTS);
                let events: Vec<Event> = (0..count).map(|_| self.event()).collect();
                let reply = self.client.batch(&events);
                (events, reply)
            }
            _ => self.offer_a_wrong_batch(),
        };
        for event in &events {
            self.ledger.note(event, reply.answer);
        }
        if reply.answer == Answer::Acknowledged {
            self.recent.extend(events);
            let forgotten = self.recent.len().saturating_sub(REMEMBERED);
            self.recent.drain(..forgotten);
        }
        reply
    }

    /// A batch whose last event lacks its type: none of it may be stored.
    fn offer_a_wrong_batch(&mut self) -> (Vec<Event>, Reply) {
        let events: Vec<Event> = (0..3).map(|_| self.fresh()).collect();
        let mut batch: Vec<Value> = events.iter().map(Event::to_json).collect();
        if let Some(last) = batch.last_mut().and_then(Value::as_object_mut) {
            last.remove("type");
        }
        let body = json!(batch).to_string();
        let reply = self.client.send(&[BATCH], body.as_bytes());
        assert_ne!(reply.answer, Answer::Acknowledged, "{body}");
        (events, reply)
    }

    /// An event, now and then one that was acknowledged before.
    fn event(&mut self) -> Event {
        let again = self.random.u8(..20) == 0;
        let recent = self.random.choice(&self.recent).filter(|_| again).cloned();
        recent.unwrap_or_else(|| self.fresh())
    }

    fn fresh(&mut self) -> Event {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        Event::random(number, &mut self.random)
    }
}

/// Lets publishers offer events at random for as long as `meanwhile` takes.
pub fn publish_at_random(
    url: &str,
    publishers: usize,
    numbers: &AtomicU64,
    random: &mut Rng,
    meanwhile: impl FnOnce(),
) -> Ledger {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stopper = Stopper(&stop);
        let running: Vec<_> = (0..publishers)
            .map(|_| {
                let publisher = Publisher::new(url, numbers, random.fork());
                scope.spawn(|| publisher.run(&stop))
            })
            .collect();
        meanwhile();
        drop(stopper);
        let mut ledger = Ledger::default();
        for publisher in running {
            ledger.merge(publisher.join().unwrap());
        }
        ledger
    })
}

/// Stops publishers, also when a test fails while they run.
struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
