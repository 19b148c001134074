//! Mistakes at the start: one clear line, exit code 2, nothing changed.

use std::net::TcpListener;
use std::process::Output;

use e2e::host::{Site, waystation};

fn refused(output: &Output, expected: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    for part in expected {
        assert!(errors.contains(part), "`{part}` is missing in: {errors}");
    }
}

#[test]
fn a_port_in_use() {
    let site = Site::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = waystation()
        .current_dir(site.root())
        .args(["run", "--admin", "127.0.0.1:0", "--listen", &address])
        .output()
        .unwrap();
    refused(&output, &[&address, "in use", "--listen"]);
    assert!(!site.data().exists(), "nothing was changed");
}

#[test]
fn a_folder_that_is_not_there() {
    let site = Site::empty();
    std::fs::remove_dir(site.handlers()).unwrap();
    let output = site.command().output().unwrap();
    refused(&output, &["handlers folder", "`handlers`"]);
    assert!(!site.data().exists(), "nothing was changed");
}

#[test]
fn a_wrong_key_in_the_configuration() {
    let site = Site::empty();
    std::fs::write(
        site.root().join("waystation.toml"),
        "lisen = '127.0.0.1:0'\n",
    )
    .unwrap();
    let output = site.command().output().unwrap();
    refused(
        &output,
        &["waystation.toml", "line 1", "did you mean `listen`?"],
    );
    assert!(!site.data().exists(), "nothing was changed");
}

#[test]
fn a_damaged_journal() {
    let site = Site::empty();
    site.start().stop();
    let journal = site.data().join("journal.sqlite");
    std::fs::write(&journal, b"this was a journal once").unwrap();
    let output = site.command().output().unwrap();
    refused(&output, &["journal.sqlite"]);
    assert_eq!(std::fs::read(&journal).unwrap(), b"this was a journal once");
}

#[test]
fn two_hosts_on_one_data_folder() {
    let site = Site::empty();
    let first = site.start();
    let output = site.command().output().unwrap();
    refused(&output, &["another host is using the data folder"]);
    assert_eq!(
        first.get("/api/handlers"),
        serde_json::json!([]),
        "the first goes on"
    );
}

#[test]
fn an_address_that_other_machines_reach() {
    let site = Site::empty();
    let output = waystation()
        .current_dir(site.root())
        .args(["run", "--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    refused(&output, &["0.0.0.0:0", "[tokens] events", "loopback"]);
}

#[test]
fn health_and_readiness() {
    let site = Site::empty();
    let host = site.start();
    for path in ["/healthz", "/readyz"] {
        let url = format!("{}{path}", host.admin());
        assert_eq!(ureq::get(&url).call().unwrap().status(), 200, "{path}");
    }
}

/// A web page that a browser shows must not reach the admin API by a name of
/// its own for the loopback address.
#[test]
fn the_admin_api_answers_to_its_own_names_only() {
    let site = Site::empty();
    let host = site.start();
    let request =
        ureq::get(format!("{}/api/handlers", host.admin())).header("host", "evil.example");
    let error = request.call().unwrap_err();
    assert!(
        matches!(error, ureq::Error::StatusCode(403 | 421)),
        "{error}"
    );
}
