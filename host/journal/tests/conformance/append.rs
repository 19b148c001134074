//! Appending events.

use std::collections::BTreeMap;

use waystation_core::{Event, Sequence};
use waystation_journal::Appended;

use crate::engine::{Engine, append, at, event, sequences};

pub async fn sequences_count_from_one_without_a_gap(engine: impl Engine) {
    let journal = engine.open().await;
    assert_eq!(append(&*journal, &["a", "b"]).await, [1, 2]);
    assert_eq!(append(&*journal, &[]).await, [0_u64; 0]);
    assert_eq!(append(&*journal, &["a", "c", "d"]).await, [1, 3, 4]);
    journal.close().await.unwrap();
    let journal = engine.open().await;
    assert_eq!(append(&*journal, &["e"]).await, [5]);
}

pub async fn an_event_outlives_a_restart_as_it_was(engine: impl Engine) {
    let full = Event {
        id: "1".into(),
        source: "/orders?a='b\"".into(),
        event_type: "com.example.orders.paid.v1".into(),
        subject: Some("ä \u{1F980}".into()),
        time: Some("2026-01-02T03:04:05.678+02:00".into()),
        data_content_type: Some("application/json".into()),
        data_schema: Some("https://example.com/schema".into()),
        extensions: BTreeMap::from([
            ("correlationid".into(), "x\"y".into()),
            ("partitionkey".into(), "".into()),
        ]),
        data: Some(vec![0, 255, b'{'].into()),
    };
    let no_bytes = Event {
        data: Some(Vec::new().into()),
        ..event("2")
    };
    let events = vec![full, no_bytes, event("3")];

    let journal = engine.open().await;
    engine.clock().set(at(5));
    journal.append(events.clone()).await.unwrap();
    engine.clock().set(at(6));
    journal.close().await.unwrap();
    let journal = engine.open().await;

    assert_eq!(*journal.head().borrow(), Sequence(3));
    let entries = journal.read(Sequence(0), 10, usize::MAX).await.unwrap();
    assert_eq!(entries.len(), events.len());
    for (entry, event) in entries.iter().zip(events) {
        assert_eq!(entry.event, event);
        assert_eq!(
            (entry.accepted, entry.depth, &entry.cause),
            (at(5), 0, &None)
        );
    }
}

pub async fn the_same_source_and_id_twice_is_one_event(engine: impl Engine) {
    let elsewhere = Event {
        source: "/elsewhere".into(),
        ..event("a")
    };
    let changed = Event {
        subject: Some("changed".into()),
        ..event("a")
    };
    let journal = engine.open().await;
    let batch = vec![event("a"), changed.clone(), elsewhere.clone(), event("b")];
    let first = journal.append(batch.clone()).await.unwrap();
    let appended = |sequence, duplicate| Appended {
        sequence: Sequence(sequence),
        duplicate,
    };
    let expected = [
        appended(1, false),
        appended(1, true),
        appended(2, false),
        appended(3, false),
    ];
    assert_eq!(first, expected);
    journal.close().await.unwrap();

    let journal = engine.open().await;
    let again = journal.append(batch).await.unwrap();
    assert_eq!(sequences(&again), sequences(&first));
    assert!(again.iter().all(|appended| appended.duplicate));
    let kept = journal.entry(Sequence(1)).await.unwrap().unwrap();
    assert_eq!(kept.event, event("a"));
}

pub async fn many_at_once_are_each_appended_once(engine: impl Engine) {
    let journal = std::sync::Arc::<dyn waystation_journal::Journal>::from(engine.open().await);
    let mut appends = tokio::task::JoinSet::new();
    for n in 0..300 {
        let journal = std::sync::Arc::clone(&journal);
        // Each id comes twice.
        appends.spawn(async move { append(&*journal, &[&(n / 2).to_string()]).await });
    }
    let mut found: Vec<u64> = appends.join_all().await.into_iter().flatten().collect();
    found.sort_unstable();
    let expected: Vec<u64> = (0..300).map(|n| n / 2 + 1).collect();
    assert_eq!(found, expected);
    assert_eq!(*journal.head().borrow(), Sequence(150));
}

pub async fn the_head_follows_the_newest_event(engine: impl Engine) {
    let journal = engine.open().await;
    let mut head = journal.head();
    assert_eq!(*head.borrow_and_update(), Sequence(0));
    append(&*journal, &["a", "b"]).await;
    head.changed().await.unwrap();
    assert_eq!(*head.borrow_and_update(), Sequence(2));
    append(&*journal, &["a"]).await;
    assert!(!head.has_changed().unwrap(), "a duplicate is no new event");
}
