//! Settlements and their effects.

use waystation_core::Sequence;
use waystation_journal::{Cause, Error, Settlement, SubscriptionId};

use crate::engine::{Engine, append, at, done, ids, name, proposal, retried, subscribe};

pub async fn publishes_with_the_outcome(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["order"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    engine.clock().set(at(7));
    let settlement = Settlement {
        publish: vec![proposal("shipment", 1), proposal("mail", 1)],
        ..done(shipping, 1, 1)
    };
    journal.settle(vec![settlement]).await.unwrap();
    for opened in 0..2 {
        let journal = if opened == 0 {
            assert_eq!(*journal.head().borrow(), Sequence(3));
            &journal
        } else {
            journal.close().await.unwrap();
            &engine.open().await
        };
        let published = journal.read(Sequence(1), 10, usize::MAX).await.unwrap();
        assert_eq!(ids(&published), ["shipment", "mail"]);
        for entry in &published {
            let cause = Cause {
                handler: name("shipping"),
                sequence: Sequence(1),
            };
            assert_eq!((entry.accepted, entry.depth), (at(7), 1));
            assert_eq!(entry.cause, Some(cause));
        }
        assert_eq!(journal.caused_by(Sequence(1), 10).await.unwrap(), published);
        assert_eq!(
            ids(&journal.caused_by(Sequence(1), 1).await.unwrap()),
            ["shipment"]
        );
        assert!(journal.caused_by(Sequence(2), 10).await.unwrap().is_empty());
    }
}

pub async fn a_repeated_settlement_changes_nothing(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["order"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let settlement = Settlement {
        publish: vec![proposal("shipment", 1)],
        ..done(shipping, 1, 1)
    };
    journal
        .settle(vec![settlement.clone(), settlement])
        .await
        .unwrap();
    let before = journal.attempts(Sequence(1)).await.unwrap();

    let other_effects = Settlement {
        publish: vec![proposal("another", 1)],
        ..done(shipping, 1, 1)
    };
    journal
        .settle(vec![other_effects, retried(shipping, 1, 1, 5)])
        .await
        .unwrap();

    assert_eq!(*journal.head().borrow(), Sequence(2));
    assert!(journal.find("another").await.unwrap().is_empty());
    assert!(journal.waiting(None, None, 10).await.unwrap().is_empty());
    assert_eq!(journal.attempts(Sequence(1)).await.unwrap(), before);
}

pub async fn an_event_published_twice_is_one_event(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["order"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let billing = subscribe(&*journal, "billing").await;
    let publishing = |subscription| Settlement {
        publish: vec![proposal("same", 1), proposal("order", 1)],
        ..done(subscription, 1, 1)
    };
    journal.settle(vec![publishing(shipping)]).await.unwrap();
    journal.settle(vec![publishing(billing)]).await.unwrap();
    let all = journal.read(Sequence(0), 10, usize::MAX).await.unwrap();
    assert_eq!(ids(&all), ["order", "same"]);
    assert_eq!(all[1].cause.as_ref().unwrap().handler, name("shipping"));
    assert_eq!(journal.attempts(Sequence(1)).await.unwrap().len(), 2);
}

pub async fn an_unknown_subscription_stores_nothing(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["order"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let known = Settlement {
        publish: vec![proposal("shipment", 1)],
        ..done(shipping, 1, 1)
    };
    let unknown = done(SubscriptionId(shipping.0 + 1), 1, 1);
    let refused = journal.settle(vec![known, unknown]).await;
    assert!(matches!(refused, Err(Error::Store(_))), "{refused:?}");
    assert!(journal.attempts(Sequence(1)).await.unwrap().is_empty());
    assert_eq!(*journal.head().borrow(), Sequence(1));
}
