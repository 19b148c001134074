//! A disk without room.

use waystation_journal::{Error, Journal};

use crate::crash::check;
use crate::disk::Disk;
use crate::image::{Kept, Replay};
use crate::random::Random;
use crate::run::{Run, begun, open};
use crate::workload::steps;

/// The steps of each run, which move the log into the file more than once.
const STEPS: usize = 20;

/// Whichever write finds no room: the step is refused as one that finds none,
/// nothing of it is stored, and it is taken as soon as there is room. A journal
/// that is full in between ends with what it would have been without.
#[tokio::test]
async fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let steps: Vec<_> = steps().into_iter().take(STEPS).collect();
    let image = begun();
    let undisturbed = Disk::with(&image);
    let journal = open(&undisturbed).unwrap();
    let mut expected = Run::begin(&journal).await;
    assert!(expected.take(&steps, &journal, &undisturbed).await.is_ok());
    drop(journal);

    let mut refusals = 0;
    for writes in 0..undisturbed.writes() {
        let disk = Disk::with(&image);
        let journal = open(&disk).unwrap();
        let mut run = Run::begin(&journal).await;
        disk.fill_after(writes);
        if let Err((refused, error)) = run.take(&steps, &journal, &disk).await {
            assert!(matches!(error, Error::NoSpace(_)), "{writes}: {error}");
            // It stays full however often it is asked.
            let again = run.take(refused, &journal, &disk).await;
            assert!(matches!(again, Err((_, Error::NoSpace(_)))), "{writes}");
            disk.make_room();
            let taken = run.take(refused, &journal, &disk).await;
            taken.unwrap_or_else(|(_, error)| panic!("{writes}: {error}"));
            refusals += 1;
        }
        assert_eq!(*journal.failed().borrow(), None, "{writes}");
        assert!(run.snapshots == expected.snapshots, "{writes}");
        // Where no step was refused, it is closed on a full disk.
        let closed = journal.close().await;
        assert!(closed.is_ok(), "{writes}: {closed:?}");

        let left = Replay::to_the_end_of(&disk.trace()).left(Kept::None, &mut Random::new(0));
        check(&left, run.allowed_after(steps.len()))
            .await
            .unwrap_or_else(|loss| panic!("{writes}: {loss}"));
    }
    assert!(refusals > undisturbed.writes() / 2, "{refusals} refusals");
}
