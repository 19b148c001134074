//! How far a subscription has come, as others find it in the journal.

use std::time::Duration;

use waystation_core::Sequence;
use waystation_journal::Journal;

use crate::host::{Host, event, settings, simple};

/// Waits until each subscription is stored to have come so far.
async fn have_come_to(host: &Host, sequence: Sequence) {
    let stored = async {
        loop {
            let subscriptions = host.journal.subscriptions().await.unwrap();
            if subscriptions.iter().all(|one| one.cursor == sequence) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), stored)
        .await
        .unwrap();
}

/// Otherwise retention would keep for it all that passed it by.
#[tokio::test]
async fn a_handler_that_nothing_comes_for_keeps_up_in_the_journal_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    for (handler, asks_for) in [("idle", "never"), ("busy", "a")] {
        let nothing = simple(|_| Ok(vec![]));
        host.install(handler, settings(&[asks_for], &[]), nothing)
            .await;
    }
    host.publish((0..50).map(|n| event(n, "a"))).await;
    host.settled(50).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    have_come_to(&host, Sequence(50)).await;
    host.stop().await;
}
