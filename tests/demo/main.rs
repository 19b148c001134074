//! `make demo`: what Waystation does, on the sample handlers.
//!
//! Starts a host, publishes real events, replaces a handler with a changed build
//! while events flow, and checks that every event came to its expected outcome.
//! With `--once` it ends by itself; else it stays up for the reader's own `curl`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a demo that cannot go on must end with what is wrong"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use e2e::guests;
use e2e::host::{Host, STRUCTURED, Site, post, waystation};
use serde_json::{Value, json};

const SAMPLES: [&str; 6] = [
    "catalogue",
    "order-translator",
    "shipping",
    "stock",
    "storefront",
    "welcome-mail",
];
const PAYMENT: &str = "com.example.orders.payment-completed.v1";
const SHIPMENT: &str = "com.example.shipping.shipment-requested.v1";

fn main() {
    let once = std::env::args().any(|argument| argument == "--once");
    let repository = repository();

    say("A handlers folder with the six sample handlers, and a host on it");
    let site = Site::with(&SAMPLES);
    // A reader's `curl` should find the usual ports; a check by itself takes free ones.
    let ports = if once {
        ["127.0.0.1:0", "127.0.0.1:0"]
    } else {
        ["127.0.0.1:8080", "127.0.0.1:8081"]
    };
    let mut host = site.start_on(ports);
    for line in host.seen() {
        println!("  {line}");
    }

    say("Real events: the sample that lies beside each handler");
    for name in SAMPLES {
        let path = repository.join("handlers").join(name).join("event.json");
        let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        // One event goes to two contexts, and is published once.
        if name != "stock" {
            run(&host, &["publish", path.to_str().unwrap()]);
        }
        host.wait_for_delivery(event["id"].as_str().unwrap(), name, "done");
    }

    say("What became of the paid order: inside its context, then across the boundary");
    host.wait_until("the order was shipped", |host| {
        let payment = &host.tree("order-paid-4711")["deliveries"][0]["published"][0];
        payment["deliveries"][0]["published"][0]
            .is_object()
            .then_some(())
    });
    run(&host, &["events", "order-paid-4711"]);

    say("A changed `shipping` is built and dropped in while payments flow");
    let payments = swap_under_load(&mut host, &site, repository);
    let shipments = host.wait_until("every payment was shipped", |host| {
        let shipments = shipments_of(host, "demo-");
        (shipments.values().map(Vec::len).sum::<usize>() >= payments.len()).then_some(shipments)
    });
    check(&payments, &shipments);
    run(&host, &["handlers"]);

    if once {
        let (status, errors) = host.stop();
        assert!(status.success(), "{errors}");
        say("Every event came to its expected outcome");
        return;
    }
    // What it wrote so far was shown, or is of no interest any more.
    host.seen();
    say("Your turn (Ctrl-C ends it)");
    println!(
        "  curl -i {} -H 'content-type: application/cloudevents+json' -d '{}'",
        host.events_url(),
        payment("mine-1")
    );
    let binary = guests::profile().join("waystation");
    println!("  {} events mine-1", binary.display());
    println!("  handlers folder: {}", site.handlers().display());
    host.follow(|line| println!("  {line}"));
}

/// Publishes payments while the handler is replaced: the ids of all that were
/// accepted.
fn swap_under_load(host: &mut Host, site: &Site, repository: &Path) -> Vec<String> {
    let before = host.handler("shipping")["serving"]["generation"].clone();
    let url = host.events_url().to_owned();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (_keep, pace) = mpsc::channel::<()>();
            let mut accepted = Vec::new();
            while !stop.load(Ordering::Acquire) {
                let id = format!("demo-{}", accepted.len());
                let (status, body) = post(&url, &[STRUCTURED], payment(&id).to_string().as_bytes());
                assert_eq!(status, 202, "{body}");
                accepted.push(id);
                let _ = pace.recv_timeout(Duration::from_millis(20));
            }
            accepted
        });
        let changed = changed_shipping(repository);
        print("waystation build shipping --out handlers");
        let built = waystation()
            .arg("build")
            .arg(&changed)
            .arg("--out")
            .arg(site.handlers())
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(built.success(), "the changed handler was not built");
        let line = host.wait_for_line(|line| line.contains("shipping") && line.contains("swapped"));
        println!("  {line}");
        assert_ne!(host.handler("shipping")["serving"]["generation"], before);
        // A few more for the new generation.
        let (_keep, pause) = mpsc::channel::<()>();
        let _ = pause.recv_timeout(Duration::from_millis(500));
        stop.store(true, Ordering::Release);
        load.join().unwrap()
    })
}

/// The sample with one line changed: it insures five euros more.
fn changed_shipping(repository: &Path) -> PathBuf {
    let package = guests::folder().join("../demo/shipping");
    std::fs::create_dir_all(package.join("src")).unwrap();
    let source = repository.join("handlers/shipping/src/lib.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let old = "insured_cents: payment.amount_cents,";
    assert!(source.contains(old), "the line to change is not there");
    let source = source.replace(old, "insured_cents: payment.amount_cents + 500,");
    std::fs::write(package.join("src/lib.rs"), source).unwrap();
    let event = repository.join("handlers/shipping/event.json");
    std::fs::copy(event, package.join("event.json")).unwrap();
    std::fs::copy(repository.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let manifest = format!(
        "[workspace]\n[package]\nname = \"shipping\"\nversion = \"0.2.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\n\
         serde = {{ version = \"1.0\", features = [\"derive\"] }}\n\
         waystation-sdk = {{ path = {:?} }}\n",
        repository.join("guest-sdk")
    );
    std::fs::write(package.join("Cargo.toml"), manifest).unwrap();
    package
}

fn payment(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/demo", "type": PAYMENT, "subject": id,
        "data": {
            "order_id": id, "amount_cents": 1000, "currency": "EUR",
            "paid_at": "2026-03-14T09:26:53Z",
        },
    })
}

/// The insured values of the shipments, by the event that caused them.
fn shipments_of(host: &Host, prefix: &str) -> BTreeMap<String, Vec<u64>> {
    let mut shipments: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in host.of_type(SHIPMENT) {
        let cause = event["causationid"].as_str().unwrap();
        if cause.starts_with(prefix) {
            let insured = event["data"]["insured_cents"].as_u64().unwrap();
            shipments.entry(cause.to_owned()).or_default().push(insured);
        }
    }
    shipments
}

/// Each payment was shipped exactly once, by the old build or by the new one.
fn check(payments: &[String], shipments: &BTreeMap<String, Vec<u64>>) {
    let (mut old, mut new) = (0, 0);
    for id in payments {
        match shipments.get(id).map(Vec::as_slice) {
            Some([1000]) => old += 1,
            Some([1500]) => new += 1,
            other => panic!("{id}: expected one shipment, found {other:?}"),
        }
    }
    assert_eq!(
        shipments.len(),
        payments.len(),
        "shipments of payments that nobody sent"
    );
    assert!(old > 0 && new > 0, "both builds had work: {old} and {new}");
    println!(
        "  {} payments, {} shipments: {old} by the old build, {new} by the new one, none lost, none twice",
        payments.len(),
        shipments.len()
    );
}

fn run(host: &Host, arguments: &[&str]) {
    let repository = format!("{}/", repository().display());
    print(&format!(
        "waystation {}",
        arguments.join(" ").replace(&repository, "")
    ));
    let mut command: Command = waystation();
    command
        .args(arguments)
        .env("WAYSTATION_ADMIN", host.admin());
    if arguments.first() == Some(&"publish") {
        command.args(["--to", host.events_url()]);
    }
    let status = command.stdin(Stdio::null()).status().unwrap();
    assert!(
        status.success(),
        "waystation {}: {status}",
        arguments.join(" ")
    );
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn print(command: &str) {
    println!("  $ {command}");
}

fn say(text: &str) {
    println!("\n== {text}");
}
