//! Events that expire, and clocks that are put forward and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use waystation_core::{Clock as _, Code, Event, Failure, Order, Outcome, Settings, Timestamp};
use waystation_dispatch::Invoke;
use waystation_journal::Journal;

use crate::host::{Host, START, event, handler, name, settings, simple};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

fn before(moment: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(moment.as_millis() - by.as_millis() as u64)
}

fn expiring(id: impl ToString, at: Timestamp) -> Event {
    Event {
        extensions: [("expirytime".to_owned(), at.to_string())].into(),
        ..event(id, "a")
    }
}

/// A handler that wants its first attempt made again after an hour.
fn later() -> Arc<dyn Invoke> {
    simple(|i| {
        if i.attempt > 1 {
            return Ok(vec![]);
        }
        let failure = Failure::new(Code::Retry, "later").with_after(Some(HOUR));
        Err(Outcome::Retry(failure))
    })
}

/// A handler that counts its invocations.
fn counting(invocations: &Arc<AtomicU32>) -> Arc<dyn Invoke> {
    let invocations = invocations.clone();
    simple(move |_| {
        invocations.fetch_add(1, Ordering::SeqCst);
        Ok(vec![])
    })
}

#[tokio::test]
async fn an_event_that_has_expired_is_a_dead_letter_until_it_is_driven_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let invocations = Arc::default();
    host.install("h", settings(&["a"], &[]), counting(&invocations))
        .await;
    host.publish([expiring(1, START), expiring(2, START.after(HOUR))])
        .await;
    let mut settled = host.settled(2).await;
    settled.sort_by_key(|one| one.entry.sequence);
    assert_eq!(settled[1].outcome, Outcome::Ack, "it expires in an hour");
    assert!(settled[0].dead);
    assert_eq!(invocations.load(Ordering::SeqCst), 1);
    let dead = host.journal.dead_letters(None, None, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    let failure = &dead[0].failure;
    assert_eq!(failure.code, Code::Expired);
    let reason = format!("the event's `expirytime` was {START}");
    assert_eq!(failure.reason, reason);

    let keys = host.journal.redrive(Some(&name("h")), None).await.unwrap();
    host.dispatch.redriven(keys).await.unwrap();
    let settled = host.settled(1).await.remove(0);
    assert_eq!((settled.attempt, &settled.outcome), (2, &Outcome::Ack));
    host.stop().await;
}

/// The system's clock was an hour slow, and is put right.
#[tokio::test]
async fn an_event_expires_by_the_clock_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let invocations = Arc::default();
    host.install("h", settings(&["a"], &[]), counting(&invocations))
        .await;
    host.system.advance(HOUR);
    let half = HOUR / 2;
    host.publish([expiring(1, START.after(half))]).await;
    assert!(host.settled(1).await[0].dead);
    host.publish([expiring(2, START.after(HOUR + half))]).await;
    assert_eq!(host.settled(1).await[0].outcome, Outcome::Ack);
    assert_eq!(invocations.load(Ordering::SeqCst), 1);
    host.stop().await;
}

#[tokio::test]
async fn a_retry_that_would_come_after_the_expiry_is_a_dead_letter_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.install("h", settings(&["a"], &[]), later()).await;
    host.publish([expiring(1, START.after(HOUR))]).await;
    let settled = host.settled(1).await.remove(0);
    assert!(settled.dead);
    let dead = host.journal.dead_letters(None, None, 10).await.unwrap();
    let failure = &dead[0].failure;
    assert_eq!(failure.code, Code::Retry, "the handler's failure is kept");
    assert_eq!(
        failure.reason,
        format!(
            "later\nnot tried again: the event's `expirytime` was {}",
            START.after(HOUR)
        )
    );
    host.stop().await;
}

#[tokio::test]
async fn an_event_that_waited_for_longer_than_its_age_is_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let gate = Arc::new(Semaphore::new(0));
    let begun = Arc::new(Semaphore::new(0));
    let slow = {
        let (gate, begun) = (gate.clone(), begun.clone());
        handler(move |_| {
            let gate = gate.clone();
            begun.add_permits(1);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(vec![])
            }
        })
    };
    let one_by_one = Settings {
        concurrency: 1,
        ..settings(&["a"], &[])
    };
    host.install("h", one_by_one, slow).await;
    host.publish([event(1, "a"), event(2, "a")]).await;
    begun.acquire().await.unwrap().forget();
    host.clock.advance(DAY);
    gate.add_permits(1);
    let settled = host.settled(2).await;
    assert_eq!(settled[0].outcome, Outcome::Ack, "it began in time");
    let Outcome::Reject(failure) = &settled[1].outcome else {
        panic!("{settled:?}")
    };
    assert_eq!(failure.code, Code::Expired);
    assert!(
        failure.reason.contains("`max_age` is 86400s"),
        "{failure:?}"
    );
    assert!(settled[1].dead);
    assert_eq!(begun.available_permits(), 0, "it was not invoked");
    host.stop().await;
}

/// Neither while its handler is out of service nor while the host is down.
#[tokio::test]
async fn an_event_that_nobody_could_attempt_grows_no_older() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.install("h", settings(&["a"], &[]), later()).await;
    host.dispatch.retire(name("h")).await.unwrap();
    host.publish([event(1, "a")]).await;
    host.clock.advance(3 * DAY);
    host.install("h", settings(&["a"], &[]), later()).await;
    assert!(
        !host.settled(1).await[0].dead,
        "it is tried, and tried again"
    );

    let now = host.clock.now();
    host.stop().await;
    let mut host = Host::start_at(folder.path(), now.after(3 * DAY));
    host.install("h", settings(&["a"], &[]), later()).await;
    assert_eq!(host.settled(1).await[0].outcome, Outcome::Ack);
    host.stop().await;
}

/// More of them than are taken from the journal at once, with and without lanes.
async fn a_step_across_a_restart(restarted: Timestamp, order: Order) {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let ordered = Settings {
        order,
        ..settings(&["a"], &[])
    };
    let count = 150;
    host.install("h", ordered.clone(), later()).await;
    host.publish((0..count).map(|n| Event {
        subject: Some(n.to_string()),
        ..event(n, "a")
    }))
    .await;
    host.settled(count).await;
    host.stop().await;

    let mut host = Host::start_at(folder.path(), restarted);
    host.install("h", ordered.clone(), later()).await;
    let settled = host.settled(count).await;
    assert!(settled.iter().all(|one| one.attempt == 2));
    assert!(settled.iter().all(|one| one.outcome == Outcome::Ack));

    // What fails from here on waits as long as it should.
    host.publish([event("again", "a")]).await;
    host.settled(1).await;
    let due = host.journal.waiting(None, None, 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].due, restarted.after(HOUR));
    host.publish([event("other", "a")]).await;
    assert_eq!(host.settled(1).await[0].entry.event.id, "other");
    host.clock.advance(HOUR);
    host.settled(2).await;
    host.stop().await;
}

#[tokio::test]
async fn a_clock_that_was_put_back_while_the_host_was_down_delays_nothing() {
    for step in [HOUR, TEN_YEARS] {
        for order in [Order::None, Order::Key] {
            a_step_across_a_restart(before(START, step), order).await;
        }
    }
}

#[tokio::test]
async fn a_clock_that_was_put_forward_while_the_host_was_down_ends_nothing() {
    for step in [HOUR, TEN_YEARS] {
        a_step_across_a_restart(START.after(step), Order::None).await;
    }
}

/// A lane that waits is as patient as before: what is behind it comes after.
#[tokio::test]
async fn a_lane_keeps_its_order_when_the_clock_was_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let ordered = Settings {
        order: Order::Key,
        ..settings(&["a"], &[])
    };
    host.install("h", ordered.clone(), later()).await;
    host.publish((0..3).map(|n| Event {
        subject: Some("lane".into()),
        ..event(n, "a")
    }))
    .await;
    host.settled(1).await;
    host.stop().await;
    let mut host = Host::start_at(folder.path(), before(START, TEN_YEARS));
    host.install("h", ordered, simple(|_| Ok(vec![]))).await;
    let settled = host.settled(3).await;
    let handled: Vec<u64> = settled.iter().map(|one| one.entry.sequence.0).collect();
    assert_eq!(handled, [1, 2, 3]);
    host.stop().await;
}

/// A retry that is stored is not due before its time, however often the host is
/// started.
#[tokio::test]
async fn a_stored_retry_waits_over_restarts_for_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.install("h", settings(&["a"], &[]), later()).await;
    host.publish([event(1, "a")]).await;
    host.settled(1).await;
    host.stop().await;
    for minute in 1..=3 {
        let now = START.after(Duration::from_secs(60 * minute));
        let mut host = Host::start_at(folder.path(), now);
        host.install("h", settings(&["a"], &[]), simple(|_| Ok(vec![])))
            .await;
        host.publish([event(format!("at {minute}"), "a")]).await;
        let settled = host.settled(1).await.remove(0);
        assert_eq!(settled.entry.event.id, format!("at {minute}"));
        host.stop().await;
    }
    let mut host = Host::start_at(folder.path(), START.after(HOUR));
    host.install("h", settings(&["a"], &[]), later()).await;
    assert_eq!(host.settled(1).await[0].attempt, 2);
    host.stop().await;
}
