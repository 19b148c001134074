//! Who may come in: by a token, by a signature, or not at all.

use std::process::Output;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac_sha256::HMAC;
use serde_json::{Value, json};

use e2e::host::{Host, STRUCTURED, Site, post, scripted_event, waystation};

const PUBLISHERS: &str = "publishers-7f3a9c1e";
const OPERATORS: &str = "operators-2b8d4e6f";

/// A host that other machines can reach. One token lies in a file, the other one
/// in the environment.
fn reachable() -> (Site, Host) {
    let site = Site::with(&["scripted"]);
    site.configure(
        "[tokens]\nevents = { file = 'events.token' }\nadmin = { env = 'ADMIN_TOKEN' }\n",
    );
    std::fs::write(site.root().join("events.token"), format!("{PUBLISHERS}\n")).unwrap();
    let mut command = site.command_on(["0.0.0.0:0"; 2]);
    command.env("ADMIN_TOKEN", OPERATORS);
    let host = Site::start_from(command);
    (site, host)
}

fn get(host: &Host, path: &str, token: Option<&str>) -> u16 {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.get(format!("{}{path}", host.admin()));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.call().unwrap().status().as_u16()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_listener_that_others_reach_asks_for_its_token() {
    let (_site, host) = reachable();
    let event = scripted_event("1", &json!({"do": "ack"})).to_string();
    let (status, problem) = host.post(&[STRUCTURED], &event);
    assert_eq!((status, &problem["type"]), (401, &json!("/problems/token")));
    for (token, expected) in [(OPERATORS, 401), (PUBLISHERS, 202)] {
        let bearer = format!("Bearer {token}");
        let (status, body) = host.post(&[STRUCTURED, ("authorization", &bearer)], &event);
        assert_eq!(status, expected, "{body}");
    }
    assert_eq!(get(&host, "/api/events", None), 401);
    assert_eq!(get(&host, "/api/events", Some(PUBLISHERS)), 401);
    assert_eq!(get(&host, "/api/events", Some(OPERATORS)), 200);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&host, path, None), 200, "{path} is open");
    }
}

#[test]
fn the_command_line_shows_its_token() {
    let (site, host) = reachable();
    let ask = |token: Option<&str>| {
        let mut command = waystation();
        command.args(["handlers", "--admin", host.admin()]);
        if let Some(token) = token {
            command.env("WAYSTATION_TOKEN", token);
        }
        command.output().unwrap()
    };
    let refused = ask(None);
    assert_eq!(refused.status.code(), Some(1));
    let hint = "--token-file or WAYSTATION_TOKEN";
    assert!(errors(&refused).contains(hint), "{}", errors(&refused));
    let listed = ask(Some(OPERATORS));
    assert!(listed.status.success(), "{}", errors(&listed));
    let short = ask(Some("secret"));
    assert_eq!(short.status.code(), Some(2));
    assert!(!errors(&short).contains("secret"), "{}", errors(&short));

    let file = site.root().join("events.token");
    let published = waystation()
        .args(["publish", "--type", "test.scripted.v1", "--source", "/cli"])
        .args(["--data", "{\"do\":\"ack\"}", "--to", host.events_url()])
        .arg("--token-file")
        .arg(file)
        .output()
        .unwrap();
    assert!(published.status.success(), "{}", errors(&published));
}

#[test]
fn a_token_is_written_nowhere() {
    let (_site, mut host) = reachable();
    for token in [PUBLISHERS, OPERATORS, "wrong-but-secret-too"] {
        let bearer = format!("Bearer {token}");
        host.post(&[STRUCTURED, ("authorization", &bearer)], "{");
        get(&host, "/api/events", Some(token));
    }
    let seen = host.seen().join("\n");
    let (_, log) = host.stop();
    for token in [PUBLISHERS, OPERATORS, "wrong-but-secret-too"] {
        assert!(!seen.contains(token) && !log.contains(token), "{seen}{log}");
    }
}

/// The status of an answer to a request that names a host.
fn status_for(url: &str, host: &str, token: Option<&str>) -> u16 {
    let event = scripted_event("1", &json!({"do": "ack"})).to_string();
    let bearer = token.map(|token| format!("Bearer {token}"));
    let bearer = bearer.as_deref().map(|bearer| ("authorization", bearer));
    let headers = [Some(STRUCTURED), Some(("host", host)), bearer];
    let headers: Vec<(&str, &str)> = headers.into_iter().flatten().collect();
    post(url, &headers, event.as_bytes()).0
}

#[test]
fn a_host_on_loopback_takes_events_by_its_own_names_only() {
    let site = Site::empty();
    site.configure("hosts = ['events.example']\n");
    let host = site.start();
    let url = host.events_url();
    assert_eq!(status_for(url, "events.example", None), 202);
    assert_eq!(status_for(url, "localhost:1", None), 202);
    assert_eq!(status_for(url, "evil.example", None), 421);
    let webhooks = url.replace("/events", "/webhooks/x");
    assert_eq!(status_for(&webhooks, "evil.example", None), 404, "any name");
}

/// A page has no token, so behind a proxy any name will do.
#[test]
fn whoever_has_the_token_comes_by_any_name() {
    let (_site, host) = reachable();
    let url = host.events_url();
    assert_eq!(status_for(url, "events.example", Some(PUBLISHERS)), 202);
    assert_eq!(status_for(url, "events.example", None), 401);
}

#[test]
fn a_weak_token_keeps_the_host_from_starting() {
    let site = Site::empty();
    site.configure("[tokens]\nadmin = { file = 'token' }\n");
    std::fs::write(site.root().join("token"), "hunter2\n").unwrap();
    let output = site.command().output().unwrap();
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("shorter than 16 characters"), "{errors}");
    assert!(!errors.contains("hunter2"), "{errors}");
    assert!(!site.data().exists(), "nothing was changed");
}

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT_KEY: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// A host that takes webhooks of a customer system whose key is being replaced.
fn with_webhook(site: &Site) -> Host {
    site.configure(
        "[[source]]\nkind = 'webhook'\nname = 'crm'\ntype = 'test.scripted.v1'\n\
         secrets = [{ file = 'crm.key' }, { file = 'crm.next.key' }]\n",
    );
    std::fs::write(site.root().join("crm.key"), KEY).unwrap();
    std::fs::write(site.root().join("crm.next.key"), NEXT_KEY).unwrap();
    site.start()
}

fn call(host: &Host, key: &str, id: &str, body: &str) -> (u16, Value) {
    #[allow(clippy::disallowed_methods, reason = "the sender has its own clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let timestamp = now.as_secs().to_string();
    let bytes = BASE64.decode(key.strip_prefix("whsec_").unwrap()).unwrap();
    let mac = HMAC::mac(format!("{id}.{timestamp}.{body}"), bytes);
    let signature = format!("v1,{}", BASE64.encode(mac));
    let url = host.events_url().replace("/events", "/webhooks/crm");
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", id),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signature),
    ];
    post(&url, &headers, body.as_bytes())
}

#[test]
fn a_webhook_becomes_an_event_that_is_handled_and_outlives_a_kill() {
    let site = Site::with(&["scripted"]);
    let host = with_webhook(&site);
    let body = r#"{"do": "sleep", "ms": 500}"#;
    for (key, id) in [(KEY, "msg_1"), (NEXT_KEY, "msg_2")] {
        let (status, answer) = call(&host, key, id, body);
        assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");
    }
    host.kill();
    let mut host = site.start();
    for id in ["msg_1", "msg_2"] {
        host.wait_for_delivery(id, "scripted", "done");
        assert_eq!(host.tree(id)["event"]["source"], "/webhooks/crm");
    }
    // The sender did not hear the answer and tries again.
    let (status, answer) = call(&host, KEY, "msg_1", body);
    assert_eq!((status, &answer["duplicates"]), (202, &json!(1)));
    assert_eq!(host.of_type("test.scripted.v1").len(), 2);
}

#[test]
fn a_forged_webhook_is_refused_and_the_log_says_why() {
    let site = Site::empty();
    let host = with_webhook(&site);
    let stranger = format!("whsec_{}", BASE64.encode([7; 24]));
    let (status, problem) = call(&host, &stranger, "msg_1", "{}");
    assert_eq!(
        (status, &problem["type"]),
        (401, &json!("/problems/signature"))
    );
    call(&host, KEY, "msg_2", "{}");
    let (status, _) = call(&host, KEY, "msg_2", r#"{"forged": true}"#);
    assert_eq!(status, 409, "the id is that of another message");
    assert_eq!(host.journal().len(), 1);
    let (_, log) = host.stop();
    assert!(log.contains("no signature in it is of a key"), "{log}");
    assert!(!log.contains("whsec_"), "{log}");
}
