//! Deliveries that wait, and dead letters.

use waystation_core::{Code, Sequence, State};
use waystation_journal::{DeadLetter, Due, Settlement};

use crate::engine::{Engine, append, at, died, done, failure, ids, name, retried, subscribe};

fn events_of(due: &[Due]) -> Vec<u64> {
    due.iter().map(|due| due.key.sequence.0).collect()
}

fn events_of_dead(dead: &[DeadLetter]) -> Vec<u64> {
    dead.iter().map(|dead| dead.key.sequence.0).collect()
}

pub async fn a_delivery_waits_and_is_done(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    journal
        .settle(vec![retried(shipping, 1, 1, 50)])
        .await
        .unwrap();
    journal.close().await.unwrap();

    let journal = engine.open().await;
    assert!(
        journal
            .due(shipping, at(49), vec![], 10)
            .await
            .unwrap()
            .is_empty()
    );
    let due = journal.due(shipping, at(50), vec![], 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(
        (&due[0].key.handler, due[0].key.sequence),
        (&name("shipping"), Sequence(1))
    );
    assert_eq!(due[0].entry.event.id, "a");
    assert_eq!(due[0].failure, failure(Code::Retry));
    let ready = |attempt| State::Ready {
        attempt,
        forgiven: 0,
    };
    assert_eq!((due[0].state(), due[0].due), (ready(2), at(50)));

    journal
        .settle(vec![retried(shipping, 1, 2, 90)])
        .await
        .unwrap();
    let due = journal.due(shipping, at(90), vec![], 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].state(), due[0].due), (ready(3), at(90)));

    journal.settle(vec![done(shipping, 1, 3)]).await.unwrap();
    assert!(
        journal
            .due(shipping, at(1_000), vec![], 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(journal.next_due(shipping, vec![]).await.unwrap(), None);
}

pub async fn a_dead_letter_is_driven_again(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    engine.clock().set(at(500));
    let settlements = vec![
        retried(shipping, 1, 1, 1),
        died(shipping, 1, 2),
        died(shipping, 2, 1),
    ];
    journal.settle(settlements).await.unwrap();
    assert!(
        journal
            .due(shipping, at(9_999), vec![], 10)
            .await
            .unwrap()
            .is_empty()
    );
    let dead = journal
        .dead_letters(None, Some(Sequence(1)), 10)
        .await
        .unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].attempts, dead[0].since), (2, at(500)));
    assert_eq!(dead[0].failure, failure(Code::Reject));
    assert_eq!(dead[0].entry.event.id, "a");

    engine.clock().set(at(900));
    let handler = name("shipping");
    let redriven = journal
        .redrive(Some(&handler), Some(Sequence(1)))
        .await
        .unwrap();
    assert_eq!(redriven, [dead[0].key.clone()]);
    assert!(
        journal
            .redrive(Some(&handler), Some(Sequence(1)))
            .await
            .unwrap()
            .is_empty()
    );
    let due = journal.due(shipping, at(900), vec![], 10).await.unwrap();
    assert_eq!(events_of(&due), [1]);
    let fresh = State::Ready {
        attempt: 3,
        forgiven: 2,
    };
    assert_eq!((due[0].state(), due[0].due), (fresh, at(900)));

    let third = Settlement {
        forgiven: 2,
        ..retried(shipping, 1, 3, 950)
    };
    journal.settle(vec![third]).await.unwrap();
    let due = journal.due(shipping, at(950), vec![], 10).await.unwrap();
    assert_eq!((due[0].attempts, due[0].forgiven), (3, 2));
    assert_eq!(
        events_of_dead(&journal.dead_letters(None, None, 10).await.unwrap()),
        [2]
    );
}

pub async fn due_leaves_out_what_is_excepted(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b", "c", "d"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let other = subscribe(&*journal, "other").await;
    let settlements = vec![
        retried(shipping, 1, 1, 40),
        retried(shipping, 2, 1, 10),
        retried(shipping, 3, 1, 20),
        retried(shipping, 4, 1, 30),
        retried(other, 4, 1, 5),
    ];
    journal.settle(settlements).await.unwrap();
    let except = |sequences: &[u64]| sequences.iter().copied().map(Sequence).collect::<Vec<_>>();
    for (until, excepted, limit, expected) in [
        (40, vec![], 10, vec![2, 3, 4, 1]),
        (39, vec![], 10, vec![2, 3, 4]),
        (40, vec![], 2, vec![2, 3]),
        (40, vec![2, 4], 1, vec![3]),
        (40, vec![2, 4], 10, vec![3, 1]),
        (40, vec![1, 2, 3, 4], 10, vec![]),
        (9, vec![], 10, vec![]),
        (40, vec![], 0, vec![]),
    ] {
        let due = journal
            .due(shipping, at(until), except(&excepted), limit)
            .await
            .unwrap();
        assert_eq!(
            events_of(&due),
            expected,
            "until {until}, except {excepted:?}, {limit}"
        );
    }
    for (excepted, expected) in [
        (vec![], Some(10)),
        (vec![2, 3], Some(30)),
        (vec![1, 2, 3, 4], None),
    ] {
        let next = journal.next_due(shipping, except(&excepted)).await.unwrap();
        assert_eq!(next, expected.map(at), "except {excepted:?}");
    }
}

pub async fn are_listed_by_handler_and_event(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b", "c"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let billing = subscribe(&*journal, "billing").await;
    engine.clock().set(at(10));
    let settlements = vec![
        retried(shipping, 1, 1, 50),
        retried(billing, 2, 1, 40),
        retried(billing, 3, 1, 60),
        died(shipping, 3, 1),
    ];
    journal.settle(settlements).await.unwrap();
    engine.clock().set(at(20));
    journal
        .settle(vec![died(billing, 1, 1), died(shipping, 2, 1)])
        .await
        .unwrap();

    let (shipping, billing, nobody) = (name("shipping"), name("billing"), name("nobody"));
    for (handler, event, limit, waiting, dead) in [
        (None, None, 10, vec![2, 1, 3], vec![2, 1, 3]),
        (None, None, 2, vec![2, 1], vec![2, 1]),
        (Some(&shipping), None, 10, vec![1], vec![2, 3]),
        (Some(&billing), None, 10, vec![2, 3], vec![1]),
        (None, Some(1), 10, vec![1], vec![1]),
        (Some(&billing), Some(2), 10, vec![2], vec![]),
        (Some(&nobody), None, 10, vec![], vec![]),
    ] {
        let event = event.map(Sequence);
        let found = journal.waiting(handler, event, limit).await.unwrap();
        assert_eq!(events_of(&found), waiting, "{handler:?} {event:?} {limit}");
        let found = journal.dead_letters(handler, event, limit).await.unwrap();
        assert_eq!(
            events_of_dead(&found),
            dead,
            "{handler:?} {event:?} {limit}"
        );
        assert_eq!(
            ids(found.iter().map(|letter| &letter.entry)).len(),
            dead.len()
        );
    }
}

pub async fn all_dead_letters_of_a_handler_are_driven_again(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b", "c"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let billing = subscribe(&*journal, "billing").await;
    let settlements = vec![
        died(shipping, 3, 1),
        died(billing, 2, 1),
        died(shipping, 1, 1),
        retried(shipping, 2, 1, 7_000),
    ];
    journal.settle(settlements).await.unwrap();
    let redriven = journal
        .redrive(Some(&name("shipping")), None)
        .await
        .unwrap();
    let keys: Vec<u64> = redriven.iter().map(|key| key.sequence.0).collect();
    assert_eq!(keys, [1, 3]);
    let due = journal.due(shipping, at(0), vec![], 10).await.unwrap();
    assert_eq!(events_of(&due), [1, 3]);
    let redriven = journal.redrive(None, None).await.unwrap();
    assert_eq!(redriven.len(), 1);
    assert_eq!(
        (&redriven[0].handler, redriven[0].sequence),
        (&name("billing"), Sequence(2))
    );
    assert!(
        journal
            .dead_letters(None, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}
