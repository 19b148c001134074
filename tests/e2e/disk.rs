//! The disk is full, and then it is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicU64;

use fastrand::Rng;

use e2e::host::Site;
use e2e::ledger::{Findings, Ledger};
use e2e::load::Event;
use e2e::publish::{Answer, Client, publish_at_random};
use e2e::seed;
use e2e::soak::{SUBSCRIBERS, furnish};

/// The disk, for mount(8).
const DISK: &str = "size=48m";
/// What is on the disk besides, and is taken away when it is full.
const BALLAST_BYTES: usize = 24 * 1024 * 1024;
/// The data of an event that fills the disk.
const FILLER_BYTES: usize = 256 * 1024;
/// More fillers than the disk has room for: their numbers end here.
const FILLERS: u64 = 1_000;
/// The disk is full when so many fillers in a row were refused.
const REFUSALS: usize = 20;
const NO_SPACE: u16 = 507;

/// A disk of its own, in memory.
struct Disk(PathBuf);

impl Disk {
    /// None where this user may not mount one.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let options = ["-t", "tmpfs", "-o", DISK, "waystation-test"];
        let mount = Command::new("mount").args(options).arg(at).output().ok()?;
        mount.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still holds a file there has ended or will.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_refused_and_needs_no_restart() {
    let site = Site::empty();
    let Some(_disk) = Disk::mount(&site.data()) else {
        println!("skipped: this user cannot mount a small disk (tmpfs)");
        return;
    };
    furnish(&site);
    let ballast = site.data().join("ballast");
    fs::write(&ballast, vec![0; BALLAST_BYTES]).unwrap();
    let mut host = site.start();
    let (numbers, mut random) = (AtomicU64::new(FILLERS), Rng::with_seed(seed()));
    let url = host.events_url().to_owned();

    // Other events come all the time, and are settled.
    let mut fillers = Ledger::default();
    let mut ledger = publish_at_random(&url, 2, &numbers, &mut random, || {
        fillers = fill(&url);
        fs::remove_file(&ballast).unwrap();
        let late = Event::plain(FILLERS - 1, FILLER_BYTES);
        let reply = host.wait_until("it takes a filler again", |_| {
            let reply = Client::new(&url).structured(&late);
            (reply.answer == Answer::Acknowledged).then_some(reply)
        });
        fillers.note(&late, reply.answer);
    });
    ledger.merge(fillers);

    host.wait_until_settled();
    let found = Findings::read(&host, &ledger, &SUBSCRIBERS);
    let report = ledger.check(&SUBSCRIBERS, &found);
    println!("{report}");
    report.assert_clean();
    assert_eq!(
        report.unknown, 0,
        "every event got a clear answer: {report}"
    );
    let (status, errors) = host.stop();
    assert!(status.success(), "{errors}");
}

/// Publishes large events until the disk is full.
fn fill(url: &str) -> Ledger {
    let client = Client::new(url);
    let mut ledger = Ledger::default();
    let mut refusals = 0;
    for number in 0.. {
        let filler = Event::plain(number, FILLER_BYTES);
        let reply = client.structured(&filler);
        ledger.note(&filler, reply.answer);
        match reply.status {
            Some(202) => refusals = 0,
            Some(NO_SPACE) => refusals += 1,
            _ => panic!("{reply:?}"),
        }
        assert!(number < FILLERS - 1, "the disk is never full");
        if refusals == REFUSALS {
            break;
        }
    }
    ledger
}
