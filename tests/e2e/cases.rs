//! The cases of a handler, without a host.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use e2e::guests;
use e2e::host::waystation;

fn test(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output: Output = waystation()
        .current_dir(folder)
        .env("XDG_CACHE_HOME", guests::scratch().join("cache"))
        .arg("test")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A folder with one case for the `surrounded` fixture.
fn desk(subject: &str) -> TempDir {
    let desk = tempfile::tempdir().unwrap();
    let component = guests::surrounded("stock.example:80");
    std::fs::write(desk.path().join("surrounded.wasm"), component).unwrap();
    let case = desk.path().join("cases/first");
    std::fs::create_dir_all(&case).unwrap();
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/test", "type": "test.surrounded.v1",
        "subject": subject,
    });
    let http = json!([{
        "request": {"method": "POST", "url": "http://stock.example:80/stock?key=open-sesame"},
        "answer": {"status": 200, "body": {"left": 3}},
    }]);
    let config = json!({"region": "eu", "token": "open-sesame"});
    let state = json!({"orders": {"last": 1}});
    for (name, content) in [
        ("event", event),
        ("http", http),
        ("config", config),
        ("state", state),
    ] {
        std::fs::write(case.join(format!("{name}.json")), content.to_string()).unwrap();
    }
    desk
}

const COMPONENT: [&str; 2] = ["--component", "surrounded.wasm"];
const BLESS: [&str; 3] = ["--component", "surrounded.wasm", "--bless"];

#[test]
fn a_case_is_blessed_and_then_holds_each_time() {
    let desk = desk("look");
    let (code, out, _) = test(desk.path(), &COMPONENT);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("FAILED  first\n  there is no expected.json; --bless"),
        "{out}"
    );
    assert!(out.ends_with("\n1 case: 0 passed, 1 failed\n"), "{out}");

    assert_eq!(test(desk.path(), &BLESS).0, Some(0));
    let file = desk.path().join("cases/first/expected.json");
    let expected = std::fs::read_to_string(&file).unwrap();
    let read: Value = serde_json::from_str(&expected).unwrap();
    let reason = read["reason"].as_str().unwrap();
    assert!(reason.contains("last 1, none nothing"), "{reason}");
    assert!(reason.contains(r#"answer 200 {"left":3}"#), "{reason}");
    assert!(reason.contains("now 1767225600000000000"), "{reason}");
    assert!(!expected.contains("open-sesame"), "{expected}");

    // Time and chance stand still.
    let (code, out, errors) = test(desk.path(), &COMPONENT);
    assert_eq!(code, Some(0), "{out}{errors}");
    assert_eq!(out, "ok      first\n\n1 case: 1 passed, 0 failed\n");
    let (code, out, _) = test(
        desk.path(),
        &[&COMPONENT[..], &["--output", "json"]].concat(),
    );
    assert_eq!(code, Some(0));
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(rows[0]["case"], "first");
    assert_eq!(rows[0]["verdict"], "ok");
    assert_eq!(rows[0]["actual"], read);
}

#[test]
fn a_difference_is_shown_line_by_line() {
    let desk = desk("set");
    let file = desk.path().join("cases/first/expected.json");
    let expected = json!({"outcome": "ack", "publishes": [], "state": {"orders": {"last": 8}}});
    std::fs::write(&file, expected.to_string()).unwrap();
    let (code, out, _) = test(desk.path(), &COMPONENT);
    assert_eq!(code, Some(1));
    assert!(out.contains("\n  -       \"last\": 8\n"), "{out}");
    assert!(out.contains("\n  +       \"last\": {\n"), "{out}");
    assert!(!out.contains('\x1b'), "no colours but on a terminal");
}

#[test]
fn a_broken_case_fails_and_the_others_run() {
    let desk = desk("look");
    assert_eq!(test(desk.path(), &BLESS).0, Some(0));
    let cases = desk.path().join("cases");
    let write = |case: &str, text: &str| {
        std::fs::create_dir(cases.join(case)).unwrap();
        std::fs::write(cases.join(case).join("event.json"), text).unwrap();
    };
    write("broken", "{}");
    write(".hidden", "{}");
    std::fs::create_dir(cases.join("empty")).unwrap();

    let (code, out, errors) = test(desk.path(), &COMPONENT);
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        out.contains("FAILED  broken\n  `./cases/broken/event.json` is no event: "),
        "{out}"
    );
    assert!(
        out.contains("FAILED  empty\n  cannot read `./cases/empty/event.json`: "),
        "{out}"
    );
    assert!(
        out.ends_with("ok      first\n\n3 cases: 1 passed, 2 failed\n"),
        "{out}"
    );
    assert!(!out.contains("no expected.json"), "{out}");

    let (code, out, _) = test(
        desk.path(),
        &[&COMPONENT[..], &["--output", "json"]].concat(),
    );
    assert_eq!(code, Some(1));
    let rows: Value = serde_json::from_str(&out).unwrap();
    let verdicts: Vec<_> = (0..3).map(|row| rows[row]["verdict"].as_str()).collect();
    assert_eq!(verdicts, [Some("failed"), Some("failed"), Some("ok")]);
    let error = rows[0]["error"].as_str().unwrap();
    assert!(error.contains("is no event: "), "{error}");
}

#[test]
fn a_package_is_built_before_its_cases_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (code, out, errors) = test(root, &["handlers/shipping"]);
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(out.contains("ok      paid\n"), "{out}");
    assert!(errors.contains("shipping.wasm"), "{errors}");
}

#[test]
fn what_is_no_package_is_told_as_what_it_is() {
    let desk = tempfile::tempdir().unwrap();
    std::fs::write(desk.path().join("a b.wasm"), "").unwrap();
    std::fs::create_dir(desk.path().join("empty")).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let several = root.join("handlers");
    for (dir, expected) in [
        ("nodir", "error: there is no folder `nodir`\n"),
        (
            "a b.wasm",
            "error: `a b.wasm` is a file, expected the folder",
        ),
        ("a b.wasm", "\n    waystation test --component 'a b.wasm'\n"),
        (
            "empty",
            "error: `empty` is no handler package and holds none",
        ),
        ("empty", "`waystation new NAME`"),
        (several.to_str().unwrap(), "name the folder of one of them"),
    ] {
        let (code, _, errors) = test(desk.path(), &[dir]);
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains(expected), "{errors}");
        assert!(!errors.contains("make a folder for a case"), "{errors}");
    }
}

#[test]
fn a_folder_without_cases_says_how_to_begin() {
    let desk = tempfile::tempdir().unwrap();
    let (code, _, errors) = test(desk.path(), &["--component", "x.wasm"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("there are no cases in"), "{errors}");
    assert!(errors.contains("cases/first/event.json"), "{errors}");
}
