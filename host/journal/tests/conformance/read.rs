//! Reading events.

use waystation_core::{Event, Sequence};
use waystation_journal::Journal;

use crate::engine::{Engine, append, event, ids};

/// Ten events of 100 bytes each, with the ids 1 to 10.
async fn ten(journal: &dyn Journal) {
    let events = (1..=10).map(|n| {
        let mut event = event(&n.to_string());
        let rest = 100 - event.size_bytes();
        event.data = Some(vec![b'x'; rest].into());
        event
    });
    journal.append(events.collect()).await.unwrap();
}

async fn check(
    journal: &dyn Journal,
    (after, events_max, bytes_max): (u64, usize, usize),
    expected: std::ops::RangeInclusive<u64>,
) {
    let entries = journal
        .read(Sequence(after), events_max, bytes_max)
        .await
        .unwrap();
    let found: Vec<u64> = entries.iter().map(|entry| entry.sequence.0).collect();
    let expected: Vec<u64> = expected.collect();
    assert_eq!(
        found, expected,
        "after {after}, {events_max} events, {bytes_max} bytes"
    );
}

#[expect(clippy::reversed_empty_ranges, reason = "the range of no sequence")]
async fn check_bounds(journal: &dyn Journal) {
    check(journal, (0, 100, usize::MAX), 1..=10).await;
    check(journal, (7, 100, usize::MAX), 8..=10).await;
    check(journal, (10, 100, usize::MAX), 1..=0).await;
    check(journal, (99, 100, usize::MAX), 1..=0).await;
    check(journal, (2, 3, usize::MAX), 3..=5).await;
    check(journal, (2, 0, usize::MAX), 1..=0).await;
    check(journal, (0, 100, 1), 1..=1).await;
    check(journal, (0, 100, 200), 1..=2).await;
    check(journal, (0, 100, 201), 1..=3).await;
}

pub async fn ends_at_its_bounds(engine: impl Engine) {
    let journal = engine.open().await;
    ten(&*journal).await;
    check_bounds(&*journal).await;
}

pub async fn memory_and_disk_agree(engine: impl Engine) {
    let journal = engine.open().await;
    ten(&*journal).await;
    let fresh = journal.read(Sequence(0), 100, usize::MAX).await.unwrap();
    journal.close().await.unwrap();

    let journal = engine.open().await;
    check_bounds(&*journal).await;
    let stored = journal.read(Sequence(0), 100, usize::MAX).await.unwrap();
    assert_eq!(fresh, stored);

    append(&*journal, &["11"]).await;
    check(&*journal, (8, 100, usize::MAX), 9..=11).await;
    check(&*journal, (10, 100, usize::MAX), 11..=11).await;
}

pub async fn finds_by_sequence_and_by_id(engine: impl Engine) {
    let journal = engine.open().await;
    let elsewhere = Event {
        source: "/elsewhere".into(),
        ..event("a")
    };
    journal
        .append(vec![event("a"), event("b"), elsewhere])
        .await
        .unwrap();
    for _ in 0..2 {
        let entry = journal.entry(Sequence(2)).await.unwrap().unwrap();
        assert_eq!(
            (entry.sequence, entry.event.id.as_str()),
            (Sequence(2), "b")
        );
        assert_eq!(journal.entry(Sequence(0)).await.unwrap(), None);
        assert_eq!(journal.entry(Sequence(4)).await.unwrap(), None);
        let found = journal.find("a").await.unwrap();
        let sources: Vec<&str> = found.iter().map(|e| e.event.source.as_str()).collect();
        assert_eq!(sources, ["/test", "/elsewhere"]);
        assert!(journal.find("c").await.unwrap().is_empty());
    }
}

pub async fn pages_through_the_newest(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b", "c", "d", "e"]).await;
    let page = async |before| journal.recent(before, 2).await.unwrap();
    assert_eq!(ids(&page(None).await), ["e", "d"]);
    assert_eq!(ids(&page(Some(Sequence(4))).await), ["c", "b"]);
    assert_eq!(ids(&page(Some(Sequence(2))).await), ["a"]);
    assert!(page(Some(Sequence(1))).await.is_empty());
}
