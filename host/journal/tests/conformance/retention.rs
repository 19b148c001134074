//! What is dropped, and what never is.

use std::time::Duration;

use waystation_core::{Sequence, Start, Timestamp, limits};
use waystation_journal::{Commit, Journal, Retained, Retention, SubscriptionId};

use crate::engine::{Engine, START, append, died, done, event, ids, name, retried, subscribe};

const HOUR: Duration = Duration::from_secs(3_600);

/// A day, and no bound on the size.
const DAY: Retention = Retention {
    age: Duration::from_secs(24 * 3_600),
    bytes: u64::MAX,
};

/// No time at all, for want of room.
const NO_ROOM: Retention = Retention {
    age: Duration::MAX,
    bytes: 0,
};

fn hours(count: u32) -> Timestamp {
    START.after(HOUR * count)
}

/// A journal to which an event was appended in each of six hours, with the
/// subscription `shipping`.
async fn six_hours(engine: &impl Engine) -> (Box<dyn Journal>, SubscriptionId) {
    let journal = engine.open().await;
    for (id, hour) in ["a", "b", "c", "d", "e", "f"].into_iter().zip(0..) {
        engine.clock().set(hours(hour));
        append(&*journal, &[id]).await;
    }
    let shipping = subscribe(&*journal, "shipping").await;
    (journal, shipping)
}

async fn settle_all(journal: &dyn Journal, subscription: SubscriptionId) {
    let all = (1..=6).map(|sequence| done(subscription, sequence, 1));
    journal.settle(all.collect()).await.unwrap();
    let cursor = vec![(subscription, Sequence(6))];
    journal.advance(cursor).await.unwrap();
}

/// Retains with `shipping` in service, and gives back the ids of what is left.
async fn left(journal: &dyn Journal, retention: Retention) -> String {
    retain(journal, retention, &["shipping"]).await;
    let left = journal.read(Sequence(0), 100, usize::MAX).await.unwrap();
    ids(&left).concat()
}

async fn retain(journal: &dyn Journal, retention: Retention, serving: &[&str]) -> Retained {
    let serving: Vec<_> = serving.iter().map(|handler| name(handler)).collect();
    journal.retain(retention, &serving).await.unwrap()
}

pub async fn drops_what_is_older_than_its_age(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    settle_all(&*journal, shipping).await;
    for (now, expected) in [
        (23, "abcdef"),
        (24, "bcdef"),
        (26, "def"),
        (26, "def"),
        (100, ""),
    ] {
        engine.clock().set(hours(now));
        assert_eq!(left(&*journal, DAY).await, expected, "after {now} h");
    }
    assert_eq!(append(&*journal, &["g"]).await, [7]);
}

pub async fn drops_attempts_with_their_event(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    settle_all(&*journal, shipping).await;
    engine.clock().set(hours(26));
    assert_eq!(retain(&*journal, DAY, &[]).await.dropped, 3);
    let attempts = journal.recent_attempts(None, 100).await.unwrap();
    let mut left: Vec<u64> = attempts
        .iter()
        .map(|attempt| attempt.key.sequence.0)
        .collect();
    left.sort_unstable();
    assert_eq!(left, [4, 5, 6]);
}

pub async fn keeps_what_is_not_settled(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    engine.clock().set(hours(1_000));
    assert_eq!(left(&*journal, DAY).await, "abcdef");
    assert_eq!(left(&*journal, NO_ROOM).await, "abcdef");
    // Settled, but above a cursor that was not stored yet.
    journal
        .settle(vec![done(shipping, 1, 1), done(shipping, 3, 1)])
        .await
        .unwrap();
    assert_eq!(left(&*journal, DAY).await, "abcdef");
    journal
        .advance(vec![(shipping, Sequence(1))])
        .await
        .unwrap();
    assert_eq!(left(&*journal, DAY).await, "bcdef");
    let other = subscribe(&*journal, "other").await;
    journal
        .advance(vec![(shipping, Sequence(6))])
        .await
        .unwrap();
    let both = ["shipping", "other"];
    for retention in [DAY, NO_ROOM] {
        let retained = retain(&*journal, retention, &both).await;
        assert_eq!((retained.dropped, retained.last), (0, vec![name("other")]));
    }
    journal.advance(vec![(other, Sequence(3))]).await.unwrap();
    let retained = retain(&*journal, DAY, &both).await;
    assert_eq!((retained.dropped, retained.lost_to_age), (2, vec![]));
    let all = journal.read(Sequence(0), 100, usize::MAX).await.unwrap();
    assert_eq!(ids(&all), ["d", "e", "f"]);
}

pub async fn keeps_what_waits_or_is_dead(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    let other = subscribe(&*journal, "other").await;
    settle_all(&*journal, shipping).await;
    let exceptions = vec![retried(other, 2, 1, 5), died(other, 4, 1)];
    journal.settle(exceptions).await.unwrap();
    journal.advance(vec![(other, Sequence(6))]).await.unwrap();
    engine.clock().set(hours(1_000));
    assert_eq!(left(&*journal, DAY).await, "bd");
    assert_eq!(left(&*journal, NO_ROOM).await, "bd");

    assert_eq!(journal.attempts(Sequence(2)).await.unwrap().len(), 2);
    assert_eq!(
        ids(&journal.read(Sequence(2), 10, usize::MAX).await.unwrap()),
        ["d"]
    );
    assert_eq!(journal.entry(Sequence(3)).await.unwrap(), None);
    assert!(journal.attempts(Sequence(3)).await.unwrap().is_empty());
    assert!(journal.find("c").await.unwrap().is_empty());
    assert_eq!(ids(&journal.recent(None, 10).await.unwrap()), ["d", "b"]);
    let waiting = journal.waiting(None, None, 10).await.unwrap();
    assert_eq!(ids(waiting.iter().map(|due| &due.entry)), ["b"]);
    assert_eq!(journal.redrive(None, None).await.unwrap().len(), 1);
    assert!(
        journal
            .redrive(None, Some(Sequence(3)))
            .await
            .unwrap()
            .is_empty()
    );

    journal
        .settle(vec![done(other, 2, 2), done(other, 4, 2)])
        .await
        .unwrap();
    assert_eq!(left(&*journal, DAY).await, "");
}

pub async fn a_handler_out_of_service_keeps_an_event_for_its_age_only(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    let retired = subscribe(&*journal, "retired").await;
    settle_all(&*journal, shipping).await;
    engine.clock().set(hours(20));
    let retained = retain(&*journal, DAY, &["shipping"]).await;
    assert_eq!((retained.dropped, retained.lost_to_age), (0, vec![]));
    engine.clock().set(hours(26));
    let retained = retain(&*journal, DAY, &["shipping"]).await;
    assert_eq!(
        (retained.dropped, retained.lost_to_age),
        (3, vec![name("retired")])
    );
    // It goes on with what is left.
    let back = journal
        .subscribe(&name("retired"), Start::Next)
        .await
        .unwrap();
    assert_eq!((back.subscription, back.cursor), (retired, Sequence(0)));
    let next = journal.read(back.cursor, 1, usize::MAX).await.unwrap();
    assert_eq!(ids(&next), ["d"]);
    // An attempt of it that fails only now has nothing to try again.
    let late = vec![retried(retired, 1, 1, 5), died(retired, 2, 1)];
    let commits = journal.settle(late).await.unwrap();
    assert_eq!(commits, [Commit::Gone, Commit::Gone]);
    assert!(journal.waiting(None, None, 10).await.unwrap().is_empty());
    assert!(
        journal
            .dead_letters(None, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

/// Nobody would ever drop the row of the attempt.
pub async fn an_attempt_of_what_was_dropped_leaves_its_effects_only(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    engine.clock().set(hours(26));
    assert_eq!(retain(&*journal, DAY, &[]).await.dropped, 3);
    let late = waystation_journal::Settlement {
        publish: vec![crate::engine::proposal("effect", 1)],
        ..done(shipping, 1, 1)
    };
    let commits = journal.settle(vec![late, done(shipping, 4, 1)]).await;
    assert_eq!(commits.unwrap(), [Commit::Gone, Commit::Stored]);
    assert!(journal.attempts(Sequence(1)).await.unwrap().is_empty());
    assert_eq!(journal.recent_attempts(None, 10).await.unwrap().len(), 1);
    assert_eq!(journal.find("effect").await.unwrap().len(), 1);
}

pub async fn drops_the_oldest_for_want_of_room(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    settle_all(&*journal, shipping).await;
    let roomy = Retention {
        bytes: u64::MAX,
        ..NO_ROOM
    };
    assert_eq!(left(&*journal, roomy).await, "abcdef");
    assert_eq!(
        left(&*journal, NO_ROOM).await,
        "f",
        "the newest is younger than the window"
    );
}

pub async fn for_want_of_room_waits_for_no_handler_out_of_service(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    let retired = subscribe(&*journal, "retired").await;
    settle_all(&*journal, shipping).await;
    // What it is done with goes first, and is enough.
    journal.advance(vec![(retired, Sequence(2))]).await.unwrap();
    let all = retain(&*journal, DAY, &["shipping"]).await.bytes;
    let enough = Retention {
        bytes: all,
        ..NO_ROOM
    };
    let retained = retain(&*journal, enough, &["shipping"]).await;
    assert_eq!((retained.dropped, retained.lost_to_room), (0, vec![]));

    let retained = retain(&*journal, NO_ROOM, &["shipping", "retired"]).await;
    assert_eq!((retained.dropped, retained.lost_to_room), (2, vec![]));
    assert_eq!(retained.last, [name("retired")]);
    let retained = retain(&*journal, NO_ROOM, &["shipping"]).await;
    assert_eq!(
        (retained.dropped, retained.lost_to_room),
        (3, vec![name("retired")])
    );
    let left = journal.read(Sequence(0), 100, usize::MAX).await.unwrap();
    assert_eq!(ids(&left), ["f"], "it is younger than the window");
}

pub async fn the_same_source_and_id_is_known_for_the_window(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    settle_all(&*journal, shipping).await;
    let nothing = Retention {
        age: Duration::ZERO,
        bytes: 0,
    };
    let window = limits::DEDUPE_WINDOW;
    let last = hours(5);
    engine
        .clock()
        .set(last.after(window - Duration::from_millis(1)));
    assert_eq!(left(&*journal, nothing).await, "f");
    engine.clock().set(last.after(window));
    assert_eq!(left(&*journal, nothing).await, "");
}

pub async fn what_is_full_takes_no_event_from_outside(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    engine.clock().set(hours(100));
    let full = retain(&*journal, NO_ROOM, &["shipping"]).await;
    assert!(full.full && full.dropped == 0, "{full:?}");
    let refused = journal.append(vec![event("g")]).await.unwrap_err();
    assert!(refused.to_string().contains("retention.size"), "{refused}");
    // What is there is handled all the same.
    settle_all(&*journal, shipping).await;
    let room = Retention {
        bytes: full.bytes,
        ..NO_ROOM
    };
    assert!(!retain(&*journal, room, &["shipping"]).await.full);
    assert_eq!(append(&*journal, &["g"]).await, [7]);
}

pub async fn a_clock_that_was_put_back_holds_nothing_up(engine: impl Engine) {
    let journal = engine.open().await;
    engine.clock().set(hours(100_000));
    append(&*journal, &["future-1", "future-2"]).await;
    engine.clock().set(hours(1));
    append(&*journal, &["a"]).await;
    engine.clock().set(hours(100_000));
    append(&*journal, &["future-3"]).await;
    // The first two came before `a`, so they are at least as old.
    engine.clock().set(hours(24));
    assert_eq!(retain(&*journal, DAY, &[]).await.dropped, 0);
    engine.clock().set(hours(25));
    assert_eq!(retain(&*journal, DAY, &[]).await.dropped, 3);
}

pub async fn a_chain_of_causes_may_lack_its_beginning(engine: impl Engine) {
    let (journal, shipping) = six_hours(&engine).await;
    engine.clock().set(hours(30));
    let publishing = waystation_journal::Settlement {
        publish: vec![crate::engine::proposal("effect", 1)],
        ..done(shipping, 6, 1)
    };
    journal.settle(vec![publishing]).await.unwrap();
    settle_all(&*journal, shipping).await;
    assert_eq!(left(&*journal, DAY).await, "effect");
    let effect = journal.entry(Sequence(7)).await.unwrap().unwrap();
    assert_eq!(effect.cause.as_ref().unwrap().sequence, Sequence(6));
    assert_eq!(journal.caused_by(Sequence(6), 10).await.unwrap(), [effect]);
}
