//! Handlers in Python: as far as an event that a real host handled.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use e2e::guests;
use e2e::host::{Host, STRUCTURED, Site, waystation};

const PROBE: &str = "com.example.probe.v1";
const DONE: &str = "com.example.probed.v1";

fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// What is made anew below the build output, so that nothing piles up in the user's cache.
fn cached(mut command: Command) -> Command {
    command.env("XDG_CACHE_HOME", guests::scratch().join("cache"));
    command
}

/// A package whose one module is this, in a place that is the same at each run.
fn package(name: &str, module: &str) -> PathBuf {
    let folder = guests::scratch().join("python").join(name);
    fs::create_dir_all(folder.join("src")).unwrap();
    let sdk = repository().join("guest-sdk/python");
    let manifest = format!("[project]\nname = \"{name}\"\n\n[tool.waystation]\nsdk = {sdk:?}\n");
    fs::write(folder.join("pyproject.toml"), manifest).unwrap();
    fs::write(folder.join("src").join(format!("{name}.py")), module).unwrap();
    folder
}

fn build(package: &Path, out: &Path) -> Output {
    let mut command = cached(waystation());
    command.arg("build").arg(package).arg("--out").arg(out);
    command.output().unwrap()
}

/// Answers each request with the name of its path, in JSON.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            let path = first.split(' ').nth(1).unwrap().to_owned();
            while !lines.next().unwrap().unwrap().is_empty() {}
            let body = json!({ "path": path }).to_string();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    authority
}

/// Does what its events say.
const MODULE: &str = r#"
import logging
import random
from dataclasses import dataclass

from waystation_sdk import Context, Event, Reject, Retry, handler


@dataclass
class Order:
    do: str


@handler(on="com.example.probe.v1", publishes="com.example.probed.v1", state="counts",
         http="AUTHORITY")
def probe(event: Event[Order], ctx: Context) -> None:
    """Does what it is told."""
    match event.data.do:
        case "fail":
            logging.warning("now it fails")
            look_up({}, "nowhere")
        case "reject":
            raise Reject("never again")
        case "later":
            raise Retry("not now", after=3600)
        case "import":
            import html
        case "count":
            count = ctx.state("counts").increment("all")
            ctx.publish("com.example.probed.v1", {"count": count, "chance": random.random()})
        case "call":
            answer = ctx.http.get("http://AUTHORITY/some/where").raise_for_status()
            ctx.publish("com.example.probed.v1", answer.json())
        case "print":
            print("printed", "é".encode("latin-1"))


def look_up(table, key):
    return table[key]
"#;

#[test]
fn a_mistake_is_shown_by_its_file_and_line_and_without_a_stack_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let check = |module: &str, expected: &[&str]| {
        let dir = package("mistaken", module);
        let output = build(&dir, folder.path());
        let text = text(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        for part in expected {
            assert!(text.contains(part), "{part}: {text}");
        }
        for foreign in ["_guest.py", "componentize", "waystation_entry", "anyhow"] {
            assert!(!text.contains(foreign), "{foreign}: {text}");
        }
    };
    check(
        "x = 1\ndef handle(event:\n",
        &["  File \"src/mistaken.py\", line 2\n", "SyntaxError: "],
    );
    check(
        "import yaml\n",
        &[
            "  File \"src/mistaken.py\", line 1, in <module>\n    import yaml\n",
            "ModuleNotFoundError: No module named 'yaml'\n",
            "`dependencies` in ",
        ],
    );
    check("x = 1\n", &["`mistaken` has the decorator `@handler`"]);
    let dir = package("mistaken", "");
    fs::remove_file(dir.join("src/mistaken.py")).unwrap();
    let said = text(&build(&dir, folder.path()));
    assert!(
        said.contains("there is no ") && said.contains("src/mistaken.py"),
        "{said}"
    );
}

/// Starts a host and waits until the handler serves: it takes seconds to compile.
fn start(site: &Site, handler: &str) -> Host {
    let mut host = site.start();
    let waits = format!("handler {handler} is still being compiled");
    if host.seen().iter().any(|line| line.starts_with(&waits)) {
        let loaded = format!("=== {handler} ");
        host.wait_for_line(|line| line.starts_with(&loaded));
    }
    host
}

fn publish(host: &Host, id: &str, data: Value) {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": PROBE,
        "datacontenttype": "application/json", "data": data,
    });
    let (status, answer) = host.post(&[STRUCTURED], event.to_string());
    assert_eq!(status, 202, "{answer}");
}

#[test]
fn a_host_runs_what_was_written_in_python() {
    let folder = tempfile::tempdir().unwrap();
    let authority = server();
    let dir = package("probe", &MODULE.replace("AUTHORITY", &authority));
    let site = Site::empty();
    let built = build(&dir, &site.handlers());
    assert!(built.status.success(), "{}", text(&built));
    let sidecar =
        format!("[grants]\nhttp = [{authority:?}]\nstate = [\"counts\"]\npublish = [\"{DONE}\"]\n");
    site.sidecar("probe", &sidecar);
    let mut host = start(&site, "probe");
    publish(&host, "count-1", json!({"do": "count"}));
    host.wait_for_delivery("count-1", "probe", "done");
    publish(&host, "count-2", json!({"do": "count"}));
    host.wait_for_delivery("count-2", "probe", "done");
    publish(&host, "call", json!({"do": "call"}));
    host.wait_for_delivery("call", "probe", "done");
    let done = host.of_type(DONE);
    let counts: Vec<_> = done.iter().map(|event| &event["data"]["count"]).collect();
    assert_eq!(counts, [&json!(1), &json!(2), &Value::Null]);
    assert_eq!(done[2]["data"], json!({"path": "/some/where"}));
    assert_ne!(done[0]["data"]["chance"], done[1]["data"]["chance"]);

    publish(&host, "fail", json!({"do": "fail"}));
    let failed = host.wait_for_delivery("fail", "probe", "waiting");
    assert_eq!(
        failed["attempts"][0]["reason"],
        format!(
            "KeyError: 'nowhere' (at src/probe.py:{} in look_up)",
            line_of("return table")
        )
    );
    publish(&host, "import", json!({"do": "import"}));
    let failed = host.wait_for_delivery("import", "probe", "waiting");
    let reason = failed["attempts"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("`html` was not loaded at the build"),
        "{reason}"
    );
    publish(&host, "reject", json!({"do": "reject"}));
    let dead = host.wait_for_delivery("reject", "probe", "dead");
    assert_eq!(dead["attempts"][0]["reason"], "never again");
    publish(&host, "text", json!({"do": 7}));
    let dead = host.wait_for_delivery("text", "probe", "dead");
    assert_eq!(dead["attempts"][0]["reason"], "data.do: expected a string");

    // The lines of the log, offline: there the output has them all.
    let invoke = |what: &str| {
        let event = json!({
            "specversion": "1.0", "id": "1", "source": "/test", "type": PROBE,
            "data": {"do": what},
        });
        let file = folder.path().join("event.json");
        fs::write(&file, event.to_string()).unwrap();
        let mut command = cached(waystation());
        command
            .arg("invoke")
            .arg(site.handlers().join("probe.wasm"))
            .arg(file);
        text(&command.output().unwrap())
    };
    let said = invoke("fail");
    let (outer, inner) = (line_of("look_up({}"), line_of("return table"));
    for part in [
        "warn root: now it fails".to_owned(),
        "Traceback (most recent call last):".to_owned(),
        format!("File \"src/probe.py\", line {outer}, in probe"),
        "look_up({}, \"nowhere\")".to_owned(),
        format!("File \"src/probe.py\", line {inner}, in look_up"),
        "KeyError: 'nowhere'".to_owned(),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    let said = invoke("print");
    assert!(said.contains("printed b'\\xe9'"), "{said}");
}

fn line_of(part: &str) -> usize {
    let at = MODULE.lines().position(|line| line.contains(part));
    at.unwrap() + 1
}

#[test]
fn the_sample_tells_who_is_on_duty_of_a_warm_cargo() {
    let mut command = cached(waystation());
    command
        .arg("test")
        .arg(repository().join("handlers/cold-chain"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("warm"), "{}", text(&output));
}

#[test]
fn a_new_package_is_tested_built_and_handles_its_first_event() {
    let folder = guests::scratch().join("python");
    fs::create_dir_all(&folder).unwrap();
    let package = folder.join("greeter");
    if package.exists() {
        fs::remove_dir_all(&package).unwrap();
    }
    let mut new = waystation();
    let types = ["--on", PROBE, "--publishes", DONE];
    new.args(["new", "greeter", "--lang", "py"]).args(types);
    let made = new.current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    assert!(
        text(&made).contains("  .venv/bin/pytest\n"),
        "{}",
        text(&made)
    );

    // Where pytest is comes from `make python`; else the author's own commands get it.
    let pytest = guests::profile()
        .parent()
        .unwrap()
        .join("python/bin/pytest");
    let tested = Command::new(&pytest).current_dir(&package).output();
    let tested = tested.unwrap_or_else(|error| panic!("{error}; run `make python` first"));
    assert!(tested.status.success(), "{}", text(&tested));
    let mut cases = cached(waystation());
    let cases = cases.arg("test").current_dir(&package).output().unwrap();
    assert!(
        text(&cases).contains("1 case: 1 passed, 0 failed"),
        "{}",
        text(&cases)
    );

    let site = Site::empty();
    let built = build(&package, &site.handlers());
    assert!(built.status.success(), "{}", text(&built));
    let mut host = start(&site, "greeter");
    let event = package.join("cases/first/event.json");
    let published = host.cli(&[
        "publish",
        event.to_str().unwrap(),
        "--to",
        host.events_url(),
    ]);
    assert!(published.status.success(), "{}", text(&published));
    host.wait_for_delivery("first", "greeter", "done");
    let greeted = host.of_type(DONE);
    assert_eq!(greeted[0]["data"], json!({"greeting": "Hello, Ada!"}));
}
