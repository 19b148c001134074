//! The host is killed, and nothing is lost or done twice.

use serde_json::json;

use e2e::host::Site;
use e2e::{guests, seed, soak};

const DONE: &str = "test.result.done.v1";

/// Killed after the 202 and before the handler came to its end.
#[test]
fn an_event_that_was_accepted_is_handled_after_a_kill() {
    let site = Site::with(&["scripted"]);
    let host = site.start();
    // The attempt is still in its sleep when the host dies.
    host.script("slow", json!({"do": "sleep", "ms": 1000}));
    assert_eq!(host.of_type(DONE).len(), 0, "the handler was not done yet");
    host.kill();

    let mut host = site.start();
    let delivery = host.wait_for_delivery("slow", "scripted", "done");
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(host.of_type(DONE).len(), 1, "exactly one set of effects");
}

/// Killed at random moments under a random load, also while it starts. `make
/// soak` is the same for longer.
#[test]
fn fifty_kills_under_load_lose_nothing_and_repeat_nothing() {
    let outcome = soak::run(&guests::scratch(), 50, seed(), |_| {});
    println!("{outcome}");
    assert!(outcome.keeps_promises(), "{outcome}");
}

/// A waiting retry outlives the host.
#[test]
fn a_stored_retry_survives_a_kill() {
    let site = Site::with(&["scripted"]);
    site.sidecar("scripted", "[retry]\nfirst = '100ms'\nmax = '100ms'\n");
    let mut host = site.start();
    host.script("flaky", json!({"do": "fail", "times": 3}));
    host.wait_until("the first attempt failed", |host| {
        let attempts = &host.tree("flaky")["deliveries"][0]["attempts"];
        (attempts
            .as_array()
            .is_some_and(|attempts| !attempts.is_empty()))
        .then_some(())
    });
    host.kill();
    let mut host = site.start();
    let delivery = host.wait_for_delivery("flaky", "scripted", "done");
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 4);
    assert_eq!(host.of_type(DONE).len(), 1);
}

/// The first signal lets what runs finish.
#[test]
fn a_stop_finishes_what_runs() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    host.script("slow", json!({"do": "sleep", "ms": 300}));
    host.wait_until("the attempt runs", |host| {
        (host.handler("scripted")["running"] == 1).then_some(())
    });
    let (status, errors) = host.stop();
    assert!(status.success(), "{errors}");
    let host = site.start();
    assert_eq!(host.of_type(DONE).len(), 1, "it was settled before the end");
    assert_eq!(
        host.tree("slow")["deliveries"][0]["attempts"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// The second signal waits for nothing.
#[test]
fn a_second_signal_ends_at_once() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    host.script("slow", json!({"do": "sleep", "ms": 4000}));
    host.wait_until("the attempt runs", |host| {
        (host.handler("scripted")["running"] == 1).then_some(())
    });
    host.signal("TERM");
    host.wait_for_line(|line| line.starts_with("stopping"));
    host.signal("INT");
    let (status, errors) = host.ended();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains("second signal"), "{errors}");

    let mut host = site.start();
    host.wait_for_delivery("slow", "scripted", "done");
    assert_eq!(host.of_type(DONE).len(), 1);
}
