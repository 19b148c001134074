//! `waystation check`: what it says is what a host does.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use e2e::guests;
use e2e::host::{Site, waystation};

fn check(site: &Site, arguments: &[&str]) -> Output {
    let mut command = waystation();
    command.arg("check").args(arguments);
    command.current_dir(site.handlers());
    command.env("XDG_CACHE_HOME", site.root().join("cache"));
    command.output().unwrap()
}

fn text(site: &Site, arguments: &[&str]) -> (Option<i32>, String) {
    let output = check(site, arguments);
    let text = [&*output.stdout, &*output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    (output.status.code(), text)
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_handler_shows_what_it_is() {
    let site = Site::with(&["shipping", "reaching"]);
    let (code, shipping) = text(&site, &["shipping.wasm"]);
    assert_eq!(code, Some(0), "{shipping}");
    contains(
        &shipping,
        &[
            "  Asks for a shipment when an order is paid.\n",
            "  subscribes to  com.example.orders.payment-completed.v1\n",
            "  publishes      com.example.shipping.shipment-requested.v1\n",
            "    log lines                  wasi:logging/logging@0.1.0-draft\n",
            "    the handler                waystation:events/handler@0.1.0\n",
            "a host takes it as it is\n",
        ],
    );
    assert!(!shipping.contains("outbound HTTP"), "{shipping}");
    let (_, reaching) = text(&site, &["reaching.wasm"]);
    contains(
        &reaching,
        &[
            "    outbound HTTP  ",
            "    durable state  ",
            "    configuration and secrets  ",
        ],
    );
    let compiled = std::fs::read_dir(site.root().join("cache/waystation/compiled")).unwrap();
    assert_eq!(compiled.count(), 2, "the code is kept for the next time");
}

#[test]
fn the_lines_that_it_proposes_are_what_a_host_waits_for() {
    let site = Site::empty();
    let asks = "http api.example.com|state visits|config region";
    site.drop_in("asking", &guests::wants(asks));
    let (code, answer) = text(&site, &["asking.wasm"]);
    assert_eq!(code, Some(0), "{answer}");
    contains(
        &answer,
        &[
            "once an operator grants",
            "  waystation handlers approve asking\n",
        ],
    );
    let mut host = site.start();
    host.wait_until("it is quarantined", |host| {
        (host.handler("asking")["state"] == "quarantined").then_some(())
    });

    let lines = answer.split("asking.toml:\n").nth(1).unwrap();
    let lines: Vec<&str> = lines
        .lines()
        .take_while(|line| line.starts_with("  "))
        .collect();
    site.sidecar("asking", &format!("timeout = '2s'\n{}", lines.join("\n")));
    let (code, answer) = text(&site, &["asking.wasm"]);
    assert_eq!(code, Some(0), "{answer}");
    contains(
        &answer,
        &[
            "a host takes it as it is",
            "asking.toml: timeout: 2s instead of 5s",
        ],
    );
    host.wait_until("it serves", |host| {
        (host.handler("asking")["state"] == "serving").then_some(())
    });
}

#[test]
fn what_a_host_would_refuse_is_a_negative_answer() {
    let site = Site::with(&["asks-too-much", "shipping"]);
    site.drop_in("empty", guests::EMPTY_COMPONENT);
    site.drop_in("text", b"this is no component");
    site.sidecar("shipping", "timeot = '5s'\n");
    for (name, reason) in [
        ("asks-too-much", "it imports `acme:ledger/accounts`"),
        ("empty", "does not export `waystation:events/handler@0.1.0`"),
        ("text", "this is no WebAssembly file"),
        ("shipping", "did you mean `timeout`?"),
    ] {
        let (code, answer) = text(&site, &[&format!("{name}.wasm")]);
        assert_eq!(code, Some(1), "{answer}");
        contains(&answer, &["a host refuses it:\n", reason]);
    }
    let (code, answer) = text(&site, &["nowhere.wasm"]);
    assert_eq!(code, Some(2), "{answer}");
    contains(&answer, &["`nowhere.wasm`"]);
}

#[test]
fn programs_get_json() {
    let site = Site::with(&["shipping", "asks-too-much"]);
    let output = check(
        &site,
        &["shipping.wasm", "asks-too-much.wasm", "--output", "json"],
    );
    assert_eq!(output.status.code(), Some(1));
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(reports[0]["verdict"], "taken");
    assert_eq!(reports[0]["handler"], "shipping");
    let publishes = json!(["com.example.shipping.shipment-requested.v1"]);
    assert_eq!(reports[0]["descriptor"]["publishes"], publishes);
    assert_eq!(reports[1]["verdict"], "refused");
    let unknown = json!({"what": "not offered by this host", "names": ["acme:ledger/accounts"]});
    assert!(reports[1]["imports"].as_array().unwrap().contains(&unknown));
    assert!(Path::new(reports[1]["file"].as_str().unwrap()).ends_with("asks-too-much.wasm"));
}
