//! Durable state, configuration and secrets, from the sidecar to the journal.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use e2e::host::{Host, Site};

const REMEMBERED: &str = "test.remembered.v1";
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");
const KEYS: u64 = 5;
const TOKEN: &str = "a-token-that-nobody-may-read";

/// A site with a handler that counts in state, and may.
fn site() -> Site {
    let site = Site::with(&["remembers"]);
    site.sidecar(
        "remembers",
        "[grants]\nstate = ['counts']\n[config]\nregion = 'eu'\n[secrets]\ntoken = { env = 'TOKEN' }\n",
    );
    site
}

fn start(site: &Site) -> Host {
    let mut command = site.command();
    command.env("TOKEN", TOKEN);
    Site::start_from(command)
}

fn publish(host: &Host, numbers: std::ops::Range<u64>) {
    let events: Vec<Value> = numbers
        .map(|n| {
            json!({
                "specversion": "1.0", "id": n.to_string(), "source": "/test",
                "type": "test.seen.v1", "data": { "key": format!("k{}", n % KEYS) },
            })
        })
        .collect();
    let (status, body) = host.post(&[BATCH], Value::from(events).to_string());
    assert_eq!(status, 202, "{body}");
}

/// The counts that were published for each key, in order of their size.
fn counts(host: &Host) -> BTreeMap<String, Vec<u64>> {
    let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in host.of_type(REMEMBERED) {
        let data = &event["data"];
        let key = data["key"].as_str().unwrap().to_owned();
        counts
            .entry(key)
            .or_default()
            .push(data["count"].as_u64().unwrap());
    }
    counts
        .values_mut()
        .for_each(|counts| counts.sort_unstable());
    counts
}

/// Sixteen attempts at a time count in five keys, the host is killed between and
/// meanwhile: each event counted once, and each count was published once.
#[test]
fn no_count_is_lost_or_given_twice_over_conflicts_and_kills() {
    let site = site();
    let mut published = 0;
    for _ in 0..4 {
        let mut host = start(&site);
        publish(&host, published..published + 100);
        published += 100;
        host.wait_until("some of them are handled", |host| {
            (!host.of_type(REMEMBERED).is_empty()).then_some(())
        });
        host.kill();
    }
    let mut host = start(&site);
    host.wait_until_settled();
    let each: Vec<u64> = (1..=published / KEYS).collect();
    let expected: BTreeMap<String, Vec<u64>> = (0..KEYS)
        .map(|key| (format!("k{key}"), each.clone()))
        .collect();
    assert_eq!(counts(&host), expected);
}

#[test]
fn configuration_and_secrets_reach_the_handler_and_no_secret_shows() {
    let site = site();
    let mut host = start(&site);
    publish(&host, 0..1);
    host.wait_until_settled();
    let remembered = host.of_type(REMEMBERED);
    assert_eq!(remembered[0]["data"]["region"], "eu");
    assert_eq!(remembered[0]["data"]["secret_bytes"], TOKEN.len());
    let handlers = host.get("/api/handlers").to_string();
    assert!(!handlers.contains(TOKEN), "{handlers}");
    let (_, errors) = host.stop();
    assert!(errors.contains("the token is [secret token]"), "{errors}");
    assert!(!errors.contains(TOKEN), "{errors}");
}
