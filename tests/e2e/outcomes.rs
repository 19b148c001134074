//! How attempts end, and what becomes of the deliveries.

use serde_json::{Value, json};

use e2e::guests;
use e2e::host::{Host, Site};

/// Three attempts without a pause between them, and little time for each.
const HASTY: &str = "timeout = '300ms'\n[retry]\nattempts = 3\nfirst = '1ms'\nmax = '1ms'\n";

fn outcomes(delivery: &Value) -> Vec<&str> {
    let attempts = delivery["attempts"].as_array().unwrap();
    attempts
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap())
        .collect()
}

#[test]
fn a_handler_that_fails_twice_shows_three_attempts() {
    let site = Site::with(&["scripted"]);
    site.sidecar("scripted", HASTY);
    let mut host = site.start();
    host.script("flaky", json!({"do": "fail", "times": 2}));
    let delivery = host.wait_for_delivery("flaky", "scripted", "done");
    assert_eq!(outcomes(&delivery), ["retry", "retry", "ack"]);
    assert_eq!(delivery["attempts"][0]["code"], "retry");
    assert_eq!(delivery["attempts"][0]["reason"], "told to fail");
}

#[test]
fn a_rejected_event_is_a_dead_letter_at_once() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    host.script("refused", json!({"do": "reject"}));
    let delivery = host.wait_for_delivery("refused", "scripted", "dead");
    assert_eq!(outcomes(&delivery), ["dead"]);
    let dead = host.cli_json(&["dead-letters"]);
    assert_eq!(dead[0]["event_id"], "refused");
    assert_eq!(dead[0]["code"], "reject");
    assert_eq!(dead[0]["reason"], "told to reject");
}

/// A trap, an endless loop and a memory bomb end at their limits, with their own
/// codes, while another handler goes on undisturbed.
#[test]
fn misbehaviour_uses_up_its_attempts_and_disturbs_nobody() {
    let site = Site::with(&["scripted", "counter"]);
    site.sidecar("scripted", HASTY);
    let mut host = site.start();
    for (id, act) in [("trap", "trap"), ("spin", "spin"), ("hog", "hog")] {
        host.script(id, json!({"do": act}));
    }
    for n in 0..50 {
        let event = json!({
            "specversion": "1.0", "id": format!("n{n}"), "source": "/test",
            "type": "test.counter.v1", "data": {},
        });
        let (status, body) = host.post(&[e2e::host::STRUCTURED], event.to_string());
        assert_eq!(status, 202, "{body}");
    }
    host.wait_until("the other handler handled all", |host| {
        (host.of_type("test.counted.v1").len() == 50).then_some(())
    });
    for (id, code, reason) in [
        ("trap", "trap", "told to trap"),
        ("spin", "timeout", "300ms"),
        ("hog", "memory", "memory"),
    ] {
        let delivery = host.wait_for_delivery(id, "scripted", "dead");
        assert_eq!(outcomes(&delivery), ["retry", "retry", "dead"], "{id}");
        let last = &delivery["attempts"][2];
        assert_eq!(last["code"], code, "{last}");
        assert!(last["reason"].as_str().unwrap().contains(reason), "{last}");
    }
    let trap = host.tree("trap")["deliveries"][0]["attempts"][0]["reason"].to_string();
    let backtrace = trap.split_once("told to trap").unwrap().1;
    assert!(
        backtrace.starts_with("\\n  at scripted::"),
        "the backtrace names the author's functions: {trap}"
    );
    assert!(backtrace.contains("at scripted::scripted"), "{trap}");
    for ours in ["core::", "waystation", "abort"] {
        assert!(!backtrace.contains(ours), "{trap}");
    }
}

/// A dead letter comes through once a fixed build was dropped in.
#[test]
fn a_dead_letter_is_driven_again_with_a_fixed_build() {
    let site = Site::empty();
    // This build takes an event that it cannot decode for a mistake of the sender.
    site.drop_in("shipping", &guests::component("shipping"));
    let mut host = site.start();
    let event = json!({
        "specversion": "1.0", "id": "odd", "source": "/orders",
        "type": "com.example.orders.payment-completed.v1", "data": {"do": "ack"},
    });
    let (status, body) = host.post(&[e2e::host::STRUCTURED], event.to_string());
    assert_eq!(status, 202, "{body}");
    host.wait_for_delivery("odd", "shipping", "dead");
    let dead = host.cli_json(&["dead-letters"]);
    let id = dead[0]["id"].as_str().unwrap().to_owned();

    // The fixed one understands it.
    site.sidecar(
        "shipping",
        "subscriptions = [{ types = ['com.example.orders.*'] }]\n\
         [grants]\npublish = ['test.result.*']\n",
    );
    site.drop_in("shipping", &guests::scripted("fixed"));
    host.wait_for_line(|line| line.contains("swapped"));
    let output = host.cli(&["dead-letters", "redrive", &id]);
    assert!(output.status.success(), "{output:?}");
    let delivery = host.wait_for_delivery("odd", "shipping", "done");
    assert_eq!(outcomes(&delivery), ["dead", "ack"]);
    assert_eq!(delivery["attempts"][1]["attempt"], 2);
    assert_eq!(host.cli_json(&["dead-letters"]), json!([]));
    assert_eq!(host.of_type("test.result.done.v1").len(), 1);
}

#[test]
fn what_a_handler_logs_reaches_the_hosts_log() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    host.script("chatty", json!({"do": "log", "lines": 2}));
    host.wait_for_delivery("chatty", "scripted", "done");
    let (_, errors) = host.stop();
    let line = errors
        .lines()
        .find(|line| line.contains("told to log"))
        .expect(&errors);
    for part in [
        "handler=scripted",
        "event=\"chatty\"",
        "attempt=1",
        "generation=",
    ] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn an_event_type_that_was_not_declared_is_not_published() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    host.script(
        "forger",
        json!({"do": "publish", "type": "com.example.forged.v1", "count": 1}),
    );
    let delivery = host.wait_for_delivery("forger", "scripted", "dead");
    assert_eq!(delivery["attempts"][0]["code"], "draft");
    assert_eq!(host.of_type("com.example.forged.v1").len(), 0);
    assert_eq!(
        host.of_type("test.result.done.v1").len(),
        0,
        "all its effects or none"
    );
}

/// How many attempts the instance had served that handled this event.
fn served(host: &Host, id: &str) -> u64 {
    let done = host.of_type("test.result.done.v1");
    let done = done
        .iter()
        .find(|event| event["causationid"] == id)
        .unwrap();
    done["data"]["served"].as_u64().unwrap()
}

#[test]
fn an_instance_serves_one_attempt() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    for id in ["one", "two"] {
        host.script(id, json!({"do": "ack"}));
        host.wait_for_delivery(id, "scripted", "done");
        assert_eq!(served(&host, id), 1);
    }
}

/// Asked to, an instance serves further attempts, but none after a failure.
#[test]
fn a_reused_instance_ends_with_a_failure() {
    let site = Site::with(&["scripted"]);
    site.sidecar(
        "scripted",
        &format!("instances = 'reused'\nconcurrency = 1\n{HASTY}"),
    );
    let mut host = site.start();
    for (id, act, state) in [
        ("one", "ack", "done"),
        ("two", "ack", "done"),
        ("broken", "trap", "dead"),
        ("three", "ack", "done"),
        ("refused", "reject", "dead"),
        ("four", "ack", "done"),
    ] {
        host.script(id, json!({"do": act}));
        host.wait_for_delivery(id, "scripted", state);
    }
    let counts = ["one", "two", "three", "four"].map(|id| served(&host, id));
    assert_eq!(counts, [1, 2, 1, 1]);
}
