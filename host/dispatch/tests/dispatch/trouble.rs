//! What the host itself fails at.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use waystation_core::{Clock, ManualClock, Timestamp};
use waystation_dispatch::Stop;
use waystation_journal::Journal;

use crate::host::{Host, START, event, handler, name, open, settings};

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
