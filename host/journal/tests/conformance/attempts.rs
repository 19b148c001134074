//! The record of attempts.

use std::time::Duration;

use waystation_core::{Code, Digest, Sequence};
use waystation_journal::{Attempt, AttemptOutcome, DeliveryKey, Settlement};

use crate::engine::{Engine, append, at, died, done, name, retried, subscribe};

pub async fn are_listed_by_event(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let billing = subscribe(&*journal, "billing").await;
    let newer = Settlement {
        generation: Digest::of(b"newer"),
        ..done(shipping, 1, 2)
    };
    let settlements = vec![
        retried(shipping, 1, 1, 5),
        newer,
        died(billing, 1, 1),
        done(billing, 2, 1),
    ];
    journal.settle(settlements).await.unwrap();
    journal.close().await.unwrap();

    let attempt = |handler, subscription, attempt, generation, outcome| Attempt {
        key: DeliveryKey {
            subscription,
            handler: name(handler),
            sequence: Sequence(1),
        },
        attempt,
        generation: Digest::of(generation),
        started: at(100 * u64::from(attempt)),
        took: Duration::from_micros(1_234),
        outcome,
    };
    let dead = AttemptOutcome::Dead {
        code: Code::Reject,
        reason: "because of reject".into(),
    };
    let retry = AttemptOutcome::Retry {
        code: Code::Retry,
        reason: "because of retry".into(),
    };
    let expected = [
        attempt("billing", billing, 1, b"generation".as_slice(), dead),
        attempt("shipping", shipping, 1, b"generation", retry),
        attempt("shipping", shipping, 2, b"newer", AttemptOutcome::Ack),
    ];
    let journal = engine.open().await;
    assert_eq!(journal.attempts(Sequence(1)).await.unwrap(), expected);
    assert!(journal.attempts(Sequence(3)).await.unwrap().is_empty());
}

pub async fn the_newest_come_first(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b", "c"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let billing = subscribe(&*journal, "billing").await;
    let started = |settlement, millis| Settlement {
        started: at(millis),
        ..settlement
    };
    let settlements = vec![
        started(retried(shipping, 1, 1, 5), 10),
        started(done(billing, 3, 1), 20),
        started(done(shipping, 2, 1), 30),
        started(done(shipping, 1, 2), 40),
    ];
    journal.settle(settlements).await.unwrap();
    let (shipping, nobody) = (name("shipping"), name("nobody"));
    for (handler, limit, expected) in [
        (None, 10, vec![(1, 2), (2, 1), (3, 1), (1, 1)]),
        (None, 2, vec![(1, 2), (2, 1)]),
        (Some(&shipping), 10, vec![(1, 2), (2, 1), (1, 1)]),
        (Some(&nobody), 10, vec![]),
    ] {
        let found = journal.recent_attempts(handler, limit).await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|a| (a.key.sequence.0, a.attempt))
            .collect();
        assert_eq!(found, expected, "{handler:?} {limit}");
    }
}
