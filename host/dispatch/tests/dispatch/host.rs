//! A journal with dispatch on it, and handlers that are closures.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use waystation_core::{
    Clock, Code, Descriptor, Digest, Draft, Event, Failure, Filter, HandlerName, Instances,
    ManualClock, Order, Outcome, RetryPolicy, Settings, StateAccess, Timestamp, TypePattern,
};
use waystation_dispatch::{Completion, Dispatch, Invocation, Invoke, Notice, Options, Settled};
use waystation_journal::Journal;
use waystation_journal::embedded::{Embedded, Options as JournalOptions};

pub type Answer = Result<Vec<Draft>, Outcome>;

/// A handler that is a closure.
pub struct Closure<F> {
    pub generation: Digest,
    pub handle: F,
}

#[async_trait]
impl<F: Fn(&Invocation) -> Fut + Send + Sync + 'static, Fut: Future<Output = Answer> + Send> Invoke
    for Closure<F>
{
    fn generation(&self) -> Digest {
        self.generation
    }

    async fn invoke(&self, invocation: Invocation) -> Completion {
        let (outcome, drafts) = match (self.handle)(&invocation).await {
            Ok(drafts) => (Outcome::Ack, drafts),
            Err(outcome) => (outcome, Vec::new()),
        };
        Completion {
            outcome,
            drafts,
            state: StateAccess::default(),
            took: Duration::from_millis(1),
        }
    }
}

pub fn handler<F: Fn(&Invocation) -> Fut + Send + Sync + 'static, Fut>(handle: F) -> Arc<dyn Invoke>
where
    Fut: Future<Output = Answer> + Send + 'static,
{
    Arc::new(Closure {
        generation: Digest::of(b"first"),
        handle,
    })
}

/// A handler that does one thing, at once.
pub fn simple(handle: impl Fn(&Invocation) -> Answer + Send + Sync + 'static) -> Arc<dyn Invoke> {
    handler(move |invocation| std::future::ready(handle(invocation)))
}

pub fn pattern(text: &str) -> TypePattern {
    TypePattern::try_from(text.to_owned()).unwrap()
}

/// Settings that try again at once, up to three times.
pub fn settings(on: &[&str], publishes: &[&str]) -> Settings {
    let descriptor = Descriptor {
        description: String::new(),
        subscriptions: vec![Filter {
            types: on.iter().map(|text| pattern(text)).collect(),
            source: None,
            subject: None,
        }],
        publishes: publishes.iter().map(|text| pattern(text)).collect(),
        capabilities: Vec::new(),
        order: Order::None,
        instances: Instances::Fresh,
    };
    let retry = RetryPolicy {
        attempts: 3,
        first: Duration::ZERO,
        ..RetryPolicy::default()
    };
    Settings {
        retry,
        ..Settings::of(&descriptor)
    }
}

pub fn event(id: impl ToString, event_type: &str) -> Event {
    Event {
        id: id.to_string(),
        source: "/test".into(),
        event_type: event_type.into(),
        ..Event::default()
    }
}

pub fn draft(event_type: &str) -> Draft {
    Draft {
        event_type: event_type.into(),
        ..Draft::default()
    }
}

pub fn retry() -> Outcome {
    Outcome::Retry(Failure::new(Code::Retry, "not yet"))
}

pub fn name(text: &str) -> HandlerName {
    HandlerName::new(text).unwrap()
}

/// The time at which a host starts unless it is told otherwise.
pub const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The seed in `WAYSTATION_SEED`, or a new one; printed, so that a failure can be
/// repeated.
pub fn seed() -> u64 {
    let seed = match env::var("WAYSTATION_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => fastrand::u64(..),
    };
    println!("WAYSTATION_SEED={seed}");
    seed
}

/// The journal in a folder, and dispatch on it.
pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> (Arc<Embedded>, Dispatch) {
    open_with(folder, clock.clone(), clock)
}

fn open_with(
    folder: &Path,
    clock: Arc<dyn Clock>,
    system: Arc<dyn Clock>,
) -> (Arc<Embedded>, Dispatch) {
    let options = JournalOptions {
        folder: folder.to_owned(),
        clock: clock.clone(),
    };
    let journal = Arc::new(Embedded::open(options).unwrap());
    let workers = tokio::runtime::Handle::current();
    let options = Options {
        clock,
        system,
        workers,
    };
    let dispatch = Dispatch::start(journal.clone(), options);
    (journal, dispatch)
}

/// A journal with dispatch on it.
pub struct Host {
    pub clock: Arc<ManualClock>,
    /// The system's clock, which is turned by itself.
    pub system: Arc<ManualClock>,
    pub journal: Arc<Embedded>,
    pub dispatch: Dispatch,
    notices: broadcast::Receiver<Notice>,
}

impl Host {
    pub fn start(folder: &Path) -> Self {
        Self::start_at(folder, START)
    }

    pub fn start_at(folder: &Path, now: Timestamp) -> Self {
        let clock = Arc::new(ManualClock::new(now));
        let system = Arc::new(ManualClock::new(now));
        let (journal, dispatch) = open_with(folder, clock.clone(), system.clone());
        let notices = dispatch.notices();
        Self {
            clock,
            system,
            journal,
            dispatch,
            notices,
        }
    }

    pub async fn install(&self, handler: &str, settings: Settings, invoke: Arc<dyn Invoke>) {
        self.dispatch
            .install(name(handler), settings, invoke)
            .await
            .unwrap();
    }

    pub async fn publish(&self, events: impl IntoIterator<Item = Event>) {
        self.journal
            .append(events.into_iter().collect())
            .await
            .unwrap();
    }

    /// The next so many settled attempts, in the order of their settling.
    pub async fn settled(&mut self, count: usize) -> Vec<Arc<Settled>> {
        let mut settled = Vec::new();
        while settled.len() < count {
            if let Notice::Settled(one) = self.notices.recv().await.unwrap() {
                settled.push(one);
            }
        }
        settled
    }

    pub async fn stop(self) {
        self.dispatch.drain().await.unwrap();
        self.journal.close().await.unwrap();
    }
}
