//! The order of a lane, whatever fails.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use waystation_core::{
    Clock, Code, Event, Failure, Order, Outcome, RetryPolicy, Sequence, Settings, Timestamp, limits,
};
use waystation_journal::{Journal, Retention};

use crate::host::{Host, START, event, handler, name, open, retry, seed, settings, simple};

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

/// The handler is retired for so long that the event is dropped while its attempt
/// runs.
#[tokio::test]
async fn a_lane_waits_for_no_event_that_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let keyed = Settings {
        order: Order::Key,
        ..settings(&["a"], &[])
    };
    let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let late = {
        let (begun, gate) = (begun.clone(), gate.clone());
        handler(move |_| {
            begun.add_permits(1);
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                Err(retry())
            }
        })
    };
    host.install("h", keyed.clone(), late).await;
    let of_lane = |n: u64| Event {
        subject: Some("lane".into()),
        ..event(n, "a")
    };
    host.publish([of_lane(1)]).await;
    begun.acquire().await.unwrap().forget();
    host.dispatch.retire(name("h")).await.unwrap();
    let age = Duration::from_secs(3600);
    host.clock.advance(age);
    let retention = Retention {
        age,
        bytes: u64::MAX,
    };
    let retained = host.journal.retain(retention, &[]).await.unwrap();
    assert_eq!(retained.dropped, 1);
    gate.add_permits(1);
    let settled = host.settled(1).await.remove(0);
    assert_eq!((settled.due_in, settled.dead), (None, false));

    host.install("h", keyed, simple(|_| Ok(vec![]))).await;
    host.publish([of_lane(2)]).await;
    let settled = tokio::time::timeout(Duration::from_secs(30), host.settled(1));
    let settled = settled.await.unwrap().remove(0);
    assert_eq!(settled.entry.sequence, Sequence(2));
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

/// The lanes of a long run.
const LANES: usize = 64;
/// The lane whose first event fails for ever.
const BAD: usize = 7;

/// What the handler of a long run has done, and how it behaves.
struct LongRun {
    chance: Mutex<fastrand::Rng>,
    /// The events of each lane that were handled, which must be handled in order.
    handled: Mutex<Vec<usize>>,
    inversions: Mutex<Vec<String>>,
    /// All that were handled.
    progress: watch::Sender<usize>,
}

impl LongRun {
    fn new(seed: u64) -> Self {
        Self {
            chance: Mutex::new(fastrand::Rng::with_seed(seed)),
            handled: Mutex::new(vec![0; LANES]),
            inversions: Mutex::default(),
            progress: watch::Sender::new(0),
        }
    }

    /// Handles the event with this number, or fails.
    fn handle(&self, number: usize) -> Result<(), Outcome> {
        let (place, lane) = (number / LANES, number % LANES);
        let mut handled = self.handled.lock().unwrap();
        let next = handled[lane];
        if place > next {
            let inversion = format!("lane {lane}: {place} came before {next}");
            self.inversions.lock().unwrap().push(inversion);
        }
        let pause = match self.chance.lock().unwrap().u8(0..100) {
            _ if lane == BAD => 20,
            0 => 2,
            1..5 => 0,
            // It is made again only if it was cut off before it was settled.
            _ if place < next => return Ok(()),
            _ => {
                handled[lane] += 1;
                drop(handled);
                self.progress.send_modify(|progress| *progress += 1);
                return Ok(());
            }
        };
        let failure = Failure::new(Code::Retry, "not yet");
        let pause = Some(Duration::from_millis(pause));
        Err(Outcome::Retry(failure.with_after(pause)))
    }
}

/// Time that passes.
struct RunningClock(Instant);

impl Clock for RunningClock {
    fn now(&self) -> Timestamp {
        START.after(self.0.elapsed())
    }
}

/// Events in lanes, with failures and retries at random, one lane that never gets
/// anywhere, and restarts in between, half of which cut the attempts off that run.
/// `WAYSTATION_ORDER_EVENTS=N` tries another number of events, `WAYSTATION_SEED=N`
/// repeats a run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_run_inverts_no_lane_and_a_failing_lane_holds_back_no_other() {
    let events = match env::var("WAYSTATION_ORDER_EVENTS") {
        Ok(count) => count.parse().unwrap(),
        Err(_) => 100_000,
    };
    let rounds = 5;
    let run = Arc::new(LongRun::new(seed()));
    let clock = Arc::new(RunningClock(Instant::now()));
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        order: Order::Key,
        concurrency: 64,
        retry: RetryPolicy {
            attempts: u32::MAX,
            first: Duration::ZERO,
            ..RetryPolicy::default()
        },
        ..settings(&["a"], &[])
    };
    let mut progress = run.progress.subscribe();
    for round in 0..rounds {
        let (journal, dispatch) = open(folder.path(), clock.clone());
        let invoke = {
            let run = run.clone();
            handler(move |i| {
                let (run, number) = (run.clone(), i.entry.event.id.parse().unwrap());
                async move {
                    tokio::task::yield_now().await;
                    run.handle(number).map(|()| vec![])
                }
            })
        };
        let install = dispatch.install(name("h"), settings.clone(), invoke);
        install.await.unwrap();
        let numbers: Vec<usize> =
            (events * round / rounds..events * (round + 1) / rounds).collect();
        for numbers in numbers.chunks(500) {
            let lane = |n: &usize| Some(format!("lane {}", n % LANES));
            let batch = numbers.iter().map(|n| Event {
                subject: lane(n),
                ..event(n, "a")
            });
            journal.append(batch.collect()).await.unwrap();
        }
        // The last round waits for all that the bad lane does not hold back.
        let is_last = round + 1 == rounds;
        let share = if is_last { rounds * 2 } else { round * 2 + 1 };
        let good = events - (0..events).filter(|n| n % LANES == BAD).count();
        let goal = good * share / (rounds * 2);
        progress.wait_for(|handled| *handled >= goal).await.unwrap();
        if is_last || round % 2 == 0 {
            dispatch.drain().await.unwrap();
        }
        journal.close().await.unwrap();
    }
    let handled = run.handled.lock().unwrap().clone();
    let inversions = run.inversions.lock().unwrap().clone();
    assert!(inversions.is_empty(), "{inversions:?}");
    for (lane, handled) in handled.into_iter().enumerate() {
        let all = (lane..events).step_by(LANES).count();
        assert_eq!(handled, if lane == BAD { 0 } else { all }, "lane {lane}");
    }
}
