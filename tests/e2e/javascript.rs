//! Handlers in JavaScript and TypeScript: built, tested and run as their authors do.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use e2e::guests;
use e2e::host::{Host, STRUCTURED, Site, waystation};

const ON: &str = "com.example.users.registered.v1";
const PUBLISHES: &str = "com.example.users.greeted.v1";
const OBSERVED: &str = "com.example.prices.observed.v1";
const DROPPED: &str = "com.example.prices.dropped.v1";

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// Runs a command in the package, and expects it to succeed.
fn succeeds(command: &mut Command, package: &Path) -> String {
    let output = command.current_dir(package).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    text(&output)
}

/// Runs a command in the package, and expects it to refuse; gives what it says.
fn refused(command: &mut Command, package: &Path) -> String {
    let output = command.current_dir(package).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

fn new(folder: &Path, name: &str, more: &[&str]) -> PathBuf {
    let arguments = [&["new", name, "--lang", "js", "--on", ON][..], more].concat();
    succeeds(waystation().args(arguments), folder);
    folder.join(name)
}

fn npm(arguments: &[&str]) -> Command {
    let mut npm = Command::new("npm");
    npm.args(arguments);
    npm
}

fn build(package: &Path, out: &Path) -> Command {
    let mut build = waystation();
    build
        .arg("build")
        .arg(package)
        .args(["--out", out.to_str().unwrap()]);
    build
}

#[test]
fn a_handler_in_typescript_is_made_tested_built_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let package = new(folder.path(), "new-in-js", &["--publishes", PUBLISHES]);
    succeeds(&mut npm(&["install"]), &package);
    let tested = succeeds(&mut npm(&["test"]), &package);
    assert!(tested.contains("pass 1"), "{tested}");
    let cases = succeeds(waystation().arg("test"), &package);
    assert!(cases.contains("1 case: 1 passed, 0 failed"), "{cases}");

    let site = Site::empty();
    let mut host = site.start();
    succeeds(&mut build(&package, &site.handlers()), &package);
    host.wait_for_line(|line| line.contains("===") && line.contains("new-in-js"));
    let event = package.join("cases/first/event.json");
    let event = event.to_str().unwrap();
    let published = host.cli(&["publish", event, "--to", host.events_url()]);
    assert!(published.status.success(), "{}", text(&published));
    host.wait_for_delivery("first", "new-in-js", "done");
    let greeted = host.of_type(PUBLISHES);
    assert_eq!(greeted[0]["data"], json!({"greeting": "Hello, Ada!"}));

    mistakes_are_shown_with_their_place(&package);
}

/// In a package that builds.
fn mistakes_are_shown_with_their_place(package: &Path) {
    let out = package.join("handlers");
    let source = package.join("src/handler.ts");
    let sound = fs::read_to_string(&source).unwrap();
    let check = |wrong: &str, first: &str, line: &str| {
        fs::write(&source, wrong).unwrap();
        let said = refused(&mut build(package, &out), package);
        assert!(said.starts_with(first), "{said}");
        assert!(said.contains(line), "{said}");
        assert!(said.contains("`new-in-js` is not built"), "{said}");
        assert!(!out.join("new-in-js.wasm").exists());
    };
    let place = |needle: &str, text: &str| {
        let at = text.find(needle).unwrap();
        let line = text[..at].lines().count();
        let column = at - text[..at].rfind('\n').unwrap();
        format!("src/handler.ts:{line}:{column}: ")
    };
    let wrong = sound.replace("event.data.name}", "event.data.nmae}");
    let first = format!("{}Property 'nmae' does not exist", place("nmae", &wrong));
    check(&wrong, &first, "${event.data.nmae}");

    let wrong = sound.replace("description:", "description = ");
    check(&wrong, "src/handler.ts:5:", "  5 |   description = ");

    let wrong = format!("import fs from \"node:fs\";\n{sound}\nfs.rmSync(\"/\");\n");
    check(
        &wrong,
        "src/handler.ts:1:16: there is no `node:fs`",
        "fetch",
    );

    let wrong = format!("{sound}\nthrow new Error(\"at the top\");\n");
    let lines = wrong.trim_end().lines().count();
    check(&wrong, &format!("src/handler.ts:{lines}:"), "at the top");

    let wrong = sound.replace("export default", "export const handler =");
    check(&wrong, "the module exports no handler", "export default");

    let wrong = sound.replace("publishes:", "pubishes:");
    check(&wrong, "src/handler.ts:", "pubishes");

    fs::write(&source, sound).unwrap();
    succeeds(&mut build(package, &out), package);
}

/// Uses what there is in a handler; `{{http}}` is the server.
const ALL: &str = include_str!("javascript/all.ts");

#[test]
fn a_handler_in_typescript_waits_calls_and_keeps_state() {
    let server = rates();
    let folder = tempfile::tempdir().unwrap();
    let package = new(folder.path(), "all-in-js", &["--publishes", PUBLISHES]);
    let source = ALL.replace("{{http}}", &server);
    fs::write(package.join("src/handler.ts"), source).unwrap();
    let site = Site::empty();
    site.sidecar(
        "all-in-js",
        &format!("[grants]\nhttp = ['{server}']\nstate = ['seen']\n[config]\ngreeting = 'Hi'\n"),
    );
    let mut host = site.start();
    // Fetches the dependencies too.
    succeeds(&mut build(&package, &site.handlers()), &package);
    host.wait_for_line(|line| line.contains("===") && line.contains("all-in-js"));
    for id in ["one", "two"] {
        publish(&host, ON, id, r#"{"name": "Ada"}"#);
        host.wait_for_delivery(id, "all-in-js", "done");
    }
    let mut greeted = host.of_type(PUBLISHES);
    greeted.sort_by_key(|event| event["data"]["count"].as_u64());
    assert_eq!(
        greeted[1]["data"],
        json!({
            "greeting": "Hi, Ada ✓", "count": 2, "rates": [0.5, 0.5], "swapped": [true, false],
            "order": ["first", "job", "timer"], "random": true, "uuid": 36, "key": true,
        })
    );
    assert_eq!(greeted[1]["partitionkey"], "Ada");
    assert_eq!(greeted[1]["tone"], "warm");

    for (name, state, expected) in [
        ("later", "waiting", "come back"),
        ("never", "dead", "not this one"),
        ("stuck", "waiting", "a promise that nothing settles"),
        (
            "wrong",
            "waiting",
            "did you mean `com.example.users.greeted.v1`?",
        ),
    ] {
        publish(&host, ON, name, &json!({"name": name}).to_string());
        let delivery = host.wait_for_delivery(name, "all-in-js", state).to_string();
        assert!(delivery.contains(expected), "{expected}: {delivery}");
    }
}

#[test]
fn a_handler_in_typescript_may_publish_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let package = new(folder.path(), "silent-in-js", &[]);
    succeeds(&mut npm(&["install"]), &package);
    let tested = succeeds(&mut npm(&["test"]), &package);
    assert!(tested.contains("pass 1"), "{tested}");
    // Without tools there is no build, but a word about what is missing.
    let said = refused(
        build(&package, &folder.path().join("out")).env("PATH", folder.path()),
        &package,
    );
    assert!(said.contains("need `node`, which is not here"), "{said}");
    assert!(said.contains("apt-get install nodejs"), "{said}");
}

/// A server that answers each request with a rate.
fn rates() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
            }
            let body = if head.starts_with("GET /eur/CHF ") {
                r#"{"rate": 0.5}"#
            } else {
                "null"
            };
            write!(
                reader.into_inner(),
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    authority
}

fn publish(host: &Host, event_type: &str, id: &str, data: &str) {
    let event = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/test","type":"{event_type}","subject":"lamp","data":{data}}}"#
    );
    let (status, answer) = host.post(&[STRUCTURED], event);
    assert_eq!(status, 202, "{answer}");
}

#[test]
fn the_sample_remembers_and_tells_and_fails_with_its_place() {
    let site = Site::empty();
    site.sidecar(
        "price-watch",
        "[grants]\nhttp = ['rates.example']\nstate = ['prices']\n[config]\npercent = '10'\n\
         rates = 'https://rates.example'\n[retry]\nattempts = 1\n",
    );
    site.drop_in("price-watch", &guests::component("price-watch"));
    let mut host = site.start();
    publish(&host, OBSERVED, "1", r#"{"product": "lamp", "price": 50}"#);
    host.wait_for_delivery("1", "price-watch", "done");
    publish(&host, OBSERVED, "2", r#"{"product": "lamp", "price": 40}"#);
    host.wait_for_delivery("2", "price-watch", "done");
    let dropped = host.of_type(DROPPED);
    assert_eq!(
        dropped[0]["data"],
        json!({"product": "lamp", "from": 50, "to": 40, "percent": 20})
    );
    assert_eq!(dropped[0]["subject"], "lamp");

    publish(
        &host,
        OBSERVED,
        "3",
        r#"{"product": "lamp", "price": "cheap"}"#,
    );
    let delivery = host.wait_for_delivery("3", "price-watch", "dead");
    let said = delivery.to_string();
    assert!(said.contains("at $.price: expected a number"), "{said}");
    assert!(!said.contains("cheap"), "{said}");

    publish(
        &host,
        OBSERVED,
        "4",
        r#"{"product": "lamp", "price": 1e999}"#,
    );
    let said = host
        .wait_for_delivery("4", "price-watch", "dead")
        .to_string();
    for part in [
        "RangeError: a price must be a finite number",
        "at dropped (src/history.ts:4:",
        "(src/handler.ts:",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
