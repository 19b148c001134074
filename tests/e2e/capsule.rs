//! A failed attempt, made again elsewhere.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::thread;

use serde_json::{Value, json};

use e2e::guests;
use e2e::host::{Host, STRUCTURED, Site, waystation};

const TOKEN: &str = "correct-horse-battery";

/// A server that answers each request with another number and the token, and
/// ends with the test.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut length = None;
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 2 {
                let field = line.to_ascii_lowercase();
                length = field
                    .strip_prefix("content-length:")
                    .map(|it| it.trim().parse().unwrap())
                    .or(length);
                line.clear();
            }
            match length {
                Some(length) => {
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).unwrap();
                }
                None => {
                    while stream.read_line(&mut line).unwrap() > 0 && !line.ends_with("0\r\n") {}
                }
            }
            let body = format!("number {number} for {TOKEN}");
            let answer = format!(
                "HTTP/1.1 503 No\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            // The host may have given the attempt up.
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}

/// A place whose handler calls this server and has its secret.
fn site(server: &str) -> Site {
    let site = bare_site(server, "[secrets]\ntoken = { file = \"../token\" }\n");
    let token = site.root().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    site
}

/// The same with another end of the sidecar.
fn bare_site(server: &str, end: &str) -> Site {
    let site = Site::empty();
    site.drop_in("surrounded", &guests::surrounded(server));
    let sidecar = format!(
        "[grants]\nhttp = [\"{server}\"]\nstate = [\"orders\"]\npublish = [\"test.allowed\"]\n\
         [config]\nregion = \"eu\"\n{end}"
    );
    site.sidecar("surrounded", &sidecar);
    site
}

fn publish(host: &Host, id: &str, subject: &str) {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": "test.surrounded.v1",
        "subject": subject, "data": {"b": 1.50, "a": "é"},
    });
    let (status, body) = host.post(&[STRUCTURED], event.to_string());
    assert_eq!(status, 202, "{body}");
}

/// `waystation invoke` in a folder of its own, without a host.
fn invoke(folder: &Path, arguments: &[&str]) -> Output {
    waystation()
        .current_dir(folder)
        .env("XDG_CACHE_HOME", guests::scratch().join("cache"))
        .arg("invoke")
        .args(arguments)
        .output()
        .unwrap()
}

/// The report of an attempt that failed.
fn report(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_failed_attempt_is_made_again_elsewhere_with_the_same_outcome() {
    let server = &server();
    let site = site(server);
    let mut host = site.start();
    publish(&host, "before", "set");
    host.wait_for_delivery("before", "surrounded", "done");
    publish(&host, "fails", "look");
    let delivery = host.wait_for_delivery("fails", "surrounded", "waiting");
    let id = delivery["id"].as_str().unwrap().to_owned();
    let reason = delivery["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains(r#"last {"id": 7.0}, none nothing, keys ["last"]"#),
        "{reason}"
    );
    assert!(
        reason.contains("answer 503 number 0 for [secret token]"),
        "{reason}"
    );

    let away = tempfile::tempdir().unwrap();
    let file = away.path().join("failed.json");
    let path = file.to_str().unwrap();
    let capsule = |host: &Host| {
        host.cli(&[
            "deliveries",
            "capsule",
            &id,
            "--with-component",
            "--out",
            path,
        ])
    };
    let written = capsule(&host);
    assert!(written.status.success(), "{written:?}");
    let told = String::from_utf8(written.stderr).unwrap();
    assert!(
        told.contains(&format!("waystation invoke --capsule {path}\n")),
        "{told}"
    );
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(TOKEN), "{text}");
    let cases = away.path().join("cases");
    let export = || host.cli(&["export", "fails", "--to", cases.to_str().unwrap()]);
    let exported = export();
    assert!(exported.status.success(), "{exported:?}");
    // A case that is there is its author's: nothing is put into it any more.
    let [http, moved] = ["http", "moved"].map(|it| cases.join("surrounded-fails").join(it));
    let http = http.with_extension("json");
    std::fs::rename(&http, &moved).unwrap();
    let exported = export();
    assert!(exported.status.success(), "{exported:?}");
    assert!(!http.exists());
    std::fs::rename(&moved, &http).unwrap();

    let (_, errors) = host.stop();
    assert!(
        errors.contains("the token is [secret token], the region eu"),
        "{errors}"
    );
    drop(site);

    // Twice, since chance and time are not to differ.
    for _ in 0..2 {
        let output = invoke(away.path(), &["--capsule", path, "--output", "json"]);
        let report = report(&output);
        assert_eq!(report["outcome"], "retry");
        assert_eq!(report["after_ms"], 600_000);
        assert_eq!(report["reason"], reason.as_str());
        assert_eq!(report["as_recorded"], true, "{report:#}");
        assert_eq!(report["remarks"], json!([]));
        assert_eq!(
            report["log"][0]["text"],
            "the token is [secret token], the region eu"
        );
    }
    let with_secret = [
        "--capsule",
        path,
        "--secret",
        "token=another-secret",
        "--output",
        "json",
    ];
    let report = report(&invoke(away.path(), &with_secret));
    assert_eq!(report["as_recorded"], true, "{report:#}");
    exported_case_sees_what_the_handler_saw(away.path(), server);

    // Another handler ends otherwise, and it is said how it was, and whose it is.
    let other = away.path().join("scripted.wasm");
    std::fs::write(&other, guests::component("scripted")).unwrap();
    let output = invoke(away.path(), &["--capsule", path, "scripted.wasm"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let was = format!(
        "\nnot as recorded\n  it was: retry (retry)  {}\n",
        one_line(&reason)
    );
    assert!(text.ends_with(&was), "{text}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("is of the handler `surrounded`, and this is `scripted`"),
        "{told}"
    );
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The event that failed is a case with the state, the answers and the configuration
/// of the attempt.
fn exported_case_sees_what_the_handler_saw(folder: &Path, server: &str) {
    let component = guests::surrounded(server);
    std::fs::write(folder.join("surrounded.wasm"), component).unwrap();
    let output = waystation()
        .current_dir(folder)
        .env("XDG_CACHE_HOME", guests::scratch().join("cache"))
        .args([
            "test",
            "--component",
            "surrounded.wasm",
            "--bless",
            "--output",
            "json",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = rows[0]["actual"]["reason"].as_str().unwrap();
    assert!(
        reason.contains(r#"last {"id": 7.0}, none nothing, keys ["last"]"#),
        "{reason}"
    );
    assert!(reason.contains("answer 503 number 0 for"), "{reason}");
    let config = std::fs::read(folder.join("cases/surrounded-fails/config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config, json!({"region": "eu"}));
}

/// Writes the failed attempt of a delivery in this state into a file.
fn written(host: &mut Host, id: &str, state: &str, file: &Path) {
    let delivery = host.wait_for_delivery(id, "surrounded", state);
    let delivery = delivery["id"].as_str().unwrap();
    let path = file.to_str().unwrap();
    let output = host.cli(&[
        "deliveries",
        "capsule",
        delivery,
        "--with-component",
        "--out",
        path,
    ]);
    assert!(output.status.success(), "{output:?}");
}

/// The attempt in a file once more.
fn once_more(folder: &Path, file: &Path, more: &[&str]) -> Value {
    let capsule = ["--capsule", file.to_str().unwrap(), "--output", "json"];
    report(&invoke(folder, &[&capsule[..], more].concat()))
}

#[test]
fn a_key_with_a_secret_in_it_is_found_again_without_it() {
    let site = site("127.0.0.1:1");
    let mut host = site.start();
    publish(&host, "opens", "open");
    host.wait_for_delivery("opens", "surrounded", "done");
    publish(&host, "fails", "session");
    let file = site.root().join("failed.json");
    written(&mut host, "fails", "waiting", &file);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(TOKEN), "{text}");
    let expected = r#"session open, keys ["session-[secret token]"]"#;
    for more in [&[][..], &["--secret", "token=another-secret"]] {
        let report = once_more(site.root(), &file, more);
        assert_eq!(report["reason"], expected);
        assert_eq!(report["as_recorded"], true, "{report:#}");
        assert_eq!(report["remarks"], json!([]));
    }
}

#[test]
fn an_attempt_is_kept_that_published_what_no_handler_may() {
    let site = site("127.0.0.1:1");
    let mut host = site.start();
    publish(&host, "forges", "forge");
    let file = site.root().join("failed.json");
    written(&mut host, "forges", "dead", &file);
    let text = std::fs::read_to_string(&file).unwrap();
    let mut capsule: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(capsule["delivery"]["depth"], 0);
    let made = once_more(site.root(), &file, &[]);
    let reason = made["reason"].as_str().unwrap();
    assert!(
        reason.contains("`causationid` is given by the host"),
        "{reason}"
    );
    assert_eq!(made["as_recorded"], true, "{made:#}");

    // How long the chain of events is that led to it counts, too.
    capsule["delivery"]["depth"] = u32::MAX.into();
    std::fs::write(&file, capsule.to_string()).unwrap();
    assert_eq!(once_more(site.root(), &file, &[])["code"], "depth");
}

#[test]
fn an_attempt_without_its_secret_is_made_again_without_it() {
    let site = bare_site("127.0.0.1:1", "");
    let mut host = site.start();
    let approved = host.cli(&["handlers", "approve", "surrounded", "--yes"]);
    assert!(approved.status.success(), "{approved:?}");
    publish(&host, "fails", "session");
    let file = site.root().join("failed.json");
    written(&mut host, "fails", "waiting", &file);
    let report = once_more(site.root(), &file, &[]);
    assert_eq!(report["log"][0]["text"], "the token is , the region eu");
    assert_eq!(report["as_recorded"], true, "{report:#}");
}

#[test]
fn a_capsule_outlives_the_host_and_is_kept_for_failures_alone() {
    let site = site(&server());
    let mut host = site.start();
    publish(&host, "handled", "set");
    publish(&host, "refused", "publish");
    let refused = host.wait_for_delivery("refused", "surrounded", "dead");
    let handled = host.wait_for_delivery("handled", "surrounded", "done");
    let [refused, handled] = [refused, handled].map(|it| it["id"].as_str().unwrap().to_owned());
    assert!(host.stop().0.success());

    let host = site.start();
    let none = host.cli(&["deliveries", "capsule", &handled]);
    assert_eq!(none.status.code(), Some(1));
    let told = String::from_utf8(none.stderr).unwrap();
    assert!(
        told.contains(&format!("no failed attempt of `{handled}` is kept")),
        "{told}"
    );

    let output = host.cli(&["deliveries", "capsule", &refused]);
    let capsule: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(capsule["outcome"]["code"], "draft");
    let file = site.root().join("refused.json");
    std::fs::write(&file, output.stdout).unwrap();
    let path = file.to_str().unwrap();

    let without = invoke(site.root(), &["--capsule", path]);
    assert_eq!(without.status.code(), Some(2));
    let told = String::from_utf8(without.stderr).unwrap();
    assert!(told.contains("surrounded.wasm"), "{told}");
    let component = site.handlers().join("surrounded.wasm");
    let component = component.to_str().unwrap();
    let report = report(&invoke(
        site.root(),
        &["--capsule", path, component, "--output", "json"],
    ));
    assert_eq!(report["code"], "draft");
    assert_eq!(report["as_recorded"], true, "{report:#}");

    // The build is replaced: the capsule stays, its component does not.
    site.drop_in("surrounded", &guests::surrounded("127.0.0.1:1"));
    let gone = host.cli(&["deliveries", "capsule", &refused, "--with-component"]);
    assert_eq!(gone.status.code(), Some(1));
    let told = String::from_utf8(gone.stderr).unwrap();
    assert!(
        told.contains("is not in the handlers folder any more"),
        "{told}"
    );
}
