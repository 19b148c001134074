//! What clients may take of the host, and what it says when it has no more.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use e2e::host::{STRUCTURED, Site, scripted_event};

/// The address of a host's ingest.
fn address(url: &str) -> &str {
    url.trim_start_matches("http://")
        .trim_end_matches("/events")
}

/// All that the host answers until it closes the connection.
fn answer(mut client: &TcpStream) -> String {
    let mut bytes = Vec::new();
    // A host that did not read all of the request may reset the connection.
    let _ = client.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_body_without_a_length_ends_at_its_bound() {
    let site = Site::empty();
    let host = site.start();
    let mut client = TcpStream::connect(address(host.events_url())).unwrap();
    let head = "POST /events HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\
                content-type: application/cloudevents+json\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    let sender = client.try_clone().unwrap();
    let sender = thread::spawn(move || {
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        // Far more than any body may have; the host stops listening long before.
        (0..10_000).find(|_| (&sender).write_all(chunk.as_bytes()).is_err())
    });
    let mut status = [0; "HTTP/1.1 413".len()];
    client.read_exact(&mut status).unwrap();
    assert_eq!(String::from_utf8_lossy(&status), "HTTP/1.1 413");
    assert!(sender.join().unwrap().is_some(), "the host read all of it");
}

#[test]
fn headers_without_end_are_refused() {
    let site = Site::empty();
    let host = site.start();
    let many = "a: b\r\n".repeat(200);
    let large = format!("a: {}\r\n", "b".repeat(100 * 1024));
    for headers in [many, large] {
        let mut client = TcpStream::connect(address(host.events_url())).unwrap();
        let head = format!("POST /events HTTP/1.1\r\nhost: localhost\r\n{headers}");
        // It may have closed before all of it was written.
        let _ = client.write_all(head.as_bytes());
        let answer = answer(&client);
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

/// Lets this process open as many files as it may, and gives that number back.
fn raise_files() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, highest).unwrap();
    maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap())
}

/// The longest that a request may take: half as long as the host waits for a body.
const NO_DISTURBANCE: Duration = Duration::from_secs(15);

/// Clients that stall before the headers, in them and in the body, more than
/// twice as many as the host serves at once. Those that came first could keep
/// their place for longest.
#[test]
fn ten_thousand_stalled_connections_do_not_disturb_a_healthy_one() {
    let count = raise_files().saturating_sub(500).min(10_000);
    assert!(
        count > 5_000,
        "raise `ulimit -n`: {count} connections prove nothing"
    );
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    let parts = [
        "",
        "POST /events HTTP/1.1\r\nhost: loc",
        "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\
         content-type: application/cloudevents+json\r\n\r\n{\"id\":",
    ];
    let address = address(host.events_url()).to_owned();
    let all_there = AtomicBool::new(false);
    let published = thread::scope(|scope| {
        let stalled = scope.spawn(|| {
            let stall = |n: usize| {
                let mut client = TcpStream::connect(&address).unwrap();
                let part = if n < count / 2 { 2 } else { n % parts.len() };
                client.write_all(parts[part].as_bytes()).unwrap();
                client
            };
            let clients: Vec<TcpStream> = (0..count).map(stall).collect();
            all_there.store(true, Ordering::Release);
            clients
        });
        let mut published = 0;
        let mut after = 0;
        // While they come, and for a while after the last of them came.
        while after < 100 {
            let asked = Instant::now();
            host.script(&format!("healthy-{published}"), json!({"do": "ack"}));
            let took = asked.elapsed();
            assert!(took < NO_DISTURBANCE, "an event was taken after {took:?}");
            published += 1;
            after += usize::from(all_there.load(Ordering::Acquire));
        }
        assert_eq!(stalled.join().unwrap().len(), count);
        published
    });
    println!("{published} events were taken beside {count} stalled connections");
    host.wait_for_delivery(&format!("healthy-{}", published - 1), "scripted", "done");
    let (status, log) = host.stop();
    assert!(status.success(), "{log}");
    assert!(!log.contains("was not accepted"), "{log}");
}

/// A limit on the size of files stands for a disk that fails: a write ends with
/// an error that is not `no space`.
#[test]
fn a_journal_that_fails_takes_nothing_more_and_ends_the_host() {
    let site = Site::empty();
    let run = site.command();
    let mut command = Command::new("sh");
    command
        .current_dir(site.root())
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh"])
        .arg(run.get_program())
        .args(run.get_args())
        .stdin(Stdio::null());
    let mut host = Site::start_from(command);
    let large = json!("x".repeat(1_000_000));
    let (status, problem) = host.post(&[STRUCTURED], scripted_event("1", &large).to_string());
    assert_eq!(
        (status, &problem["type"]),
        (503, &json!("/problems/unavailable")),
        "{problem}"
    );
    let (status, log) = host.ended();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("the journal failed and takes nothing more"),
        "{log}"
    );
    drop(host);
    assert_eq!(site.start().journal().len(), 0, "nothing was promised");
}

/// Whoever stops a host that is still loading its handlers wants it to end, not
/// to have made a mistake.
#[test]
fn a_host_that_is_stopped_before_it_is_ready_ends_well() {
    let site = Site::with(&["catalogue", "scripted", "shipping", "stock", "storefront"]);
    let mut child = site
        .command()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The address of the admin API is told before the handlers are loaded.
    let mut stdout = child.stdout.take().unwrap();
    let mut seen = Vec::new();
    while !seen.windows(5).any(|word| word == b"admin") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(!log.contains("error"), "{log}");
}
