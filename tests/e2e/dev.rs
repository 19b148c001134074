//! `waystation dev`: source in an editor, a host beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::guests;
use e2e::host::{Host, STRUCTURED, Site, waystation};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A handler package of its own, which asks for state that nobody grants.
fn package() -> PathBuf {
    // A fixed place, so that cargo finds what it built there before.
    let dir = guests::scratch().join("dev");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(dir.join("src")).unwrap();
    let sdk = Path::new(ROOT).join("guest-sdk");
    let manifest = format!(
        "[package]\nname = \"greeter\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\"]\n\
         [dependencies]\nwaystation-sdk = {{ path = {sdk:?} }}\n[workspace]\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    let lock = Path::new(ROOT).join("tests/fixtures/Cargo.lock");
    fs::copy(lock, dir.join("Cargo.lock")).unwrap();
    write_source(&dir, "\"Hello\"");
    let event = r#"{"specversion": "1.0", "id": "1", "source": "/test", "type": "test.joined.v1", "data": "Ada"}"#;
    fs::write(dir.join("event.json"), event).unwrap();
    dir
}

fn write_source(dir: &Path, greeting: &str) {
    let source = format!(
        "use waystation_sdk::{{Context, Event, HandlerError, handler}};
         /// Greets who joined.
         #[handler(on = \"test.joined.v1\", publishes = \"test.greeted.v1\", state = \"guests\")]
         fn greeter(event: Event<String>, ctx: &mut Context) -> Result<(), HandlerError> {{
             ctx.state(\"guests\")?.set(&event.data, &true)?;
             ctx.publish(\"test.greeted.v1\", &{greeting})?;
             Ok(())
         }}\n"
    );
    fs::write(dir.join("src/lib.rs"), source).unwrap();
}

fn on_target(mut command: Command) -> Command {
    let target = guests::profile().parent().unwrap().to_owned();
    command.env("CARGO_TARGET_DIR", target);
    command
}

/// Publishes the sample as a new event, and waits for what the handler says to it.
fn greeting(host: &mut Host, dir: &Path) -> String {
    let known = host.of_type("test.greeted.v1").len();
    let published = waystation()
        .args(["publish", "--new-id"])
        .arg(dir.join("event.json"))
        .args(["--to", host.events_url().trim_end_matches("/events")])
        .output()
        .unwrap();
    assert!(published.status.success(), "{published:?}");
    let greeted = host.wait_until("it is handled", |host| {
        host.of_type("test.greeted.v1").get(known).cloned()
    });
    greeted["data"].as_str().unwrap().to_owned()
}

#[test]
fn a_saved_change_is_in_service_and_a_mistake_leaves_what_was() {
    let dir = package();
    let built = on_target(waystation())
        .arg("build")
        .arg(&dir)
        .arg("--out")
        .arg(dir.join("out"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");

    let mut command = on_target(waystation());
    command.arg("dev").arg(&dir);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.args(["--replay", "5"]);
    let mut host = Site::start_from(command);
    host.wait_for_line(|line| line.starts_with("=== greeter ") && line.ends_with(" ms"));
    assert_eq!(greeting(&mut host, &dir), "Hello");
    host.wait_for_line(|line| line.starts_with("<-- 1 greeter ack"));

    write_source(&dir, "\"Good\" morning");
    let told = host.wait_for_line(|line| line.contains("was not built"));
    assert!(told.ends_with("the last good build goes on"), "{told}");
    let seen = host.seen().join("\n");
    assert!(seen.contains("--> src/lib.rs:6:"), "{seen}");
    assert_eq!(greeting(&mut host, &dir), "Hello");

    write_source(&dir, "\"Good morning\"");
    host.wait_for_line(|line| line.starts_with("=== greeter ") && line.contains("swapped"));
    // Both events that came were greeted otherwise before, and none is greeted twice.
    host.wait_for_line(|line| {
        line == "~~~ greeter: the last 2 events once more: 2 would end otherwise; \
                 - before, + now"
    });
    host.wait_for_line(|line| line.trim() == "+       \"data\": \"Good morning\",");
    assert!(
        host.seen()
            .iter()
            .any(|line| line.trim() == "-       \"data\": \"Hello\",")
    );
    assert_eq!(host.of_type("test.greeted.v1").len(), 2);
    assert_eq!(greeting(&mut host, &dir), "Good morning");

    // A type that is nearly the one: the terminal tells.
    let (status, _) = host.post(
        &[STRUCTURED],
        r#"{"specversion": "1.0", "id": "2", "source": "/test", "type": "test.join.v1"}"#,
    );
    assert_eq!(status, 202);
    host.wait_for_line(|line| {
        line.ends_with("no handler asks for it; did you mean `test.joined.v1`?")
    });

    // The author's sidecar comes along and has the last word.
    fs::write(dir.join("greeter.toml"), "[grants]\nstate = []\n").unwrap();
    host.wait_for_line(|line| line.starts_with("=== greeter ") && line.contains("new settings"));

    // Under another name the package has one handler still.
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
    let renamed = manifest.replace("\"greeter\"", "\"welcomer\"");
    fs::write(dir.join("Cargo.toml"), renamed).unwrap();
    host.wait_for_line(|line| line.starts_with("=== welcomer ") && line.ends_with(" ms"));
    host.wait_for_line(|line| line.starts_with("=== greeter ") && line.ends_with("retired"));
    let left = fs::read_dir(dir.join(".waystation/handlers")).unwrap();
    let left: Vec<_> = left.map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["welcomer.wasm"]);
}

#[test]
fn a_first_build_that_fails_leaves_nothing_that_serves() {
    let site = Site::empty();
    fs::write(site.root().join("package.json"), "{}").unwrap();
    let mut command = waystation();
    command.arg("dev").arg(site.root());
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let mut host = Site::start_from(command);
    let told = host.wait_for_line(|line| line.contains("was not built"));
    assert!(told.ends_with("; nothing serves yet"), "{told}");
}

#[test]
fn a_folder_without_a_package_is_named() {
    let site = Site::empty();
    let output = waystation().arg("dev").arg(site.root()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&site.root().display().to_string()), "{text}");
    assert!(text.contains("waystation new NAME"), "{text}");
}
