//! A disk that gives back other bytes than were written.

use std::env;

use waystation_core::Sequence;
use waystation_journal::{Error, Journal};

use crate::disk::{Disk, MAIN};
use crate::image::Image;
use crate::random::{Random, seed};
use crate::run::{Run, begun, open};
use crate::snapshot::Snapshot;
use crate::workload::steps;

/// The places of random flips.
const FLIPS: usize = 500;

/// The files of a journal after a workload, and what it knows.
async fn written() -> (Image, Snapshot) {
    let disk = Disk::with(&begun());
    let journal = open(&disk).unwrap();
    let mut run = Run::begin(&journal).await;
    assert!(run.take(&steps(), &journal, &disk).await.is_ok());
    journal.close().await.unwrap();
    (disk.files(), run.snapshots.pop().unwrap())
}

/// Nothing but the checksum can tell that a byte of an event's data, somewhere
/// in the middle of the file, is not what it was.
#[tokio::test]
async fn a_flipped_bit_in_the_data_of_an_event_is_found_when_it_is_read() {
    let (image, known) = written().await;
    let large = known.events.iter().rev();
    let large = large
        .clone()
        .find(|entry| entry.event.id.starts_with("large"));
    let large = large.unwrap();
    let data = large.event.data.as_deref().unwrap();
    let beginning = data.get(..1_000).unwrap();
    let file = image.file(MAIN);
    let at = file.windows(1_000).position(|bytes| bytes == beginning);
    let bit = (at.unwrap() + 500) * 8 + 3;

    let disk = Disk::with(&image.flipped(MAIN, bit));
    let journal = open(&disk).unwrap();
    let damaged = |found: Error| {
        let expected = format!("event {} is not what was stored", large.sequence);
        assert!(found.to_string().contains("damaged"), "{found}");
        assert!(found.to_string().contains(&expected), "{found}");
    };
    damaged(journal.entry(large.sequence).await.unwrap_err());
    damaged(journal.find(&large.event.id).await.unwrap_err());
    let before = Sequence(large.sequence.0 - 1);
    damaged(journal.read(before, 1, usize::MAX).await.unwrap_err());
    // What is whole is still read, up to the damage.
    let whole = journal.entry(before).await.unwrap().unwrap();
    assert!(known.events.contains(&whole));
}

/// Whichever bit is flipped: the journal is refused, or all that it knows is read
/// as it was stored, or the read is an error that names the damage.
///
/// `WAYSTATION_FLIPS=N` tries so many, `WAYSTATION_SEED=N` repeats a choice.
#[tokio::test]
async fn a_flipped_bit_is_never_served() {
    let (image, known) = written().await;
    let seed = seed();
    let mut random = Random::new(seed);
    let bits = image.file(MAIN).len() as u64 * 8;
    let (mut refused, mut found) = (0, 0);
    let flips = flips();
    for _ in 0..flips {
        let bit = (random.next() % bits) as usize;
        let disk = Disk::with(&image.flipped(MAIN, bit));
        let Ok(journal) = open(&disk) else {
            refused += 1;
            continue;
        };
        match Snapshot::of(&journal).await {
            Ok(read) => assert!(read == known, "bit {bit}, seed {seed}: {read}; was {known}"),
            Err(error) => {
                let named = error.to_string().contains("damaged");
                assert!(named, "bit {bit}, seed {seed}: {error}");
                found += 1;
            }
        }
    }
    let harmless = flips - refused - found;
    println!("{flips} flips: {refused} refused, {found} found, {harmless} harmless, seed {seed}");
    assert!(refused > 0 && found > 0, "{refused} refused, {found} found");
}

fn flips() -> usize {
    let flips = env::var("WAYSTATION_FLIPS");
    flips.map_or(FLIPS, |flips| {
        flips.parse().expect("WAYSTATION_FLIPS is a number")
    })
}
