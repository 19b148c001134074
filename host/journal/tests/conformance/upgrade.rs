//! Journals that hosts of before wrote.
//!
//! `tests/fixtures/format-1.sqlite` is a journal of format 1, made by [`make`]. A
//! format that a released host writes never changes: its fixture is made once, and
//! a new format gets a fixture of its own beside it. Until the first release, make
//! it anew after a change of `schema.sql`:
//!
//! ```sh
//! cargo nextest run -p waystation-journal --run-ignored only -E 'test(upgrade::make)'
//! ```

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use waystation_core::{Event, KeyWrite, ManualClock, Sequence, Start, StateAccess};
use waystation_journal::embedded::{Embedded, Options};
use waystation_journal::{AttemptOutcome, Disposition, Journal, Settlement};

use crate::engine::{
    START, append, at, died, done, event, failure, ids, name, proposal, retried, subscribe,
};

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1.sqlite")
}

fn open(folder: &tempfile::TempDir) -> Embedded {
    let options = Options {
        folder: folder.path().to_owned(),
        clock: Arc::new(ManualClock::new(START)),
    };
    Embedded::open(options).unwrap()
}

/// The event with every attribute that there is.
fn full() -> Event {
    Event {
        subject: Some("order 4711".into()),
        time: Some("2026-01-02T03:04:05.678+02:00".into()),
        data_content_type: Some("application/json".into()),
        data_schema: Some("https://example.com/schema".into()),
        extensions: [("partitionkey".to_owned(), "4711".to_owned())].into(),
        data: Some(br#"{"total":5}"#.as_slice().into()),
        ..event("full")
    }
}

fn write(key: &str, value: &str) -> KeyWrite {
    KeyWrite {
        namespace: "stock".into(),
        key: key.into(),
        value: Some(value.to_owned().into()),
    }
}

#[tokio::test]
#[ignore = "makes the fixture anew"]
async fn make() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder);
    journal.append(vec![full()]).await.unwrap();
    append(&journal, &["b", "c", "d"]).await;
    let shipping = subscribe(&journal, "shipping").await;
    let billing = subscribe(&journal, "billing").await;
    let lane = Settlement {
        disposition: Disposition::Retry {
            due: at(7_000),
            failure: failure(waystation_core::Code::Timeout),
            lane: Some("order 4711".into()),
        },
        ..done(shipping, 2, 1)
    };
    let publishing = Settlement {
        publish: vec![proposal("effect", 1)],
        state: StateAccess {
            writes: vec![write("apples", "5"), write("pears", "7")],
            ..StateAccess::default()
        },
        ..done(shipping, 1, 1)
    };
    let settlements = vec![publishing, lane, died(billing, 1, 1), done(billing, 3, 1)];
    journal.settle(settlements).await.unwrap();
    let cursors = vec![(shipping, Sequence(2)), (billing, Sequence(1))];
    journal.advance(cursors).await.unwrap();
    journal.close().await.unwrap();
    fs::copy(folder.path().join("journal.sqlite"), fixture()).unwrap();
}

#[tokio::test]
async fn a_journal_of_format_1_is_read_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture(), folder.path().join("journal.sqlite")).unwrap();
    let journal = open(&folder);

    let events = journal.read(Sequence(0), 10, usize::MAX).await.unwrap();
    assert_eq!(ids(&events), ["full", "b", "c", "d", "effect"]);
    assert_eq!(events[0].event, full());
    assert_eq!((events[0].accepted, events[4].depth), (START, 1));
    assert_eq!(events[4].cause.as_ref().unwrap().handler, name("shipping"));

    let shipping = journal
        .subscribe(&name("shipping"), Start::Next)
        .await
        .unwrap();
    assert_eq!((shipping.cursor, shipping.new), (Sequence(2), false));
    assert_eq!(
        shipping.held,
        [(Sequence(2), Some("order 4711".to_owned()))]
    );
    let billing = journal
        .subscribe(&name("billing"), Start::Next)
        .await
        .unwrap();
    assert_eq!(billing.cursor, Sequence(1));
    assert_eq!(billing.settled, [Sequence(3)..=Sequence(3)]);

    let attempts = journal.attempts(Sequence(1)).await.unwrap();
    let outcomes: Vec<_> = attempts.iter().map(|attempt| &attempt.outcome).collect();
    assert!(matches!(
        outcomes[..],
        [AttemptOutcome::Dead { .. }, AttemptOutcome::Ack]
    ));
    let due = journal
        .due(shipping.subscription, at(7_000), vec![], 10)
        .await
        .unwrap();
    assert_eq!((due[0].key.sequence, due[0].due), (Sequence(2), at(7_000)));
    let dead = journal.dead_letters(None, None, 10).await.unwrap();
    assert_eq!((dead[0].key.sequence, dead[0].since), (Sequence(1), START));

    let keys = journal.state_keys("stock", None, 10).await.unwrap();
    assert_eq!(
        (keys.keys, keys.version),
        (vec!["apples".into(), "pears".into()], 2)
    );
    let pears = journal.state("stock", "pears").await.unwrap().unwrap();
    assert_eq!((pears.value, pears.version), ("7".into(), 2));

    let again = journal.append(vec![full(), event("next")]).await.unwrap();
    assert!(again[0].duplicate);
    assert_eq!(again[1].sequence, Sequence(6));
    journal
        .settle(vec![retried(billing.subscription, 2, 1, 5)])
        .await
        .unwrap();
    assert_eq!(journal.redrive(None, None).await.unwrap().len(), 1);
    assert_eq!(journal.waiting(None, None, 10).await.unwrap().len(), 3);
}
