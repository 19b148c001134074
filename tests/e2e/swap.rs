//! A handler is replaced while events flow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use e2e::guests;
use e2e::host::{Host, STRUCTURED, Site, post, scripted_event};

const DONE: &str = "test.result.done.v1";

/// Waits until the host says that it swapped to this component.
fn wait_for_swap(host: &mut Host, before: &str) -> String {
    host.wait_until("a new generation serves", |host| {
        let serving = host.handler("scripted")["serving"]["generation"].clone();
        let serving = serving.as_str()?.to_owned();
        (serving != before).then_some(serving)
    })
}

#[test]
fn every_way_to_replace_a_file_swaps_the_handler_and_loses_nothing() {
    let site = Site::empty();
    site.drop_in("scripted", &guests::scripted("start"));
    let mut host = site.start();
    let path = site.handlers().join("scripted.wasm");

    let stop = AtomicBool::new(false);
    let url = host.events_url().to_owned();
    let sent = thread::scope(|scope| {
        // A steady load: a few hundred events a second.
        let load = scope.spawn(|| {
            let (_keep, pace) = mpsc::channel::<()>();
            let mut sent = Vec::new();
            while !stop.load(Ordering::Acquire) {
                let id = format!("e{}", sent.len());
                let event = scripted_event(&id, &json!({"do": "ack"})).to_string();
                let (status, body) = post(&url, &[STRUCTURED], event.as_bytes());
                assert_eq!(status, 202, "{body}");
                sent.push(id);
                let waited = pace.recv_timeout(Duration::from_millis(3));
                assert_eq!(waited, Err(RecvTimeoutError::Timeout));
            }
            sent
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut serving = host.handler("scripted")["serving"]["generation"]
                .as_str()
                .unwrap()
                .to_owned();

            // Copied over: the same file gets other bytes.
            fs::write(&path, guests::scripted("copied")).unwrap();
            serving = wait_for_swap(&mut host, &serving);

            // Moved over: another file takes its name.
            site.drop_in("scripted", &guests::scripted("moved"));
            serving = wait_for_swap(&mut host, &serving);

            // A link that is turned to another file.
            let store = site.root().join("store");
            fs::create_dir(&store).unwrap();
            fs::write(store.join("1.wasm"), guests::scripted("linked")).unwrap();
            let link = site.handlers().join(".link");
            symlink(store.join("1.wasm"), &link).unwrap();
            fs::rename(&link, &path).unwrap();
            serving = wait_for_swap(&mut host, &serving);

            // A slow copy: half of it lies there for a while.
            let bytes = guests::scripted("slow");
            fs::remove_file(&path).unwrap();
            let mut file = fs::File::create(&path).unwrap();
            for piece in bytes.chunks(bytes.len() / 8) {
                file.write_all(piece).unwrap();
                file.flush().unwrap();
                let (_keep, pause) = mpsc::channel::<()>();
                let waited = pause.recv_timeout(Duration::from_millis(40));
                assert_eq!(waited, Err(RecvTimeoutError::Timeout));
            }
            drop(file);
            let slow = wait_for_swap(&mut host, &serving);

            // A broken one: the last good generation goes on, and it shows.
            fs::write(&path, b"\0asm but not really").unwrap();
            host.wait_until("the broken file is shown", |host| {
                host.handler("scripted")["refused"]
                    .is_object()
                    .then_some(())
            });
            assert_eq!(host.handler("scripted")["serving"]["generation"], slow);
            let shown = String::from_utf8(host.cli(&["handlers"]).stdout).unwrap();
            assert!(shown.contains("no WebAssembly"), "{shown}");
        }));
        stop.store(true, Ordering::Release);
        let sent = load.join().unwrap();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
        sent
    });

    let done = host.wait_until("all are handled", |host| {
        let done = host.of_type(DONE);
        (done.len() >= sent.len()).then_some(done)
    });
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    let mut generations = BTreeSet::new();
    for event in &done {
        *times
            .entry(event["causationid"].as_str().unwrap())
            .or_default() += 1;
        let (a, b) = (
            &event["data"]["generation_a"],
            &event["data"]["generation_b"],
        );
        assert_eq!(a, b, "an event was handled by half of two generations");
        generations.insert(a.as_str().unwrap());
    }
    for id in &sent {
        assert_eq!(times.remove(id.as_str()), Some(1), "{id}");
    }
    assert!(
        times.is_empty(),
        "effects of events that nobody sent: {times:?}"
    );
    let expected = BTreeSet::from(["start", "copied", "moved", "linked", "slow"]);
    assert_eq!(generations, expected);
    assert_eq!(host.handler("scripted")["dead"], 0);
    assert_eq!(host.handler("scripted")["waiting"], 0);
}

/// The attempts of every generation carry its digest.
#[test]
fn attempts_name_the_generation_that_made_them() {
    let site = Site::empty();
    site.drop_in("scripted", &guests::scripted("one"));
    let mut host = site.start();
    let one = host.handler("scripted")["serving"]["generation"]
        .as_str()
        .unwrap()
        .to_owned();
    host.script("first", json!({"do": "ack"}));
    host.wait_for_delivery("first", "scripted", "done");
    site.drop_in("scripted", &guests::scripted("two"));
    let two = wait_for_swap(&mut host, &one);
    host.script("second", json!({"do": "ack"}));
    host.wait_for_delivery("second", "scripted", "done");
    for (id, generation) in [("first", one), ("second", two)] {
        let tree = host.tree(id);
        assert_eq!(
            tree["deliveries"][0]["attempts"][0]["generation"],
            generation
        );
    }
}
