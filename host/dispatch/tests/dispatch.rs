//! Dispatch over the embedded journal, with handlers that are closures.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a test"
)]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Semaphore, broadcast};
use tokio::time::timeout;
use waystation_core::{
    Clock as _, Code, Descriptor, Digest, Draft, Event, Failure, Filter, HandlerName, Instances,
    ManualClock, Order, Outcome, RetryPolicy, Sequence, Settings, Start, StateAccess, Timestamp,
    TypePattern, limits,
};
use waystation_dispatch::{Completion, Dispatch, Invocation, Invoke, Notice, Options, Settled};
use waystation_journal::embedded::{Embedded, Options as JournalOptions};
use waystation_journal::{AttemptOutcome, Journal, Retention};

type Answer = Result<Vec<Draft>, Outcome>;

/// A handler that is a closure.
struct Closure<F> {
    generation: Digest,
    handle: F,
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

fn handler<F: Fn(&Invocation) -> Fut + Send + Sync + 'static, Fut>(handle: F) -> Arc<dyn Invoke>
where
    Fut: Future<Output = Answer> + Send + 'static,
{
    Arc::new(Closure {
        generation: Digest::of(b"first"),
        handle,
    })
}

/// A handler that does one thing, at once.
fn simple(handle: impl Fn(&Invocation) -> Answer + Send + Sync + 'static) -> Arc<dyn Invoke> {
    handler(move |invocation| std::future::ready(handle(invocation)))
}

fn pattern(text: &str) -> TypePattern {
    TypePattern::try_from(text.to_owned()).unwrap()
}

/// Settings that try again at once, up to three times.
fn settings(on: &[&str], publishes: &[&str]) -> Settings {
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

fn event(id: impl ToString, event_type: &str) -> Event {
    Event {
        id: id.to_string(),
        source: "/test".into(),
        event_type: event_type.into(),
        ..Event::default()
    }
}

fn draft(event_type: &str) -> Draft {
    Draft {
        event_type: event_type.into(),
        ..Draft::default()
    }
}

fn retry() -> Outcome {
    Outcome::Retry(Failure::new(Code::Retry, "not yet"))
}

fn name(text: &str) -> HandlerName {
    HandlerName::new(text).unwrap()
}

/// A journal with dispatch on it.
struct Host {
    clock: Arc<ManualClock>,
    journal: Arc<Embedded>,
    dispatch: Dispatch,
    notices: broadcast::Receiver<Notice>,
}

impl Host {
    fn start(folder: &Path) -> Self {
        Self::start_at(folder, Timestamp::from_millis(1_800_000_000_000))
    }

    fn start_at(folder: &Path, now: Timestamp) -> Self {
        let clock = Arc::new(ManualClock::new(now));
        let options = JournalOptions {
            folder: folder.to_owned(),
            clock: clock.clone(),
        };
        let journal = Arc::new(Embedded::open(options).unwrap());
        let workers = tokio::runtime::Handle::current();
        let options = Options {
            clock: clock.clone(),
            workers,
        };
        let dispatch = Dispatch::start(journal.clone(), options);
        let notices = dispatch.notices();
        Self {
            clock,
            journal,
            dispatch,
            notices,
        }
    }

    async fn install(&self, handler: &str, settings: Settings, invoke: Arc<dyn Invoke>) {
        self.dispatch
            .install(name(handler), settings, invoke)
            .await
            .unwrap();
    }

    async fn publish(&self, events: impl IntoIterator<Item = Event>) {
        self.journal
            .append(events.into_iter().collect())
            .await
            .unwrap();
    }

    /// The next so many settled attempts, in the order of their settling.
    async fn settled(&mut self, count: usize) -> Vec<Arc<Settled>> {
        let mut settled = Vec::new();
        while settled.len() < count {
            if let Notice::Settled(one) = self.notices.recv().await.unwrap() {
                settled.push(one);
            }
        }
        settled
    }

    async fn stop(self) {
        self.dispatch.drain().await.unwrap();
        self.journal.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_handler_publishes_is_delivered_with_its_causes() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let second = simple(|_| Ok(vec![]));
    host.install("second", settings(&["b"], &[]), second).await;
    let first = simple(|_| Ok(vec![draft("b")]));
    host.install("first", settings(&["a"], &["b"]), first).await;

    let mut root = event("root", "a");
    root.extensions
        .insert("traceparent".into(), "00-1-1-01".into());
    host.publish([root]).await;
    let settled = host.settled(2).await;
    assert_eq!(settled[0].handler, name("first"));
    assert_eq!(settled[1].handler, name("second"));

    let caused = host.journal.caused_by(Sequence(1), 10).await.unwrap();
    let [published] = caused.as_slice() else {
        panic!("{caused:?}")
    };
    assert_eq!(published.depth, 1);
    assert_eq!(published.event.source, "/waystation/handlers/first");
    let extensions = &published.event.extensions;
    assert_eq!(extensions["correlationid"], "root");
    assert_eq!(extensions["causationid"], "root");
    assert_eq!(extensions["traceparent"], "00-1-1-01");
    assert!(published.event.id.starts_with("first.1."));
    host.stop().await;
}

#[tokio::test]
async fn a_failure_is_tried_again_and_every_attempt_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let flaky = simple(|i| {
        if i.attempt < 3 {
            Err(retry())
        } else {
            Ok(vec![])
        }
    });
    host.install("flaky", settings(&["a"], &[]), flaky).await;
    host.publish([event(1, "a")]).await;
    host.settled(3).await;
    let attempts = host.journal.attempts(Sequence(1)).await.unwrap();
    let outcomes: Vec<bool> = attempts
        .iter()
        .map(|a| matches!(a.outcome, AttemptOutcome::Ack))
        .collect();
    assert_eq!(outcomes, [false, false, true]);
    host.stop().await;
}

#[tokio::test]
async fn a_dead_letter_is_driven_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let broken = simple(|_| Err(Outcome::Reject(Failure::new(Code::Reject, "no"))));
    host.install("h", settings(&["a"], &[]), broken).await;
    host.publish([event(1, "a")]).await;
    assert!(host.settled(1).await[0].dead);
    assert_eq!(
        host.journal
            .dead_letters(None, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );

    host.install("h", settings(&["a"], &[]), simple(|_| Ok(vec![])))
        .await;
    let keys = host
        .journal
        .redrive(Some(&name("h")), Some(Sequence(1)))
        .await
        .unwrap();
    assert_eq!(keys.len(), 1);
    host.dispatch.redriven(keys).await.unwrap();
    let settled = host.settled(1).await;
    assert_eq!(
        (settled[0].attempt, &settled[0].outcome),
        (2, &Outcome::Ack)
    );
    assert!(
        host.journal
            .dead_letters(None, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    host.stop().await;
}

#[tokio::test]
async fn attempts_are_used_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.install("h", settings(&["a"], &[]), simple(|_| Err(retry())))
        .await;
    host.publish([event(1, "a")]).await;
    let settled = host.settled(3).await;
    let dead: Vec<bool> = settled.iter().map(|s| s.dead).collect();
    assert_eq!(dead, [false, false, true]);
    host.stop().await;
}

#[tokio::test]
async fn no_more_attempts_run_than_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let running = Arc::new(AtomicU32::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let peak = Arc::new(AtomicU32::new(0));
    let slow = {
        let (running, gate, peak) = (running.clone(), gate.clone(), peak.clone());
        handler(move |_| {
            let (running, gate, peak) = (running.clone(), gate.clone(), peak.clone());
            async move {
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(vec![])
            }
        })
    };
    host.install(
        "h",
        Settings {
            concurrency: 3,
            ..settings(&["a"], &[])
        },
        slow,
    )
    .await;
    host.publish((0..20).map(|n| event(n, "a"))).await;
    gate.add_permits(20);
    host.settled(20).await;
    assert!(peak.load(Ordering::SeqCst) <= 3);
    host.stop().await;
}

#[tokio::test]
async fn a_lane_keeps_its_order_over_retries() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let seen: Arc<Mutex<BTreeMap<String, Vec<u64>>>> = Arc::default();
    let failures: Arc<Mutex<HashMap<u64, u32>>> = Arc::default();
    let ordered = {
        let seen = seen.clone();
        simple(move |i| {
            let sequence = i.entry.sequence.0;
            let failed = *failures
                .lock()
                .unwrap()
                .entry(sequence)
                .and_modify(|n| *n += 1)
                .or_insert(0);
            if failed < (sequence % 3) as u32 {
                return Err(retry());
            }
            let lane = i.entry.event.subject.clone().unwrap();
            seen.lock().unwrap().entry(lane).or_default().push(sequence);
            Ok(vec![])
        })
    };
    host.install(
        "h",
        Settings {
            order: Order::Key,
            ..settings(&["a"], &[])
        },
        ordered,
    )
    .await;
    let count = 1_000;
    host.publish((0..count).map(|n| Event {
        subject: Some(format!("s{}", n % 7)),
        ..event(n, "a")
    }))
    .await;
    let attempts: u64 = (1..=count).map(|sequence| 1 + sequence % 3).sum();
    host.settled(attempts as usize).await;
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.values().map(Vec::len).sum::<usize>() as u64, count);
    for (lane, sequences) in seen {
        assert!(sequences.is_sorted(), "{lane}: {sequences:?}");
    }
    host.stop().await;
}

/// However much queues up behind it; and when it comes through at last, the lane
/// goes on in order.
#[tokio::test]
async fn a_failing_lane_holds_back_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let mended = Arc::new(AtomicBool::new(false));
    let stubborn = {
        let (seen, mended) = (seen.clone(), mended.clone());
        simple(move |i| {
            let is_bad = i.entry.event.subject.as_deref() == Some("bad");
            if is_bad && !mended.load(Ordering::SeqCst) {
                let hour = Some(Duration::from_secs(3600));
                let failure = Failure::new(Code::Retry, "later").with_after(hour);
                return Err(Outcome::Retry(failure));
            }
            if is_bad {
                seen.lock().unwrap().push(i.entry.sequence.0);
            }
            Ok(vec![])
        })
    };
    let ordered = Settings {
        order: Order::Key,
        ..settings(&["a"], &[])
    };
    host.install("h", ordered.clone(), stubborn.clone()).await;
    let with = |n: usize, subject: &str| Event {
        subject: Some(subject.into()),
        ..event(n, "a")
    };
    let bad = limits::WINDOW_DELIVERIES + 500;
    host.publish((0..bad).map(|n| with(n, "bad"))).await;
    host.publish((bad..bad + 10).map(|n| with(n, "good"))).await;
    let settled = host.settled(11).await;
    let failed = settled.iter().filter(|one| one.outcome != Outcome::Ack);
    assert_eq!(failed.count(), 1, "the first of the lane, and no other");

    // It survives a restart, too: what the lane left behind is in the journal.
    let clock = host.clock.clone();
    host.stop().await;
    let mut host = Host::start_at(folder.path(), clock.now());
    mended.store(true, Ordering::SeqCst);
    host.install("h", ordered, stubborn).await;
    host.clock.advance(Duration::from_secs(3601));
    host.settled(bad).await;
    let expected: Vec<u64> = (1..=bad as u64).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
    host.stop().await;
}

/// More dead letters of one lane than are taken from the journal at once do not
/// hide those of another.
#[tokio::test]
async fn a_redrive_of_a_full_lane_leaves_others_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let ordered = Settings {
        order: Order::Key,
        ..settings(&["a"], &[])
    };
    let broken = simple(|_| Err(Outcome::Reject(Failure::new(Code::Reject, "no"))));
    host.install("h", ordered.clone(), broken).await;
    let full = 200;
    let with = |n: usize, subject: &str| Event {
        subject: Some(subject.into()),
        ..event(n, "a")
    };
    host.publish((0..full).map(|n| with(n, "full"))).await;
    host.publish([with(full, "other")]).await;
    host.settled(full + 1).await;

    // The full lane is stuck in its first attempt until the other one is done.
    let gate = Arc::new(Semaphore::new(0));
    let waits = {
        let gate = gate.clone();
        handler(move |i| {
            let gate = gate.clone();
            let is_full = i.entry.event.subject.as_deref() == Some("full");
            async move {
                if is_full {
                    gate.acquire().await.unwrap().forget();
                }
                Ok(vec![])
            }
        })
    };
    host.install("h", ordered, waits).await;
    let keys = host.journal.redrive(Some(&name("h")), None).await.unwrap();
    assert_eq!(keys.len(), full + 1);
    host.dispatch.redriven(keys).await.unwrap();
    let other = host.settled(1).await;
    assert_eq!(other[0].entry.event.subject.as_deref(), Some("other"));
    gate.add_permits(full);
    host.settled(full).await;
    assert!(
        host.journal
            .waiting(None, None, 1)
            .await
            .unwrap()
            .is_empty()
    );
    host.stop().await;
}

/// A delivery that began without a lane opens no lane when it ends, whatever the
/// order is by then.
#[tokio::test]
async fn a_delivery_leaves_only_the_lane_that_it_runs_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let gates: [Arc<Semaphore>; 2] = [1, 2].map(|_| Arc::new(Semaphore::new(0)));
    let begun = Arc::new(Semaphore::new(0));
    let third_began = Arc::new(AtomicBool::new(false));
    let gated = {
        let (gates, begun) = (gates.clone(), begun.clone());
        let third_began = third_began.clone();
        handler(move |i| {
            let sequence = i.entry.sequence.0;
            let gate = gates.get(sequence as usize - 1).cloned();
            third_began.fetch_or(sequence == 3, Ordering::SeqCst);
            begun.add_permits(1);
            async move {
                if let Some(gate) = gate {
                    gate.acquire().await.unwrap().forget();
                }
                Ok(vec![])
            }
        })
    };
    let in_order = |order| Settings {
        order,
        ..settings(&["a"], &[])
    };
    let with = |n: u32, subject: &str| Event {
        subject: Some(subject.into()),
        ..event(n, "a")
    };
    host.install("h", in_order(Order::None), gated.clone())
        .await;
    host.publish([with(1, "k")]).await;
    begun.acquire().await.unwrap().forget();
    host.install("h", in_order(Order::Key), gated).await;
    host.publish([with(2, "k"), with(3, "k")]).await;
    begun.acquire().await.unwrap().forget();

    gates[0].add_permits(1);
    assert_eq!(host.settled(1).await[0].entry.sequence, Sequence(1));
    host.publish([with(4, "other")]).await;
    assert_eq!(host.settled(1).await[0].entry.sequence, Sequence(4));
    assert!(!third_began.load(Ordering::SeqCst), "the second still runs");
    gates[1].add_permits(1);
    let rest: Vec<u64> = host
        .settled(2)
        .await
        .iter()
        .map(|one| one.entry.sequence.0)
        .collect();
    assert_eq!(rest, [2, 3]);
    host.stop().await;
}

/// The order is changed back and forth while attempts run and fail: every event
/// is handled, each once, and no lane is left behind.
#[tokio::test]
async fn the_order_may_change_while_attempts_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let shaky = || {
        handler(|i| {
            let fails = i.attempt == 1 && i.entry.sequence.0 % 3 == 0;
            async move {
                tokio::task::yield_now().await;
                if fails { Err(retry()) } else { Ok(vec![]) }
            }
        })
    };
    let rounds = 12;
    let each = 60;
    let mut attempts = 0;
    for round in 0..rounds {
        let order = if round % 2 == 0 {
            Order::None
        } else {
            Order::Key
        };
        let settings = Settings {
            order,
            ..settings(&["a"], &[])
        };
        host.install("h", settings, shaky()).await;
        host.publish((0..each).map(|n| Event {
            subject: Some(format!("s{}", n % 5)),
            ..event(round * each + n, "a")
        }))
        .await;
    }
    for sequence in 1..=rounds * each {
        attempts += if sequence % 3 == 0 { 2 } else { 1 };
    }
    let settled = host.settled(attempts).await;
    let acks = settled.iter().filter(|one| one.outcome == Outcome::Ack);
    let mut handled: Vec<u64> = acks.map(|one| one.entry.sequence.0).collect();
    handled.sort_unstable();
    assert_eq!(handled, (1..=(rounds * each) as u64).collect::<Vec<u64>>());
    host.stop().await;
}

#[tokio::test]
async fn a_backlog_larger_than_the_window_is_handled_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let count = limits::WINDOW_DELIVERIES * 3;
    host.publish((0..count).map(|n| event(n, if n % 2 == 0 { "a" } else { "b" })))
        .await;
    let all = Settings {
        start: Start::Earliest,
        ..settings(&["a"], &[])
    };
    host.install("h", all, simple(|_| Ok(vec![]))).await;
    let mut sequences: Vec<u64> = host
        .settled(count / 2)
        .await
        .iter()
        .map(|settled| settled.entry.sequence.0)
        .collect();
    sequences.sort_unstable();
    let expected: Vec<u64> = (0..count as u64).step_by(2).map(|n| n + 1).collect();
    assert_eq!(sequences, expected);

    // It keeps up from here on.
    host.publish([event("last", "a")]).await;
    assert_eq!(host.settled(1).await[0].entry.event.id, "last");
    host.stop().await;
}

#[tokio::test]
async fn a_new_subscription_begins_with_the_next_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.publish([event("before", "a")]).await;
    host.install("h", settings(&["a"], &[]), simple(|_| Ok(vec![])))
        .await;
    host.publish([event("after", "a")]).await;
    assert_eq!(host.settled(1).await[0].entry.event.id, "after");
    host.stop().await;
}

#[tokio::test]
async fn a_retired_handler_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.install("h", settings(&["a"], &[]), simple(|_| Ok(vec![])))
        .await;
    host.publish([event(1, "a")]).await;
    host.settled(1).await;
    host.dispatch.retire(name("h")).await.unwrap();
    host.publish([event(2, "a"), event(3, "a")]).await;
    host.install("h", settings(&["a"], &[]), simple(|_| Ok(vec![])))
        .await;
    let mut ids: Vec<String> = host
        .settled(2)
        .await
        .iter()
        .map(|s| s.entry.event.id.clone())
        .collect();
    ids.sort();
    assert_eq!(ids, ["2", "3"]);
    host.stop().await;
}

#[tokio::test]
async fn a_retired_handler_goes_on_behind_what_was_dropped_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let handler = || simple(|_| Ok(vec![]));
    host.install("h", settings(&["a"], &[]), handler()).await;
    host.publish([event(1, "a")]).await;
    host.settled(1).await;
    host.dispatch.retire(name("h")).await.unwrap();
    host.publish([event(2, "a"), event(3, "a")]).await;
    host.clock.advance(Duration::from_secs(7_200));
    let retention = Retention {
        age: Duration::from_secs(3_600),
        bytes: u64::MAX,
    };
    let retained = host.journal.retain(retention, &[]).await.unwrap();
    assert_eq!(retained.dropped, 3);

    host.install("h", settings(&["a"], &[]), handler()).await;
    let caught_up = async {
        while host.dispatch.view().await.unwrap()[0].behind > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), caught_up).await.unwrap();
    host.publish([event(4, "a")]).await;
    assert_eq!(host.settled(1).await[0].entry.event.id, "4");
    host.stop().await;
}

#[tokio::test]
async fn what_was_not_settled_is_delivered_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path());
    // The first host takes the events and settles some: the rest never returns.
    let stuck = handler(|i| {
        let stays = i.entry.sequence.0 % 2 == 0;
        async move {
            if stays {
                std::future::pending::<()>().await;
            }
            Ok(vec![draft("b")])
        }
    });
    let mut first = host;
    let wide = Settings {
        concurrency: 100,
        ..settings(&["a"], &["b"])
    };
    first.install("h", wide.clone(), stuck).await;
    first.publish((1..=20).map(|n| event(n, "a"))).await;
    first.settled(10).await;
    first.journal.close().await.unwrap();
    drop(first);

    let mut second = Host::start(folder.path());
    second
        .install("h", wide, simple(|_| Ok(vec![draft("b")])))
        .await;
    let mut again: Vec<u64> = second
        .settled(10)
        .await
        .iter()
        .map(|s| s.entry.sequence.0)
        .collect();
    again.sort_unstable();
    assert_eq!(again, (1..=10).map(|n| n * 2).collect::<Vec<u64>>());
    for sequence in 1..=20 {
        let caused = second
            .journal
            .caused_by(Sequence(sequence), 10)
            .await
            .unwrap();
        assert_eq!(
            caused.len(),
            1,
            "event {sequence} has exactly one set of effects"
        );
    }
    second.stop().await;
}

#[tokio::test]
async fn a_draft_that_may_not_be_published_makes_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let forged = [("correlationid".to_owned(), "x".to_owned())].into();
    let drafts = [
        ("may not publish `c`", draft("c")),
        (
            "`correlationid` is given by the host",
            Draft {
                extensions: forged,
                ..draft("b")
            },
        ),
        (
            "subject",
            Draft {
                subject: Some("\u{1}".into()),
                ..draft("b")
            },
        ),
    ];
    for (n, (expected, draft)) in drafts.into_iter().enumerate() {
        let invoke = simple(move |_| Ok(vec![draft.clone()]));
        host.install("h", settings(&["a"], &["b"]), invoke).await;
        host.publish([event(n, "a")]).await;
        let settled = host.settled(1).await;
        let Outcome::Reject(failure) = &settled[0].outcome else {
            panic!("{settled:?}")
        };
        assert_eq!(failure.code, Code::Draft);
        assert!(failure.reason.contains(expected), "{}", failure.reason);
        assert!(settled[0].dead);
    }
    host.stop().await;
}

#[tokio::test]
async fn handlers_that_answer_each_other_are_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.install(
        "echo",
        settings(&["a"], &["a"]),
        simple(|_| Ok(vec![draft("a")])),
    )
    .await;
    host.publish([event(1, "a")]).await;
    let settled = host.settled(limits::DEPTH_MAX as usize + 1).await;
    let Outcome::Reject(failure) = &settled.last().unwrap().outcome else {
        panic!()
    };
    assert_eq!(failure.code, Code::Depth);
    host.stop().await;
}

#[tokio::test]
async fn a_panic_in_the_host_fails_the_attempt_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let broken = simple(|i| {
        if i.attempt == 1 {
            panic!("on purpose")
        } else {
            Ok(vec![])
        }
    });
    host.install("h", settings(&["a"], &[]), broken).await;
    host.publish([event(1, "a")]).await;
    let settled = host.settled(2).await;
    assert_eq!(settled[1].outcome, Outcome::Ack);
    host.stop().await;
}

#[tokio::test]
async fn attempts_finish_on_the_generation_they_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let gate = Arc::new(Semaphore::new(0));
    let begun = Arc::new(Semaphore::new(0));
    let old = {
        let (gate, begun) = (gate.clone(), begun.clone());
        handler(move |_| {
            let (gate, begun) = (gate.clone(), begun.clone());
            async move {
                begun.add_permits(1);
                gate.acquire().await.unwrap().forget();
                Ok(vec![])
            }
        })
    };
    host.install("h", settings(&["a"], &[]), old).await;
    host.publish([event(1, "a")]).await;
    begun.acquire().await.unwrap().forget();
    let new = Closure {
        generation: Digest::of(b"second"),
        handle: |_: &Invocation| std::future::ready(Ok(vec![])),
    };
    host.install("h", settings(&["a"], &[]), Arc::new(new))
        .await;
    host.publish([event(2, "a")]).await;
    let second = host.settled(1).await;
    assert_eq!(second[0].generation, Digest::of(b"second"));
    gate.add_permits(1);
    let first = host.settled(1).await;
    assert_eq!(first[0].generation, Digest::of(b"first"));
    assert_eq!(first[0].entry.event.id, "1");
    host.stop().await;
}
