//! The end.

use waystation_core::{Sequence, Start};
use waystation_journal::Error;

use crate::engine::{Engine, append, event, ids, name, subscribe};

pub async fn what_is_asked_for_afterwards_is_refused(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    journal.close().await.unwrap();
    assert!(matches!(
        journal.append(vec![event("b")]).await,
        Err(Error::Closed)
    ));
    assert!(matches!(journal.settle(vec![]).await, Err(Error::Closed)));
    assert!(matches!(
        journal.advance(vec![(shipping, Sequence(1))]).await,
        Err(Error::Closed)
    ));
    let subscribed = journal.subscribe(&name("shipping"), Start::Next).await;
    assert!(matches!(subscribed, Err(Error::Closed)));
    assert!(matches!(
        journal.read(Sequence(0), 1, 1).await,
        Err(Error::Closed)
    ));
    assert!(matches!(
        journal.entry(Sequence(1)).await,
        Err(Error::Closed)
    ));
    assert!(matches!(journal.recent(None, 1).await, Err(Error::Closed)));
    assert!(matches!(
        journal.redrive(None, None).await,
        Err(Error::Closed)
    ));
    assert!(matches!(journal.close().await, Err(Error::Closed)));
}

pub async fn a_drop_loses_nothing(engine: impl Engine) {
    let journal = engine.open().await;
    append(&*journal, &["a"]).await;
    drop(journal);
    let journal = engine.open().await;
    let all = journal.read(Sequence(0), 10, usize::MAX).await.unwrap();
    assert_eq!(ids(&all), ["a"]);
    assert_eq!(*journal.failed().borrow(), None);
}
