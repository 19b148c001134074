//! `waystation new`, as far as an event that the new handler handled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use e2e::guests;
use e2e::host::{Site, waystation};

const ON: &str = "com.example.users.registered.v1";
const PUBLISHES: &str = "com.example.users.greeted.v1";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn new(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = waystation();
    command.arg("new").args(arguments).current_dir(folder);
    command.output().unwrap()
}

/// Runs a command in the package, and expects it to succeed.
fn succeeds(command: &mut Command, package: &Path) -> String {
    let command = command.current_dir(package);
    // What is compiled for one test is there for the next.
    let command = command.env("CARGO_TARGET_DIR", guests::scratch().join("new/target"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    text(&output)
}

/// A new package in a place that is the same at each run, so that tools know what
/// they compiled before.
fn package(name: &str, arguments: &[&str]) -> PathBuf {
    let folder = guests::scratch().join("new");
    let package = folder.join(name);
    fs::create_dir_all(&folder).unwrap();
    if package.exists() {
        fs::remove_dir_all(&package).unwrap();
    }
    let output = new(&folder, &[&[name][..], arguments].concat());
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("  waystation build\n"),
        "{}",
        text(&output)
    );
    package
}

/// Builds the package into the folder of a running host and publishes its sample
/// event.
fn is_handled(package: &Path, name: &str) {
    let tested = succeeds(waystation().arg("test"), package);
    assert!(tested.contains("1 case: 1 passed, 0 failed"), "{tested}");
    let site = Site::empty();
    let mut host = site.start();
    let handlers = site.handlers();
    let out = handlers.to_str().unwrap();
    succeeds(waystation().args(["build", "--out", out]), package);
    host.wait_for_line(|line| line.contains("===") && line.contains(name));
    let event = package.join("cases/first/event.json");
    let event = event.to_str().unwrap();
    let published = host.cli(&["publish", event, "--to", host.events_url()]);
    assert!(published.status.success(), "{}", text(&published));
    host.wait_for_delivery("first", name, "done");
    let greeted = host.of_type(PUBLISHES);
    assert_eq!(greeted[0]["data"], json!({"greeting": "Hello, Ada!"}));
}

#[test]
fn a_handler_in_rust_is_made_tested_built_and_run() {
    let arguments = ["--lang", "rust", "--on", ON, "--publishes", PUBLISHES];
    let package = package("new-in-rust", &arguments);
    // The versions that all else here is built with, so that nothing is fetched.
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let tested = succeeds(Command::new("cargo").arg("test"), &package);
    assert!(tested.contains("1 passed"), "{tested}");
    is_handled(&package, "new-in-rust");
}

#[test]
fn a_handler_in_rust_may_publish_nothing() {
    let sdk = root().join("guest-sdk");
    let sdk = sdk.to_str().unwrap();
    let package = package("new-silent", &["--lang", "rust", "--on", ON, "--sdk", sdk]);
    assert!(!package.join("sdk").exists());
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let tested = succeeds(Command::new("cargo").arg("test"), &package);
    assert!(tested.contains("1 passed"), "{tested}");
    let cases = succeeds(waystation().arg("test"), &package);
    assert!(cases.contains("1 case: 1 passed, 0 failed"), "{cases}");
    assert!(!tested.contains("warning"), "{tested}");
}

#[test]
fn a_package_without_a_handler_is_not_built_silently() {
    let sdk = root().join("guest-sdk");
    let sdk = sdk.to_str().unwrap();
    let package = package("new-empty", &["--lang", "rust", "--on", ON, "--sdk", sdk]);
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    fs::write(package.join("src/lib.rs"), "").unwrap();
    let mut build = waystation();
    build.arg("build").current_dir(&package);
    build.env("CARGO_TARGET_DIR", guests::scratch().join("new/target"));
    let output = build.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = text(&output);
    assert!(
        text.contains("`new-empty` compiles, but it is no handler"),
        "{text}"
    );
    assert!(text.contains("\n    #[handler(on = "), "{text}");
    assert!(!package.join("handlers/new-empty.wasm").exists());
}

#[test]
fn any_path_makes_a_manifest_that_reads_and_a_command_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let sdk = folder.path().join(r#"the "best" \sdk"#);
    fs::create_dir(&sdk).unwrap();
    let sdk_path = sdk.to_str().unwrap();
    for (lang, manifest) in [
        ("rust", "Cargo.toml"),
        ("py", "pyproject.toml"),
        ("js", "package.json"),
    ] {
        fs::write(sdk.join(manifest), "").unwrap();
        let dir = format!("my {lang}");
        let arguments = ["mail", "--lang", lang, "--on", ON, "--sdk", sdk_path];
        let made = new(folder.path(), &[&arguments[..], &["--dir", &dir]].concat());
        assert!(made.status.success(), "{}", text(&made));
        let told = text(&made);
        assert!(told.contains(&format!("\n  cd '{dir}'\n")), "{told}");
        let manifest = fs::read_to_string(folder.path().join(dir).join(manifest)).unwrap();
        let named = r#"../the \"best\" \\sdk"#;
        assert!(manifest.contains(named), "{manifest}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_said_with_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], expected: &[&str]| {
        let output = new(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        for part in expected {
            assert!(
                text(&output).contains(part),
                "{arguments:?}: {}",
                text(&output)
            );
        }
    };
    check(
        &["mail", "--on", ON],
        &[
            "`--lang`: rust, js or py",
            &format!("    waystation new mail --lang rust --on {ON}\n"),
        ],
    );
    check(
        &["mail", "--lang", "py"],
        &["`--on`", "    waystation new mail --lang py --on com."],
    );
    check(
        &["WelcomeMail", "--lang", "rust", "--on", ON],
        &["did you mean `welcome-mail`?"],
    );
    let nowhere = ["mail", "--lang", "rust", "--on", ON, "--sdk", "nowhere"];
    check(&nowhere, &["`nowhere` is no SDK", "`Cargo.toml`"]);
    fs::create_dir(folder.path().join("mail")).unwrap();
    fs::write(folder.path().join("mail/notes"), "mine").unwrap();
    check(
        &["mail", "--lang", "rust", "--on", ON],
        &["`mail`", "`--dir`"],
    );
    assert_eq!(fs::read_dir(folder.path().join("mail")).unwrap().count(), 1);
}
