//! State that several attempts change at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;
use waystation_core::{
    Code, Digest, Draft, Event, Failure, KeyRead, KeyWrite, Order, Outcome, RetryPolicy, Sequence,
    Settings, Start, StateAccess, limits,
};
use waystation_dispatch::{Completion, Invocation, Invoke};
use waystation_journal::Journal;
use waystation_journal::embedded::Embedded;

use crate::host::{Host, draft, event, name, retry, seed, settings};

const NAMESPACE: &str = "counters";

/// A handler that counts events under their `key`.
struct Counter {
    generation: Digest,
    journal: Arc<Embedded>,
    /// The attempts that read the state wait here before they end.
    gate: Arc<Semaphore>,
    /// A permit for each attempt that has read the state.
    begun: Arc<Semaphore>,
    /// How an attempt ends that did what it should.
    end: Box<dyn Fn(&Invocation) -> Outcome + Send + Sync>,
    /// The sequence and number of each attempt, with the count that it read.
    attempts: Arc<Mutex<Vec<(u64, u32, u64)>>>,
}

impl Counter {
    fn new(host: &Host, end: impl Fn(&Invocation) -> Outcome + Send + Sync + 'static) -> Self {
        Self {
            generation: Digest::of(b"first"),
            journal: host.journal.clone(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            begun: Arc::new(Semaphore::new(0)),
            end: Box::new(end),
            attempts: Arc::default(),
        }
    }

    /// A counter whose attempts end when they are let through the gate.
    fn gated(host: &Host) -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            ..Self::new(host, |_| Outcome::Ack)
        }
    }

    /// Waits until so many attempts have read the state.
    async fn has_begun(&self, attempts: u32) {
        self.begun.acquire_many(attempts).await.unwrap().forget();
    }
}

#[async_trait]
impl Invoke for Counter {
    fn generation(&self) -> Digest {
        self.generation
    }

    async fn invoke(&self, invocation: Invocation) -> Completion {
        let key = invocation.entry.event.extensions["key"].clone();
        let (count, version) = count(&self.journal, &key).await;
        let sequence = invocation.entry.sequence.0;
        let attempt = (sequence, invocation.attempt, count);
        self.attempts.lock().unwrap().push(attempt);
        self.begun.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        let next = count + 1;
        let read = KeyRead {
            namespace: NAMESPACE.into(),
            key: key.clone(),
            version,
        };
        let write = KeyWrite {
            namespace: NAMESPACE.into(),
            key,
            value: Some(Bytes::copy_from_slice(&next.to_be_bytes())),
        };
        Completion {
            outcome: (self.end)(&invocation),
            drafts: vec![Draft {
                subject: Some(next.to_string()),
                ..draft("counted")
            }],
            state: StateAccess {
                reads: vec![read],
                listings: vec![],
                writes: vec![write],
            },
            took: Duration::ZERO,
        }
    }
}

/// The count under a key, with its version; 0 and 0 if there is none.
async fn count(journal: &Embedded, key: &str) -> (u64, u64) {
    match journal.state(NAMESPACE, key).await.unwrap() {
        None => (0, 0),
        Some(found) => {
            let bytes = found.value.as_ref().try_into().unwrap();
            (u64::from_be_bytes(bytes), found.version)
        }
    }
}

fn keyed(id: impl ToString, key: &str) -> Event {
    Event {
        extensions: [("key".to_owned(), key.to_owned())].into(),
        ..event(id, "a")
    }
}

fn counting() -> Settings {
    settings(&["a"], &["counted"])
}

#[tokio::test]
async fn a_conflict_makes_the_same_attempt_again_and_publishes_nothing_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let counter = Arc::new(Counter::gated(&host));
    host.install("h", counting(), counter.clone()).await;
    host.publish([keyed(1, "k"), keyed(2, "k")]).await;
    counter.has_begun(2).await;
    counter.gate.add_permits(3);
    let settled = host.settled(2).await;
    assert!(settled.iter().all(|one| one.attempt == 1));

    let mut attempts = counter.attempts.lock().unwrap().clone();
    let loser = settled[1].entry.sequence.0;
    assert_eq!(
        attempts.pop(),
        Some((loser, 1, 1)),
        "it saw the other's count"
    );
    attempts.sort_unstable();
    assert_eq!(attempts, [(1, 1, 0), (2, 1, 0)]);
    assert_eq!(count(&host.journal, "k").await.0, 2);
    for (settled, counted) in settled.iter().zip(["1", "2"]) {
        let sequence = settled.entry.sequence;
        let published = host.journal.caused_by(sequence, 10).await.unwrap();
        let subjects: Vec<_> = published
            .iter()
            .map(|e| e.event.subject.as_deref())
            .collect();
        assert_eq!(subjects, [Some(counted)]);
        assert_eq!(host.journal.attempts(sequence).await.unwrap().len(), 1);
    }
    host.stop().await;
}

/// Has another handler count the events so far.
async fn another_counts(host: &mut Host, events: usize) {
    let earliest = Settings {
        start: Start::Earliest,
        ..counting()
    };
    let other = Counter::new(host, |_| Outcome::Ack);
    host.install("other", earliest, Arc::new(other)).await;
    host.settled(events).await;
}

/// The handler is retired while its attempt is settled in vain; the attempt is
/// made again by the generation that comes next.
#[tokio::test]
async fn a_conflict_outlives_a_retired_generation() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let old = Arc::new(Counter::gated(&host));
    host.install("h", counting(), old.clone()).await;
    host.publish([keyed(1, "k")]).await;
    old.has_begun(1).await;
    another_counts(&mut host, 1).await;

    host.dispatch.retire(name("h")).await.unwrap();
    old.gate.add_permits(1);
    let new = Counter {
        generation: Digest::of(b"second"),
        ..Counter::new(&host, |_| Outcome::Ack)
    };
    host.install("h", counting(), Arc::new(new)).await;
    let settled = host.settled(1).await.remove(0);
    assert_eq!(settled.generation, Digest::of(b"second"));
    assert_eq!(settled.attempt, 1);
    assert_eq!(count(&host.journal, "k").await.0, 2);
    host.stop().await;
}

/// What a handler read may have been why it rejected the event.
#[tokio::test]
async fn a_rejection_for_what_is_not_so_any_more_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let reject = |_: &Invocation| Outcome::Reject(Failure::new(Code::Reject, "no"));
    let critic = Arc::new(Counter {
        end: Box::new(reject),
        ..Counter::gated(&host)
    });
    host.install("h", counting(), critic.clone()).await;
    host.publish([keyed(1, "k")]).await;
    critic.has_begun(1).await;
    another_counts(&mut host, 1).await;

    critic.gate.add_permits(2);
    assert!(host.settled(1).await[0].dead);
    let attempts = critic.attempts.lock().unwrap().clone();
    assert_eq!(attempts, [(1, 1, 0), (1, 1, 1)]);
    assert_eq!(count(&host.journal, "k").await.0, 1, "it writes nothing");
    host.stop().await;
}

/// The state is never as the attempts say that it was.
struct Mistaken(AtomicU32);

#[async_trait]
impl Invoke for Mistaken {
    fn generation(&self) -> Digest {
        Digest::of(b"mistaken")
    }

    async fn invoke(&self, _: Invocation) -> Completion {
        self.0.fetch_add(1, Ordering::SeqCst);
        let read = KeyRead {
            namespace: NAMESPACE.into(),
            key: "k".into(),
            version: 7,
        };
        Completion {
            outcome: Outcome::Ack,
            drafts: vec![],
            state: StateAccess {
                reads: vec![read],
                ..StateAccess::default()
            },
            took: Duration::ZERO,
        }
    }
}

#[tokio::test]
async fn an_attempt_that_conflicts_for_ever_fails_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let mistaken = Arc::new(Mistaken(AtomicU32::new(0)));
    let mut settings = counting();
    settings.retry.attempts = 2;
    host.install("h", settings, mistaken.clone()).await;
    host.publish([keyed(1, "k")]).await;
    for (attempt, dead) in [(1, false), (2, true)] {
        let settled = tokio::time::timeout(Duration::from_secs(60), host.settled(1));
        let settled = settled.await.unwrap().remove(0);
        let Outcome::Retry(failure) = &settled.outcome else {
            panic!("{:?}", settled.outcome);
        };
        assert_eq!(failure.code, Code::Conflict);
        assert_eq!((settled.attempt, settled.dead), (attempt, dead));
    }
    let made = mistaken.0.load(Ordering::SeqCst);
    assert_eq!(made, 2 * limits::CONFLICTS_MAX);
    host.stop().await;
}

/// Many handlers count at once, fail at random and panic at random: each event
/// is counted once, and with `order = "key"` each lane in its order.
async fn no_increment_is_lost(order: Order) {
    let events = 400;
    let keys = ["a", "b", "c"];
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let chance = Mutex::new(fastrand::Rng::with_seed(seed()));
    let unsteady = Counter::new(&host, move |_| {
        let drawn = chance.lock().unwrap().u8(0..10);
        match drawn {
            0 => panic!("on purpose"),
            1 | 2 => retry(),
            _ => Outcome::Ack,
        }
    });
    let patient = RetryPolicy {
        attempts: 1_000,
        ..counting().retry
    };
    let settings = Settings {
        order,
        concurrency: 16,
        retry: patient,
        ..counting()
    };
    host.install("h", settings, Arc::new(unsteady)).await;
    let mut expected = BTreeMap::new();
    for n in 0..events {
        let key = keys[n % keys.len()];
        *expected.entry(key).or_insert(0) += 1;
        let subject = Some(format!("lane {}", n % 20));
        host.publish([Event {
            subject,
            ..keyed(n, key)
        }])
        .await;
    }
    let mut done = 0;
    let mut lanes: BTreeMap<String, Vec<Sequence>> = BTreeMap::new();
    while done < events {
        let settled = host.settled(1).await.remove(0);
        if settled.outcome == Outcome::Ack {
            done += 1;
            let lane = settled.entry.event.subject.clone().unwrap();
            lanes.entry(lane).or_default().push(settled.entry.sequence);
        }
    }
    for (key, expected) in expected {
        assert_eq!(count(&host.journal, key).await.0, expected, "{key}");
    }
    if order == Order::Key {
        for (lane, handled) in lanes {
            assert!(handled.is_sorted(), "{lane}: {handled:?}");
        }
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_increment_is_lost_in_any_order() {
    no_increment_is_lost(Order::None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_increment_is_lost_in_lanes() {
    no_increment_is_lost(Order::Key).await;
}
