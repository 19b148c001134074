//! What a native test of a handler sees, and what it is told when it forgot
//! something.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use waystation_sdk::testing::{self, Outcome, World};
use waystation_sdk::{
    Context, Event, Events, HandlerError, HttpError, HttpFault, RawData, handler, tracing,
};

const URL: &str = "https://rates.example/usd?day=1";

/// What the handler under test is to do.
#[derive(Debug, Deserialize, Serialize)]
enum Task {
    Call(String),
    Panic,
    Log,
    Publish(String),
    Time,
    Chance,
    Swap(u64, u64),
    Remove,
    Chain,
    Mistakes,
}

#[derive(Debug, thiserror::Error)]
#[error("no rate today")]
struct NoRate(#[source] HttpError);

/// Does what a test wants.
#[handler(
    on = "test.task.v1",
    publishes = "test.done.*",
    state = "numbers",
    http = "rates.example"
)]
fn worker(event: Event<Task>, ctx: &mut Context) -> Result<(), HandlerError> {
    let numbers = ctx.state("numbers")?;
    match event.data {
        Task::Call(url) => {
            let text = ctx
                .http()
                .get(&url)
                .header("X-Day", "1")
                .send()?
                .error_for_status()?;
            ctx.publish("test.done.v1", &text.text()?)?;
        }
        Task::Panic => panic!("no rate\nat all"),
        Task::Log => tracing::warn!(attempt = ctx.attempt(), "trying"),
        Task::Publish(event_type) => {
            ctx.publish(&event_type, &1)?;
        }
        Task::Time => {
            ctx.publish(
                "test.done.v1",
                &ctx.now().duration_since(UNIX_EPOCH)?.as_secs(),
            )?;
        }
        Task::Chance => {
            ctx.publish(
                "test.done.v1",
                &(ctx.random_bytes::<2>(), ctx.random_bytes::<2>()),
            )?;
        }
        Task::Swap(from, to) => {
            let swapped = numbers.compare_and_swap("a", Some(&from), &to)?;
            ctx.publish("test.done.v1", &swapped)?;
        }
        Task::Remove => numbers.delete("a")?,
        Task::Mistakes => {
            let http = ctx.http();
            let mistakes = [
                http.request("G ET", URL),
                http.get("https://rates.example/a b"),
                http.get(URL).header("x y", "1"),
                http.get(URL).header("x", "secret\r\ny: z"),
                http.post(URL)
                    .body("text/plain", vec![0; 4 * 1024 * 1024 + 1]),
                http.post_json(URL, &BTreeMap::from([((1, 2), 3)])),
            ];
            let errors = mistakes.map(|request| request.send().unwrap_err().to_string());
            ctx.publish("test.done.v1", &errors)?;
        }
        Task::Chain => {
            let response = ctx.http().get(URL).send()?;
            response.error_for_status().map_err(NoRate)?;
        }
    }
    Ok(())
}

fn task(task: &Task) -> Event<RawData> {
    testing::event("test.task.v1", task)
}

/// What a test that fails says.
fn failure(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn a_call_without_an_answer_fails_the_test_and_shows_how_to_set_one() {
    let mut world = World::new();
    world
        .http("get", "https://rates.example/eur")
        .answer(200, "1");
    let text = failure(|| {
        world.deliver::<worker>(task(&Task::Call(URL.into())));
    });
    assert_eq!(
        text,
        "the handler calls `GET https://rates.example/usd?day=1`, to which the test has no answer\n  \
         it has one to `GET https://rates.example/eur`\n  set one before the delivery:\n  \
         world.http(\"GET\", \"https://rates.example/usd?day=1\").answer(200, &json!({}));"
    );
}

#[test]
fn answers_come_in_turn_and_the_last_one_stays() {
    let mut world = World::new();
    world
        .http("GET", URL)
        .time_out()
        .fail_with(HttpFault::Unreachable("it is away".into()))
        .answer_bytes(404, "text/plain", b"none")
        .answer_bytes(200, "text/plain", b"1.1");
    let mut attempt = || world.deliver::<worker>(task(&Task::Call(URL.into())));
    // The query may be secret.
    attempt().assert_retry("GET https://rates.example/usd got no answer in time");
    attempt().assert_retry("GET https://rates.example/usd got no answer: it is away");
    attempt().assert_retry("GET https://rates.example/usd answered 404");
    for _ in 0..2 {
        let attempt = attempt();
        assert_eq!(
            attempt.draft("test.done.v1").decode::<String>().unwrap(),
            "1.1"
        );
        assert_eq!(attempt.calls[0].url, URL);
        assert_eq!(attempt.calls[0].header("x-day"), Some("1"));
    }
}

#[test]
fn a_host_that_the_attribute_does_not_name_is_refused() {
    for (url, host) in [
        ("https://other.example/x", "other.example"),
        ("http://rates.example/x", "rates.example:80"),
    ] {
        let attempt = testing::deliver::<worker>(task(&Task::Call(url.into())));
        attempt.assert_retry(&format!("it needs `http = \"{host}\"` in its attribute"));
        assert_eq!(attempt.calls.len(), 1);
    }
    let attempt = testing::deliver::<worker>(task(&Task::Call("rates.example".into())));
    attempt.assert_retry("was not sent: expected a URL such as `https://host/path`");
}

#[test]
fn the_other_side_says_when_to_try_again_however_deep_its_answer_lies() {
    let mut world = World::new();
    world
        .http("GET", URL)
        .answer(503, "")
        .header("Retry-After", "90")
        .answer(503, "")
        .header("Retry-After", "999999999");
    let attempt = world.deliver::<worker>(task(&Task::Chain));
    let reason = "no rate today: GET https://rates.example/usd answered 503".to_owned();
    let after = Some(Duration::from_secs(90));
    assert_eq!(attempt.outcome, Outcome::Retry { reason, after });
    let attempt = world.deliver::<worker>(task(&Task::Chain));
    let Outcome::Retry { after, .. } = attempt.outcome else {
        panic!("{attempt}")
    };
    assert_eq!(after, Some(Duration::from_hours(1)));
}

#[test]
fn a_request_that_cannot_be_sent_says_what_is_wrong_with_it() {
    let attempt = testing::deliver::<worker>(task(&Task::Mistakes));
    let errors: Vec<String> = attempt.only_draft().decode().unwrap();
    let expected = [
        "expected a method such as `GET`, found `G ET`",
        "expected a URL such as `https://host/path`, found ' ', which a URL has only encoded",
        "expected the name of a header, found `x y`",
        "the value of the header `x` has a line break or another control character",
        "its body has 4194305 bytes; it may have 4194304",
        "its body cannot be written as JSON: key must be a string",
    ];
    assert_eq!(errors.len(), expected.len());
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.contains(" was not sent: "), "{error}");
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    assert!(attempt.calls.is_empty());
}

#[test]
fn a_panic_is_a_retry_as_in_a_host() {
    let attempt = testing::deliver::<worker>(task(&Task::Panic));
    attempt.assert_retry("tests/world.rs:");
    attempt.assert_retry(": no rate at all");
}

#[test]
fn log_lines_are_what_the_host_shows() {
    let attempt = testing::deliver_again::<worker>(task(&Task::Log), 3);
    let [line] = attempt.log.as_slice() else {
        panic!("{attempt}")
    };
    assert_eq!(line.level, tracing::Level::WARN);
    assert_eq!(
        (line.target.as_str(), line.text.as_str()),
        ("world", "trying attempt=3")
    );
}

#[test]
fn a_type_that_the_attribute_does_not_name_fails_the_test() {
    let text = failure(|| {
        testing::deliver::<worker>(task(&Task::Publish("test.don.v1".into())));
    });
    assert_eq!(
        text,
        "the handler publishes `test.don.v1`, but `publishes` in its attribute names \
         `test.done.*`; did you mean `test.done.*`?"
    );
    let text = failure(|| {
        testing::deliver::<worker>(testing::event("test.tusk.v1", &1));
    });
    assert!(text.ends_with("; did you mean `test.task.v1`?"), "{text}");
}

#[test]
fn an_assertion_that_fails_tells_all_that_the_attempt_did() {
    let mut world = World::new();
    world.http("GET", URL).answer(500, "");
    let attempt = world.deliver::<worker>(task(&Task::Call(URL.into())));
    let text = failure(|| {
        attempt.assert_ack();
    });
    assert_eq!(
        text,
        "expected to be handled\n  outcome    retry: GET https://rates.example/usd answered 500\n  \
         called     GET https://rates.example/usd?day=1"
    );
    let attempt = world.deliver::<worker>(task(&Task::Publish("test.done.a".into())));
    let text = failure(|| {
        attempt.draft("test.done.b");
    });
    assert!(text.starts_with("no `test.done.b` was published; did you mean `test.done.a`?"));
    assert!(text.ends_with("published  test.done.a 1"), "{text}");
}

#[test]
fn time_and_chance_are_the_test_s() {
    let seconds = |world: &mut World| -> u64 {
        let attempt = world.deliver::<worker>(task(&Task::Time));
        attempt.only_draft().decode().unwrap()
    };
    assert_eq!(seconds(&mut World::new()), 1_767_225_600);
    let mut world = World::new().with_now("1970-01-01T00:01:00Z");
    assert_eq!(seconds(&mut world), 60);
    world.advance(Duration::from_secs(5));
    assert_eq!(seconds(&mut world), 65);
    let text = failure(|| {
        let _ = World::new().with_now("noon");
    });
    assert_eq!(
        text,
        "expected a time such as `2026-03-14T10:00:00Z`, found `noon`"
    );

    let chance = |world: &mut World| -> ([u8; 2], [u8; 2]) {
        let attempt = world.deliver::<worker>(task(&Task::Chance));
        attempt.only_draft().decode().unwrap()
    };
    let mut world = World::new();
    assert_eq!(chance(&mut world), ([0, 1], [2, 3]));
    assert_eq!(chance(&mut world), ([4, 5], [6, 7]));
    assert_eq!(
        chance(&mut World::new().with_random(&[9, 8, 7])),
        ([9, 8], [7, 9])
    );
}

#[test]
fn state_is_swapped_only_if_it_is_the_expected() {
    let mut world = World::new().with_state("numbers", "a", &1);
    let attempt = world.deliver::<worker>(task(&Task::Swap(2, 3)));
    assert!(!attempt.only_draft().decode::<bool>().unwrap());
    assert!(attempt.changes.is_empty());
    let attempt = world.deliver::<worker>(task(&Task::Swap(1, 3)));
    assert!(attempt.only_draft().decode::<bool>().unwrap());
    let [change] = attempt.changes.as_slice() else {
        panic!("{attempt}")
    };
    assert_eq!(
        (change.namespace.as_str(), change.key.as_str()),
        ("numbers", "a")
    );
    assert_eq!(change.decode::<u64>().unwrap(), 3);
    let attempt = world.deliver::<worker>(task(&Task::Remove));
    assert_eq!(attempt.changes[0].value, None);
}

mod several {
    use super::*;

    #[derive(Events)]
    enum Order {
        #[on("test.paid.v1")]
        Paid(u64),
        #[on("test.cancelled.*")]
        Cancelled,
    }

    /// Says what became of an order.
    #[handler(publishes = "test.done.v1")]
    fn orders(event: Event<Order>, ctx: &mut Context) -> Result<(), HandlerError> {
        let text = match event.data {
            Order::Paid(cents) => format!("paid {cents}"),
            Order::Cancelled => "cancelled".to_owned(),
        };
        ctx.publish("test.done.v1", &text)?;
        Ok(())
    }

    #[test]
    fn an_enum_takes_events_of_several_types() {
        use waystation_sdk::Handler;
        assert_eq!(orders::DESCRIPTOR.on, ["test.paid.v1", "test.cancelled.*"]);
        let says = |event_type: &str| {
            let attempt = testing::deliver::<orders>(testing::event(event_type, &7));
            attempt.only_draft().decode::<String>().unwrap()
        };
        assert_eq!(says("test.paid.v1"), "paid 7");
        assert_eq!(says("test.cancelled.v2"), "cancelled");

        let attempt = testing::deliver::<orders>(testing::event("test.paid.v1", &"seven"));
        attempt.assert_reject("data: expected u64");
        // A sidecar may subscribe it to more.
        let error = testing::event("test.other.v1", &7).decode::<Order>().err();
        let reason = "the handler has no variant for events of the type `test.other.v1`";
        assert_eq!(error, Some(HandlerError::reject(reason)));
    }
}
