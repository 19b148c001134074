//! What a handler asks for, who lets it in, and what it gets.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use serde_json::{Value, json};

use e2e::guests;
use e2e::host::{Host, STRUCTURED, Site};

const DONE: &str = "publish test.done";
const MORE: &str = "publish test.done|publish test.new|http api.example.com";

/// A site with the handler `wants`, which asks for this.
fn site(asks: &str) -> Site {
    let site = Site::empty();
    site.drop_in("wants", &guests::wants(asks));
    site
}

/// Has the handler publish a type.
fn publish(host: &Host, id: &str, event_type: &str) {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": "test.wants.v1",
        "subject": event_type,
    });
    let (status, body) = host.post(&[STRUCTURED], event.to_string());
    assert_eq!(status, 202, "{body}");
}

/// Waits until what the handler asks for in vain is this.
fn wait_for_quarantine(host: &mut Host, asks: Value) -> String {
    host.wait_until("the generation is quarantined", |host| {
        let quarantined = &host.handler("wants")["quarantined"];
        let found = quarantined["asks"] == asks;
        found.then(|| quarantined["generation"].as_str().unwrap().to_owned())
    })
}

/// Waits until the handler serves with these grants.
fn wait_for_grants(host: &mut Host, grants: Value) -> Value {
    host.wait_until("the grants hold", |host| {
        let handler = host.handler("wants");
        (handler["serving"]["grants"] == grants).then_some(handler)
    })
}

/// The exit code, standard output and standard error.
fn parts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_new_handler_gets_nothing_until_it_is_let_in() {
    let site = site(MORE);
    let mut host = site.start();
    let generation = wait_for_quarantine(&mut host, json!(["http api.example.com:443"]));
    let handler = host.handler("wants");
    assert_eq!(handler["state"], "quarantined");
    assert!(handler["serving"].is_null(), "{handler}");
    let line = host.wait_for_line(|line| line.contains("quarantined"));
    assert!(line.contains("http api.example.com:443"), "{line}");

    let (_, shown, _) = parts(&host.cli(&["handlers"]));
    assert!(
        shown.contains("asks for http api.example.com:443"),
        "{shown}"
    );
    assert!(
        shown.contains("waystation handlers approve wants"),
        "{shown}"
    );

    // Nobody is at a terminal to confirm it.
    let (code, _, errors) = parts(&host.cli(&["handlers", "approve", "wants"]));
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("--yes"), "{errors}");
    assert_eq!(host.handler("wants")["state"], "quarantined");

    let approved = host.cli_json(&["handlers", "approve", "wants", "--yes"]);
    assert_eq!(approved["generation"], generation.as_str());
    let handler = host.handler("wants");
    assert_eq!(handler["serving"]["generation"], generation.as_str());
    assert_eq!(
        handler["serving"]["grants"],
        json!(["http api.example.com:443"])
    );
    publish(&host, "first", "test.new");
    host.wait_for_delivery("first", "wants", "done");

    let (code, _, errors) = parts(&host.cli(&["handlers", "approve", "wants", "--yes"]));
    assert_eq!(code, Some(1));
    assert!(errors.contains("is not quarantined"), "{errors}");
}

#[test]
fn a_generation_that_asks_for_more_waits_while_the_last_one_handles_events() {
    let site = site(DONE);
    let mut host = site.start();
    let before = host.handler("wants")["serving"]["generation"].clone();
    site.drop_in("wants", &guests::wants(MORE));
    let more = json!(["http api.example.com:443", "publish test.new"]);
    let generation = wait_for_quarantine(&mut host, more);

    publish(&host, "old", "test.done");
    let delivery = host.wait_for_delivery("old", "wants", "done");
    assert_eq!(delivery["attempts"][0]["generation"], before);
    publish(&host, "beyond", "test.new");
    host.wait_for_delivery("beyond", "wants", "dead");

    // It is taken back, which is told, and comes again.
    site.drop_in("wants", &guests::wants(DONE));
    host.wait_for_line(|line| line.ends_with("what is in the folder serves again"));
    assert!(host.handler("wants")["quarantined"].is_null());
    site.drop_in("wants", &guests::wants(MORE));
    host.wait_until("it is quarantined again", |host| {
        (host.handler("wants")["quarantined"]["generation"] == generation.as_str()).then_some(())
    });

    assert!(
        host.cli(&["handlers", "approve", "wants", "--yes"])
            .status
            .success()
    );
    publish(&host, "new", "test.new");
    let delivery = host.wait_for_delivery("new", "wants", "done");
    assert_eq!(delivery["attempts"][0]["generation"], generation.as_str());
}

#[test]
fn the_sidecar_lets_in_and_narrows_at_once() {
    let site = site("http a.example|http b.example|config region|secret token|publish test.*");
    std::fs::write(site.handlers().join("token"), "hunter2\n").unwrap();
    site.sidecar(
        "wants",
        "[grants]\nhttp = ['a.example', 'b.example']\n[config]\nregion = 'eu'\n\
         [secrets]\ntoken = { file = 'token' }\n",
    );
    let mut host = site.start();
    let all = [
        "http a.example:443",
        "http b.example:443",
        "config region",
        "secret token",
    ];
    wait_for_grants(&mut host, json!(all));
    publish(&host, "wide", "test.any");
    host.wait_for_delivery("wide", "wants", "done");
    let everything = format!("{}", host.get("/api/handlers"));
    assert!(!everything.contains("hunter2"), "{everything}");

    site.sidecar(
        "wants",
        "[grants]\nhttp = ['a.example']\npublish = ['test.done']\n",
    );
    let handler = wait_for_grants(&mut host, json!(["http a.example:443"]));
    assert!(handler["quarantined"].is_null(), "{handler}");
    let without = [
        "http b.example:443",
        "config region",
        "secret token",
        "publish test.*",
    ];
    assert_eq!(handler["serving"]["withheld"], json!(without));
    publish(&host, "narrow", "test.any");
    host.wait_for_delivery("narrow", "wants", "dead");
    let (_, shown, _) = parts(&host.cli(&["handlers"]));
    assert!(
        shown.contains("wants may http a.example:443, publish test.done\n"),
        "{shown}"
    );
    assert!(
        shown.contains("wants goes without http b.example:443, "),
        "{shown}"
    );
}

#[test]
fn a_secret_that_is_missing_is_named_and_one_in_the_sidecar_is_not_shown() {
    let site = site("secret token");
    site.sidecar("wants", "[secrets]\ntoken = 'hunter2'\n");
    let mut host = site.start();
    let reason = |host: &Host| {
        let handler = host.handler("wants");
        handler["refused"]["reason"].as_str().map(str::to_owned)
    };
    let why = reason(&host).unwrap();
    assert!(
        why.contains("line 2: `secrets.token`: write { env"),
        "{why}"
    );
    site.sidecar("wants", "[secrets]\ntoken = { file = 'token' }\n");
    host.wait_until("the missing file is named", |host| {
        reason(host).filter(|why| why.contains("token` cannot be read"))
    });
    std::fs::write(site.handlers().join("token"), "hunter2\n").unwrap();
    wait_for_grants(&mut host, json!(["secret token"]));
    let (_, errors) = host.stop();
    assert!(!errors.contains("hunter2"), "{errors}");
}

#[test]
fn approvals_are_kept_in_private_from_one_start_to_the_next() {
    let site = site(MORE);
    let mut host = site.start();
    wait_for_quarantine(&mut host, json!(["http api.example.com:443"]));
    assert!(
        host.cli(&["handlers", "approve", "wants", "--yes"])
            .status
            .success()
    );
    host.kill();
    let file = site.data().join("approvals.json");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let host = site.start();
    assert_eq!(host.handler("wants")["state"], "serving");
    host.kill();

    std::fs::write(&file, "{\"version\": 1, \"hand").unwrap();
    let output = site.command().output().unwrap();
    let (code, _, errors) = parts(&output);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("approvals.json` are damaged"), "{errors}");
}

#[test]
fn only_the_generation_that_was_looked_at_is_let_in() {
    let site = site("state a");
    let mut host = site.start();
    let looked_at = wait_for_quarantine(&mut host, json!(["state a"]));
    site.drop_in("wants", &guests::wants("state a|state b"));
    let now = wait_for_quarantine(&mut host, json!(["state a", "state b"]));
    let approve = |generation: &str| {
        let body = json!({"handler": "wants", "generation": generation}).to_string();
        let url = format!("{}/api/handlers/approve", host.admin());
        e2e::host::post(
            &url,
            &[("content-type", "application/json")],
            body.as_bytes(),
        )
    };
    let (status, problem) = approve(&looked_at);
    assert_eq!(status, 409, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("another generation by now"), "{detail}");
    assert_eq!(host.handler("wants")["state"], "quarantined");
    // Nothing of it was approved.
    assert!(!site.data().join("approvals.json").exists());
    assert_eq!(approve(&now).0, 200);
    assert_eq!(approve(&now).0, 404);
}
