//! What lies in the handlers folder, good and bad.

use serde_json::json;

use e2e::guests;
use e2e::host::Site;

#[test]
fn what_is_no_handler_is_refused_with_its_reason() {
    let site = Site::with(&["counter"]);
    site.drop_in("text", b"this is no component");
    site.drop_in("native", b"\x7fELF\x02\x01\x01\0");
    site.drop_in("stranger", guests::EMPTY_COMPONENT);
    site.drop_in("greedy", &guests::component("asks-too-much"));
    site.drop_in("mute", &guests::component("bad-describe"));
    std::fs::write(site.handlers().join("old.cwasm"), b"x").unwrap();
    let host = site.start();
    for (name, reason) in [
        ("text", "no WebAssembly"),
        ("native", "compiled native code"),
        (
            "stranger",
            "does not export `waystation:events/handler@0.1.0`",
        ),
        ("greedy", "imports `acme:ledger/accounts"),
        ("mute", "`describe` failed"),
    ] {
        let handler = host.handler(name);
        let why = handler["refused"]["reason"]
            .as_str()
            .unwrap_or_else(|| panic!("{handler}"));
        assert!(why.contains(reason), "{name}: {why}");
        assert!(handler["serving"].is_null());
    }
    let shown = String::from_utf8(host.cli(&["handlers"]).stdout).unwrap();
    assert!(shown.contains("acme:ledger/accounts"), "{shown}");
    assert!(host.handler("counter")["serving"].is_object());
}

#[test]
fn a_precompiled_file_is_named_at_the_start() {
    let site = Site::empty();
    std::fs::write(site.handlers().join("old.cwasm"), b"x").unwrap();
    let mut host = site.start();
    let line = host.wait_for_line(|line| line.contains("old.cwasm"));
    assert!(line.contains("WARN"), "{line}");
}

#[test]
fn a_sidecar_has_the_last_word_and_its_mistakes_are_told() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    site.sidecar(
        "scripted",
        "concurrency = 3\ntimeout = '2s'\n[grants]\npublish = ['test.result.done.v1']\n",
    );
    host.wait_until("the sidecar holds", |host| {
        let serving = &host.handler("scripted")["serving"];
        (serving["concurrency"] == 3 && serving["timeout_ms"] == 2000).then_some(())
    });
    // Narrowed: this type was declared and is not granted.
    host.script(
        "narrow",
        json!({"do": "publish", "type": "test.result.x.v1", "count": 1}),
    );
    host.wait_for_delivery("narrow", "scripted", "dead");

    site.sidecar("scripted", "concurency = 3\n");
    let reason = host.wait_until("the mistake is shown", |host| {
        host.handler("scripted")["refused"]["reason"]
            .as_str()
            .map(str::to_owned)
    });
    assert!(reason.contains("did you mean `concurrency`?"), "{reason}");
    assert_eq!(
        host.handler("scripted")["serving"]["concurrency"],
        3,
        "the last good one goes on"
    );
}

#[test]
fn a_removed_file_retires_its_handler_and_keeps_its_position() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    host.script("before", json!({"do": "ack"}));
    host.wait_for_delivery("before", "scripted", "done");
    std::fs::remove_file(site.handlers().join("scripted.wasm")).unwrap();
    host.wait_for_line(|line| line.contains("retired"));
    host.script("meanwhile", json!({"do": "ack"}));
    site.drop_in("scripted", &guests::component("scripted"));
    host.wait_for_delivery("meanwhile", "scripted", "done");
    assert_eq!(host.of_type("test.result.done.v1").len(), 2);
}

/// Compiled code is kept from one start to the next, in a folder for the owner
/// alone.
#[test]
fn compiled_code_is_kept_in_private() {
    use std::os::unix::fs::MetadataExt;
    let site = Site::with(&["counter"]);
    drop(site.start());
    let folder = site.data().join("compiled");
    assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    let entries: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(entries.len(), 1);
    // What was tampered with is thrown away, and the handler is there all the same.
    std::fs::write(entries[0].path(), b"tampered").unwrap();
    let host = site.start();
    assert!(host.handler("counter")["serving"].is_object());
    assert_ne!(std::fs::read(entries[0].path()).unwrap(), b"tampered");
}
