//! `waystation export`: production is where test data comes from.

use std::fs;

use serde_json::{Value, json};

use e2e::host::Site;

#[test]
fn an_event_of_a_host_becomes_a_case_that_can_be_published_again() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    host.script("one", json!({"do": "fail", "times": 0}));
    host.script("two", json!({"do": "fail", "times": 0}));
    host.wait_for_delivery("one", "scripted", "done");
    let cases = site.root().join("cases");
    let to = cases.to_str().unwrap();

    let second = host.tree("two")["sequence"].to_string();
    let output = host.cli(&["export", "one", &second, "--to", to]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let folders: Vec<&str> = printed.lines().collect();
    assert_eq!(
        folders,
        ["scripted-one", "scripted-two"].map(|name| format!("{to}/{name}"))
    );

    let event = fs::read(cases.join("scripted-one/event.json")).unwrap();
    let event: Value = serde_json::from_slice(&event).unwrap();
    assert_eq!(event, host.tree("one")["event"]);
    let (status, body) = host.post(&[e2e::host::STRUCTURED], event.to_string());
    assert_eq!((status, &body["duplicates"]), (202, &json!(1)), "{body}");

    // So is a handler that none of them went to.
    for (name, expected) in [
        ("scriptd", "did you mean `scripted`?"),
        ("elsewhere", "they went to `scripted`"),
    ] {
        let output = host.cli(&["export", "one", "--to", "elsewhere", "--handler", name]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1));
        assert!(errors.contains(&format!("`{name}`")), "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }

    // What is not there is said, and leaves nothing behind.
    let output = host.cli(&["export", "one", "nobody", "--to", "elsewhere"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("`nobody`"), "{errors}");
    assert!(!std::path::Path::new("elsewhere").exists());
}
