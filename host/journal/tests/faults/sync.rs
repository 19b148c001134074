//! A disk whose syncs fail.

use waystation_core::Event;
use waystation_journal::{Error, Journal};

use crate::crash::check;
use crate::disk::Disk;
use crate::image::{Kept, Replay};
use crate::random::{Random, seed};
use crate::run::{Run, begun, open};
use crate::workload::{Step, steps};

/// The steps of each run, which move the log into the file more than once.
const STEPS: usize = 20;

/// Whichever sync fails: the journal takes nothing more and says so, it does not
/// try the sync again nor change its files, and it has all that it acknowledged
/// when it is opened again.
#[tokio::test]
async fn a_failed_sync_is_the_end_and_is_not_tried_again() {
    let steps: Vec<_> = steps().into_iter().take(STEPS).collect();
    let image = begun();
    let undisturbed = Disk::with(&image);
    let journal = open(&undisturbed).unwrap();
    let mut expected = Run::begin(&journal).await;
    assert!(expected.take(&steps, &journal, &undisturbed).await.is_ok());
    for syncs in 0..undisturbed.syncs() {
        let disk = Disk::with(&image);
        let acknowledged = steps_until_failure(syncs, &steps, &disk).await;
        let seed = seed();
        let (trace, mut random) = (disk.trace(), Random::new(seed));
        for kept in [Kept::None, Kept::Half, Kept::Torn] {
            let left = Replay::to_the_end_of(&trace).left(kept, &mut random);
            check(&left, expected.allowed_after(acknowledged))
                .await
                .unwrap_or_else(|loss| panic!("{syncs}, kept {kept:?}, seed {seed}: {loss}"));
        }
    }
}

/// Takes steps on a disk that fails after so many syncs, sees the journal fail,
/// and gives back how many steps it acknowledged.
async fn steps_until_failure(syncs: usize, steps: &[Step], disk: &Disk) -> usize {
    let journal = open(disk).unwrap();
    let mut run = Run::begin(&journal).await;
    disk.fail_after(syncs);
    // The log is moved after the answer, so the last step may have been taken.
    if let Err((_, error)) = run.take(steps, &journal, disk).await {
        assert!(matches!(error, Error::Poisoned(_)), "{syncs}: {error}");
    }
    let mut failed = journal.failed();
    let reason = failed.wait_for(Option::is_some).await.unwrap().clone();
    let reason = reason.unwrap();
    assert!(reason.contains("fsync"), "{syncs}: {reason}");
    for _ in 0..3 {
        let again = journal.append(vec![Event::default()]).await.unwrap_err();
        assert!(matches!(again, Error::Poisoned(_)), "{syncs}: {again}");
    }
    let closed = journal.close().await.unwrap_err();
    assert!(matches!(closed, Error::Poisoned(_)), "{syncs}: {closed}");
    drop(journal);
    // The sync that failed was the last thing that the disk was asked for.
    assert_eq!(disk.refused_syncs(), [disk.moment()], "{syncs}");
    run.acknowledged.len()
}
