//! Subscriptions and their positions.

use waystation_core::{Code, Sequence, Start};
use waystation_journal::{Disposition, Journal, Settlement, SubscriptionStatus};

use crate::engine::{Engine, append, at, died, done, failure, name, retried, subscribe};

async fn check(journal: &dyn Journal, handler: &str, start: Start, cursor: u64) {
    let position = journal.subscribe(&name(handler), start).await.unwrap();
    assert_eq!(position.cursor, Sequence(cursor), "{handler}");
    assert!(position.new, "{handler}");
    assert!(
        position.settled.is_empty() && position.held.is_empty(),
        "{handler}"
    );
}

pub async fn begins_where_it_is_told_to(engine: impl Engine) {
    let journal = engine.open().await;
    check(&*journal, "first", Start::Next, 0).await;
    for millis in [10, 20, 20, 30] {
        engine.clock().set(at(millis));
        append(
            &*journal,
            &[&format!("{millis}-{}", *journal.head().borrow())],
        )
        .await;
    }
    check(&*journal, "next", Start::Next, 4).await;
    check(&*journal, "earliest", Start::Earliest, 0).await;
    check(&*journal, "before-all", Start::At(at(1)), 0).await;
    check(&*journal, "at-one", Start::At(at(20)), 1).await;
    check(&*journal, "between", Start::At(at(21)), 3).await;
    check(&*journal, "after-all", Start::At(at(31)), 4).await;
}

pub async fn goes_on_where_it_was(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b", "c"]).await;
    let first = journal
        .subscribe(&name("shipping"), Start::Next)
        .await
        .unwrap();
    assert!(first.new);
    journal.close().await.unwrap();

    let journal = engine.open().await;
    append(&*journal, &["d"]).await;
    let again = journal
        .subscribe(&name("shipping"), Start::Earliest)
        .await
        .unwrap();
    assert!(!again.new);
    assert_eq!(
        (again.subscription, again.cursor),
        (first.subscription, Sequence(3))
    );
    let other = journal
        .subscribe(&name("billing"), Start::Next)
        .await
        .unwrap();
    assert_ne!(other.subscription, first.subscription);
}

pub async fn a_cursor_never_goes_back(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b", "c", "d"]).await;
    let [one, two] = [
        subscribe(&*journal, "one").await,
        subscribe(&*journal, "two").await,
    ];
    let cursors = async || {
        let one = journal.subscribe(&name("one"), Start::Next).await.unwrap();
        let two = journal.subscribe(&name("two"), Start::Next).await.unwrap();
        (one.cursor.0, two.cursor.0)
    };
    journal
        .advance(vec![(one, Sequence(3)), (two, Sequence(1))])
        .await
        .unwrap();
    assert_eq!(cursors().await, (3, 1));
    journal
        .advance(vec![(one, Sequence(2)), (two, Sequence(2))])
        .await
        .unwrap();
    assert_eq!(cursors().await, (3, 2));
}

pub async fn knows_what_was_settled_out_of_order(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b", "c", "d", "e", "f"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let other = subscribe(&*journal, "other").await;
    let held = Settlement {
        disposition: Disposition::Retry {
            due: at(1),
            failure: failure(Code::Timeout),
            lane: Some("order 5".into()),
        },
        ..done(shipping, 5, 1)
    };
    let settlements = vec![
        retried(shipping, 1, 1, 1_000),
        done(shipping, 6, 1),
        died(shipping, 4, 1),
        retried(shipping, 3, 1, 1),
        done(shipping, 3, 2),
        held,
        done(other, 2, 1),
    ];
    journal.settle(settlements).await.unwrap();
    journal
        .advance(vec![(shipping, Sequence(1))])
        .await
        .unwrap();
    journal.close().await.unwrap();

    let journal = engine.open().await;
    let position = journal
        .subscribe(&name("shipping"), Start::Next)
        .await
        .unwrap();
    assert_eq!(position.cursor, Sequence(1));
    assert_eq!(position.settled, [Sequence(3)..=Sequence(6)]);
    let held = [
        (Sequence(1), None),
        (Sequence(5), Some("order 5".to_owned())),
    ];
    assert_eq!(position.held, held);
}

pub async fn what_was_settled_out_of_order_is_runs_of_sequences(engine: impl Engine) {
    let journal = engine.open().await;
    let ids: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
    append(
        &*journal,
        &ids.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    let shipping = subscribe(&*journal, "shipping").await;
    let other = subscribe(&*journal, "other").await;
    let settled = [2, 3, 4, 7, 9, 10, 20];
    let all = (1..=20).map(|sequence| done(other, sequence, 1));
    let settled = settled.map(|sequence| done(shipping, sequence, 1));
    journal
        .settle(settled.into_iter().chain(all).collect())
        .await
        .unwrap();
    let position = async |name: &str| {
        let position = journal
            .subscribe(&crate::engine::name(name), Start::Next)
            .await;
        let settled = position.unwrap().settled.into_iter();
        settled
            .map(|run| (run.start().0, run.end().0))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        position("shipping").await,
        [(2, 4), (7, 7), (9, 10), (20, 20)]
    );
    assert_eq!(position("other").await, [(1, 20)]);
}

pub async fn lists_every_subscription(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a", "b", "c"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let billing = subscribe(&*journal, "billing").await;
    let settlements = vec![
        retried(shipping, 1, 1, 1),
        died(shipping, 2, 1),
        died(shipping, 3, 1),
    ];
    journal.settle(settlements).await.unwrap();
    journal
        .advance(vec![(shipping, Sequence(3))])
        .await
        .unwrap();
    let status = |handler, subscription, cursor, waiting, dead| SubscriptionStatus {
        subscription,
        handler: name(handler),
        cursor: Sequence(cursor),
        waiting,
        dead,
    };
    let expected = [
        status("billing", billing, 0, 0, 0),
        status("shipping", shipping, 3, 1, 2),
    ];
    assert_eq!(journal.subscriptions().await.unwrap(), expected);
}
