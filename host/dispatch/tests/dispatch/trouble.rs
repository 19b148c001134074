//! What the host itself fails at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use waystation_core::{
    Clock, Code, Failure, ManualClock, Outcome, RetryPolicy, Settings, Timestamp,
};
use waystation_dispatch::Stop;
use waystation_journal::Journal;

use crate::host::{Host, START, event, handler, name, open, settings, simple};

#[tokio::test]
async fn an_attempt_that_the_host_had_no_room_for_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let asked = Arc::new(AtomicU32::new(0));
    let crowded = {
        let asked = asked.clone();
        simple(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Err(Outcome::Retry(Failure::new(Code::Busy, "no instance"))),
            _ => Ok(vec![]),
        })
    };
    let once = Settings {
        retry: RetryPolicy {
            attempts: 1,
            ..RetryPolicy::default()
        },
        ..settings(&["a"], &[])
    };
    host.install("h", once, crowded).await;
    host.publish([event(1, "a")]).await;
    let settled = host.settled(1).await.remove(0);
    assert_eq!((settled.attempt, &settled.outcome), (1, &Outcome::Ack));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    host.stop().await;
}

/// A clock whose spring breaks when a second has passed.
struct BrokenClock(ManualClock);

impl Clock for BrokenClock {
    fn now(&self) -> Timestamp {
        let now = self.0.now();
        assert!(now == START, "the spring is broken");
        now
    }
}

#[tokio::test]
async fn a_panic_of_dispatch_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(BrokenClock(ManualClock::new(START)));
    let (journal, dispatch) = open(folder.path(), clock.clone());
    clock.0.advance(Duration::from_secs(1));
    let why = dispatch.stopped().await;
    assert!(
        matches!(&why, Stop::Panicked(text) if text.contains("the spring is broken")),
        "{why}"
    );
    journal.close().await.unwrap();
}

#[tokio::test]
async fn a_journal_that_fails_dispatch_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path());
    let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let waits = {
        let (begun, gate) = (begun.clone(), gate.clone());
        handler(move |_| {
            begun.add_permits(1);
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(vec![])
            }
        })
    };
    host.install("h", settings(&["a"], &[]), waits).await;
    host.publish([event(1, "a")]).await;
    begun.acquire().await.unwrap().forget();
    host.journal.close().await.unwrap();
    gate.add_permits(1);
    let why = host.dispatch.stopped().await.to_string();
    assert!(why.ends_with(": the journal is closed"), "{why}");
    assert!(host.dispatch.retire(name("h")).await.is_err());
}

#[tokio::test]
async fn who_drains_dispatch_finds_it_drained() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path());
    let dispatch = host.dispatch.clone();
    host.stop().await;
    assert!(matches!(dispatch.stopped().await, Stop::Drained));
}
