//! The command line against a running host.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use e2e::host::{Host, Site, waystation};

fn publish(host: &Host, arguments: &[&str], input: &str) -> Output {
    let mut child = waystation()
        .arg("publish")
        .args(arguments)
        .args(["--to", host.events_url().trim_end_matches("/events")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": "test.counter.v1", "data": 1,
    })
}

#[test]
fn publishes_one_event_from_flags() {
    let site = Site::with(&["counter"]);
    let mut host = site.start();
    let flags = [
        "--type",
        "test.counter.v1",
        "--source",
        "/cli",
        "--data",
        "{\"n\":1}",
    ];
    let output = publish(&host, &flags, "");
    assert!(output.status.success(), "{:?}", text(&output));
    let counted = host.wait_until("it is handled", |host| {
        host.of_type("test.counted.v1").first().cloned()
    });
    assert!(counted["causationid"].is_string());
}

#[test]
fn publishes_json_lines_arrays_and_single_events() {
    let site = Site::empty();
    let host = site.start();
    let lines = format!("{}\n\n{}\n", event("l1"), event("l2"));
    let file = site.root().join("events.jsonl");
    std::fs::write(&file, lines).unwrap();
    let output = publish(&host, &[file.to_str().unwrap()], "");
    assert!(output.status.success(), "{:?}", text(&output));
    let pretty = serde_json::to_string_pretty(&event("p")).unwrap();
    for input in [json!([event("a1"), event("a2")]).to_string(), pretty] {
        let output = publish(&host, &["-"], &input);
        assert!(output.status.success(), "{:?}", text(&output));
    }
    let ids: Vec<Value> = host
        .journal()
        .iter()
        .map(|e| e["event"]["id"].clone())
        .collect();
    assert_eq!(ids, ["l1", "l2", "a1", "a2", "p"]);
}

#[test]
fn a_bad_line_is_named() {
    let site = Site::empty();
    let host = site.start();
    let lines = format!("{}\n{{\"specversion\":\"1.0\"}}\n", event("good"));
    let output = publish(&host, &["-"], &lines);
    let (_, errors) = text(&output);
    assert!(!output.status.success());
    assert!(errors.contains("line 2"), "{errors}");
    assert!(errors.contains("`id`"), "{errors}");
}

#[test]
fn shows_what_it_has_for_people_and_for_programs() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    host.script("shown", json!({"do": "fail", "times": 1}));
    host.wait_for_delivery("shown", "scripted", "done");
    let (tree, _) = text(&host.cli(&["events", "shown"]));
    for part in [
        "test.scripted.v1",
        "scripted",
        "retry",
        "ack",
        "test.result.done.v1",
    ] {
        assert!(tree.contains(part), "{tree}");
    }
    let (table, _) = text(&host.cli(&["events"]));
    assert!(
        table.contains("shown") && table.contains("test.result.done.v1"),
        "{table}"
    );
    let (table, _) = text(&host.cli(&["deliveries"]));
    assert!(table.contains("scripted"), "{table}");
    site.drop_in("not a name", b"");
    host.wait_until("the stray is seen", |host| {
        host.get("/api/strays")[0].is_object().then_some(())
    });
    let found = host.cli_json(&["handlers"]);
    assert_eq!(found["handlers"][0]["name"], "scripted");
    assert_eq!(found["strays"][0]["file"], "not a name.wasm");
    let deliveries = host.cli_json(&["deliveries"]);
    assert_eq!(deliveries[0]["event_id"], "shown");
}

#[test]
fn exit_codes_tell_what_happened() {
    let site = Site::empty();
    let host = site.start();
    assert_eq!(host.cli(&["events", "nobody"]).status.code(), Some(1));
    for arguments in [
        &["deliveries", "--handler", "nobody"][..],
        &["dead-letters", "--handler", "nobody"],
        &["dead-letters", "redrive", "--handler", "nobody"],
    ] {
        let output = host.cli(arguments);
        let (_, errors) = text(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("there is no handler `nobody`"), "{errors}");
    }
    assert_eq!(
        host.cli(&["events", "--limitt", "1"]).status.code(),
        Some(2)
    );
    assert_eq!(
        host.cli(&["dead-letters", "redrive", "--all"])
            .status
            .code(),
        Some(1)
    );
    let output = waystation()
        .args(["handlers", "--admin", "127.0.0.1:1"])
        .output()
        .unwrap();
    let (_, errors) = text(&output);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(
        errors.contains("127.0.0.1:1") && errors.contains("waystation run"),
        "{errors}"
    );
}
