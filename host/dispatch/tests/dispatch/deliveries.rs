//! From an event to its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use waystation_core::{Code, Digest, Draft, Failure, Outcome, Sequence, Settings, Start, limits};
use waystation_dispatch::Invocation;
use waystation_journal::{AttemptOutcome, Journal, Retention};

use crate::host::{Closure, Host, draft, event, handler, name, retry, settings, simple};

#[tokio::test]
async fn what_a_handler_publishes_is_delivered_with_its_causes() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let second = simple(|_| Ok(vec![]));
    host.install("second", settings(&["b"], &[]), second).await;
    let first = simple(|_| Ok(vec![draft("b")]));
    host.install("first", settings(&["a"], &["b"]), first).await;

    let mut root = event("root", "a");
    root.extensions
        .insert("traceparent".into(), "00-1-1-01".into());
    host.publish([root]).await;
    let settled = host.settled(2).await;
    assert_eq!(settled[0].handler, name("first"));
    assert_eq!(settled[1].handler, name("second"));

    let caused = host.journal.caused_by(Sequence(1), 10).await.unwrap();
    let [published] = caused.as_slice() else {
        panic!("{caused:?}")
    };
    assert_eq!(published.depth, 1);
    assert_eq!(published.event.source, "/waystation/handlers/first");
    let extensions = &published.event.extensions;
    assert_eq!(extensions["correlationid"], "root");
    assert_eq!(extensions["causationid"], "root");
    assert_eq!(extensions["traceparent"], "00-1-1-01");
    assert!(published.event.id.starts_with("first.1."));
    host.stop().await;
}

#[tokio::test]
async fn a_failure_is_tried_again_and_every_attempt_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let flaky = simple(|i| {
        if i.attempt < 3 {
            Err(retry())
        } else {
            Ok(vec![])
        }
    });
    host.install("flaky", settings(&["a"], &[]), flaky).await;
    host.publish([event(1, "a")]).await;
    host.settled(3).await;
    let attempts = host.journal.attempts(Sequence(1)).await.unwrap();
    let outcomes: Vec<bool> = attempts
        .iter()
        .map(|a| matches!(a.outcome, AttemptOutcome::Ack))
        .collect();
    assert_eq!(outcomes, [false, false, true]);
    host.stop().await;
}

#[tokio::test]
async fn a_dead_letter_is_driven_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let broken = simple(|_| Err(Outcome::Reject(Failure::new(Code::Reject, "no"))));
    host.install("h", settings(&["a"], &[]), broken).await;
    host.publish([event(1, "a")]).await;
    assert!(host.settled(1).await[0].dead);
    assert_eq!(
        host.journal
            .dead_letters(None, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );

    host.install("h", settings(&["a"], &[]), simple(|_| Ok(vec![])))
        .await;
    let keys = host
        .journal
        .redrive(Some(&name("h")), Some(Sequence(1)))
        .await
        .unwrap();
    assert_eq!(keys.len(), 1);
    host.dispatch.redriven(keys).await.unwrap();
    let settled = host.settled(1).await;
    assert_eq!(
        (settled[0].attempt, &settled[0].outcome),
        (2, &Outcome::Ack)
    );
    assert!(
        host.journal
            .dead_letters(None, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    host.stop().await;
}

#[tokio::test]
async fn attempts_are_used_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.install("h", settings(&["a"], &[]), simple(|_| Err(retry())))
        .await;
    host.publish([event(1, "a")]).await;
    let settled = host.settled(3).await;
    let dead: Vec<bool> = settled.iter().map(|s| s.dead).collect();
    assert_eq!(dead, [false, false, true]);
    host.stop().await;
}

#[tokio::test]
async fn no_more_attempts_run_than_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let running = Arc::new(AtomicU32::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let peak = Arc::new(AtomicU32::new(0));
    let slow = {
        let (running, gate, peak) = (running.clone(), gate.clone(), peak.clone());
        handler(move |_| {
            let (running, gate, peak) = (running.clone(), gate.clone(), peak.clone());
            async move {
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(vec![])
            }
        })
    };
    host.install(
        "h",
        Settings {
            concurrency: 3,
            ..settings(&["a"], &[])
        },
        slow,
    )
    .await;
    host.publish((0..20).map(|n| event(n, "a"))).await;
    gate.add_permits(20);
    host.settled(20).await;
    assert!(peak.load(Ordering::SeqCst) <= 3);
    host.stop().await;
}

#[tokio::test]
async fn a_backlog_larger_than_the_window_is_handled_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let count = limits::WINDOW_DELIVERIES * 3;
    host.publish((0..count).map(|n| event(n, if n % 2 == 0 { "a" } else { "b" })))
        .await;
    let all = Settings {
        start: Start::Earliest,
        ..settings(&["a"], &[])
    };
    host.install("h", all, simple(|_| Ok(vec![]))).await;
    let mut sequences: Vec<u64> = host
        .settled(count / 2)
        .await
        .iter()
        .map(|settled| settled.entry.sequence.0)
        .collect();
    sequences.sort_unstable();
    let expected: Vec<u64> = (0..count as u64).step_by(2).map(|n| n + 1).collect();
    assert_eq!(sequences, expected);

    // It keeps up from here on.
    host.publish([event("last", "a")]).await;
    assert_eq!(host.settled(1).await[0].entry.event.id, "last");
    host.stop().await;
}

#[tokio::test]
async fn a_new_subscription_begins_with_the_next_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.publish([event("before", "a")]).await;
    host.install("h", settings(&["a"], &[]), simple(|_| Ok(vec![])))
        .await;
    host.publish([event("after", "a")]).await;
    assert_eq!(host.settled(1).await[0].entry.event.id, "after");
    host.stop().await;
}

#[tokio::test]
async fn a_retired_handler_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.install("h", settings(&["a"], &[]), simple(|_| Ok(vec![])))
        .await;
    host.publish([event(1, "a")]).await;
    host.settled(1).await;
    host.dispatch.retire(name("h")).await.unwrap();
    host.publish([event(2, "a"), event(3, "a")]).await;
    host.install("h", settings(&["a"], &[]), simple(|_| Ok(vec![])))
        .await;
    let mut ids: Vec<String> = host
        .settled(2)
        .await
        .iter()
        .map(|s| s.entry.event.id.clone())
        .collect();
    ids.sort();
    assert_eq!(ids, ["2", "3"]);
    host.stop().await;
}

#[tokio::test]
async fn what_was_not_settled_is_delivered_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path());
    // The first host takes the events and settles some: the rest never returns.
    let stuck = handler(|i| {
        let stays = i.entry.sequence.0 % 2 == 0;
        async move {
            if stays {
                std::future::pending::<()>().await;
            }
            Ok(vec![draft("b")])
        }
    });
    let mut first = host;
    let wide = Settings {
        concurrency: 100,
        ..settings(&["a"], &["b"])
    };
    first.install("h", wide.clone(), stuck).await;
    first.publish((1..=20).map(|n| event(n, "a"))).await;
    first.settled(10).await;
    first.journal.close().await.unwrap();
    drop(first);

    let mut second = Host::start(folder.path());
    second
        .install("h", wide, simple(|_| Ok(vec![draft("b")])))
        .await;
    let mut again: Vec<u64> = second
        .settled(10)
        .await
        .iter()
        .map(|s| s.entry.sequence.0)
        .collect();
    again.sort_unstable();
    assert_eq!(again, (1..=10).map(|n| n * 2).collect::<Vec<u64>>());
    for sequence in 1..=20 {
        let caused = second
            .journal
            .caused_by(Sequence(sequence), 10)
            .await
            .unwrap();
        assert_eq!(
            caused.len(),
            1,
            "event {sequence} has exactly one set of effects"
        );
    }
    second.stop().await;
}

#[tokio::test]
async fn a_draft_that_may_not_be_published_makes_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let forged = [("correlationid".to_owned(), "x".to_owned())].into();
    let drafts = [
        ("may not publish `c`, only `b`: its `publishes`", draft("c")),
        ("; did you mean `b`?", draft("bb")),
        (
            "`correlationid` is given by the host",
            Draft {
                extensions: forged,
                ..draft("b")
            },
        ),
        (
            "subject",
            Draft {
                subject: Some("\u{1}".into()),
                ..draft("b")
            },
        ),
    ];
    for (n, (expected, draft)) in drafts.into_iter().enumerate() {
        let invoke = simple(move |_| Ok(vec![draft.clone()]));
        host.install("h", settings(&["a"], &["b"]), invoke).await;
        host.publish([event(n, "a")]).await;
        let settled = host.settled(1).await;
        let Outcome::Reject(failure) = &settled[0].outcome else {
            panic!("{settled:?}")
        };
        assert_eq!(failure.code, Code::Draft);
        assert!(failure.reason.contains(expected), "{}", failure.reason);
        assert!(settled[0].dead);
    }
    host.stop().await;
}

#[tokio::test]
async fn handlers_that_answer_each_other_are_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    host.install(
        "echo",
        settings(&["a"], &["a"]),
        simple(|_| Ok(vec![draft("a")])),
    )
    .await;
    host.publish([event(1, "a")]).await;
    let settled = host.settled(limits::DEPTH_MAX as usize + 1).await;
    let Outcome::Reject(failure) = &settled.last().unwrap().outcome else {
        panic!()
    };
    assert_eq!(failure.code, Code::Depth);
    host.stop().await;
}

#[tokio::test]
async fn a_panic_in_the_host_fails_the_attempt_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let broken = simple(|i| {
        if i.attempt == 1 {
            panic!("on purpose")
        } else {
            Ok(vec![])
        }
    });
    host.install("h", settings(&["a"], &[]), broken).await;
    host.publish([event(1, "a")]).await;
    let settled = host.settled(2).await;
    assert_eq!(settled[1].outcome, Outcome::Ack);
    host.stop().await;
}

#[tokio::test]
async fn attempts_finish_on_the_generation_they_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let gate = Arc::new(Semaphore::new(0));
    let begun = Arc::new(Semaphore::new(0));
    let old = {
        let (gate, begun) = (gate.clone(), begun.clone());
        handler(move |_| {
            let (gate, begun) = (gate.clone(), begun.clone());
            async move {
                begun.add_permits(1);
                gate.acquire().await.unwrap().forget();
                Ok(vec![])
            }
        })
    };
    host.install("h", settings(&["a"], &[]), old).await;
    host.publish([event(1, "a")]).await;
    begun.acquire().await.unwrap().forget();
    let new = Closure {
        generation: Digest::of(b"second"),
        handle: |_: &Invocation| std::future::ready(Ok(vec![])),
    };
    host.install("h", settings(&["a"], &[]), Arc::new(new))
        .await;
    host.publish([event(2, "a")]).await;
    let second = host.settled(1).await;
    assert_eq!(second[0].generation, Digest::of(b"second"));
    gate.add_permits(1);
    let first = host.settled(1).await;
    assert_eq!(first[0].generation, Digest::of(b"first"));
    assert_eq!(first[0].entry.event.id, "1");
    host.stop().await;
}

#[tokio::test]
async fn a_retired_handler_goes_on_behind_what_was_dropped_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(folder.path());
    let handler = || simple(|_| Ok(vec![]));
    host.install("h", settings(&["a"], &[]), handler()).await;
    host.publish([event(1, "a")]).await;
    host.settled(1).await;
    host.dispatch.retire(name("h")).await.unwrap();
    host.publish([event(2, "a"), event(3, "a")]).await;
    host.clock.advance(Duration::from_secs(7_200));
    let retention = Retention {
        age: Duration::from_secs(3_600),
        bytes: u64::MAX,
    };
    let retained = host.journal.retain(retention, &[]).await.unwrap();
    assert_eq!(retained.dropped, 3);

    host.install("h", settings(&["a"], &[]), handler()).await;
    let caught_up = async {
        while host.dispatch.view().await.unwrap()[0].behind > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), caught_up).await.unwrap();
    host.publish([event(4, "a")]).await;
    assert_eq!(host.settled(1).await[0].entry.event.id, "4");
    host.stop().await;
}
