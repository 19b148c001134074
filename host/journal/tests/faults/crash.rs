//! A loss of power at every moment of a workload.

use std::collections::BTreeSet;
use std::env;
use std::sync::Arc;

use rusqlite::Connection;
use waystation_core::{Event, Sequence};
use waystation_journal::Journal;

use crate::disk::{Change, Disk, LOG, MAIN, Trace};
use crate::image::{Image, Kept, Replay};
use crate::random::{Random, seed};
use crate::run::{Run, begun, open};
use crate::snapshot::Snapshot;
use crate::workload::steps;

/// Of the moments that are no sync's, one in so many is tried, unless
/// `WAYSTATION_CRASH_EVERYWHERE` is set.
const SAMPLED: u64 = 16;

/// Whatever the moment, and whatever is left of what was not synced: all that was
/// acknowledged is there, and nothing else but perhaps the step under way, whole.
///
/// It tries the moments before and after every sync, and a sample of those
/// between. `WAYSTATION_CRASH_EVERYWHERE=1` tries all, `WAYSTATION_SEED=N`
/// repeats a choice of the sample and of what is left.
#[tokio::test]
async fn loses_nothing_that_was_acknowledged() {
    let (run, disk) = run_on(Disk::with(&begun())).await;
    let last = run.snapshots.last().unwrap();
    assert!(!last.state.is_empty() && last.events.len() < last.head.0 as usize / 2);
    let tried = crash_everywhere(&run, &disk.trace()).await.unwrap();
    assert!(tried > steps().len(), "{tried} crashes");
}

/// What a journal would do that does not sync its log before it answers. Of the
/// log's syncs, the first is that of its header; each of the next is a step's.
#[tokio::test]
async fn one_answer_before_the_sync_is_found_out() {
    for syncs in 1..5 {
        assert_is_found_out(syncs, LOG).await;
    }
}

/// What a journal would do that does not sync its file before it begins its log
/// anew.
#[tokio::test]
async fn one_log_begun_anew_before_the_sync_is_found_out() {
    for syncs in 0..4 {
        assert_is_found_out(syncs, MAIN).await;
    }
}

/// Has the disk do one sync not, the one after `syncs`.
async fn assert_is_found_out(syncs: usize, file: &'static str) {
    let disk = Disk::with(&begun());
    disk.swallow_sync_after(syncs, file);
    let (run, disk) = run_on(disk).await;
    match crash_everywhere(&run, &disk.trace()).await {
        Ok(tried) => panic!("{tried} crashes without a loss, {syncs} syncs into {file}"),
        Err(loss) => println!("{syncs} syncs into {file}: {loss}"),
    }
}

/// Runs the workload to its end and closes the journal.
async fn run_on(disk: Arc<Disk>) -> (Run, Arc<Disk>) {
    let journal = open(&disk).unwrap();
    let mut run = Run::begin(&journal).await;
    let steps = steps();
    run.take(&steps, &journal, &disk)
        .await
        .unwrap_or_else(|(_, error)| panic!("{error}"));
    journal.close().await.unwrap();
    (run, disk)
}

/// Crashes at each moment to be tried, in each way, and gives back how often.
/// The error is the first loss.
async fn crash_everywhere(run: &Run, trace: &Trace) -> Result<usize, String> {
    let seed = seed();
    let mut random = Random::new(seed);
    let mut replay = Replay::of(trace);
    let mut tried = 0;
    for moment in moments(trace, &mut random) {
        replay.until(moment);
        for kept in [Kept::None, Kept::Half, Kept::Torn] {
            let left = replay.left(kept, &mut random);
            check(&left, run.allowed(moment)).await.map_err(|loss| {
                let all = trace.changes.len();
                format!("after {moment} of {all} changes, kept {kept:?}, seed {seed}: {loss}")
            })?;
            tried += 1;
        }
    }
    println!(
        "{tried} crashes in {} changes, seed {seed}",
        trace.changes.len()
    );
    Ok(tried)
}

/// The moments to crash at, in their order.
fn moments(trace: &Trace, random: &mut Random) -> BTreeSet<usize> {
    let everywhere = env::var_os("WAYSTATION_CRASH_EVERYWHERE").is_some();
    let mut moments = BTreeSet::from([0, trace.changes.len()]);
    for (moment, (_, change)) in trace.changes.iter().enumerate() {
        if *change == Change::Sync {
            moments.extend([moment, moment + 1]);
        } else if everywhere || random.once_in(SAMPLED) {
            moments.insert(moment);
        }
    }
    moments
}

/// Opens a journal on what a crash left, and compares what it knows with what it
/// may know. The error says what is wrong.
pub async fn check(left: &Image, allowed: &[Snapshot]) -> Result<(), String> {
    let disk = Disk::with(left);
    let journal = open(&disk).map_err(|error| error.to_string())?;
    let found = Snapshot::of(&journal)
        .await
        .map_err(|error| error.to_string())?;
    if !allowed.contains(&found) {
        let allowed: Vec<String> = allowed.iter().map(Snapshot::to_string).collect();
        return Err(format!("found {found}; expected {}", allowed.join(", or ")));
    }
    if let Some(contradiction) = found.contradiction() {
        return Err(contradiction);
    }
    let next = journal.append(vec![Event::default()]).await;
    let next = next.map_err(|error| error.to_string())?;
    let sequences: Vec<Sequence> = next.iter().map(|appended| appended.sequence).collect();
    if sequences != [Sequence(found.head.0 + 1)] {
        return Err(format!("{sequences:?} follows {}", found.head));
    }
    journal.close().await.map_err(|error| error.to_string())?;
    match integrity(&disk) {
        Ok(found) if found == "ok" => Ok(()),
        Ok(damage) => Err(damage),
        Err(error) => Err(error.to_string()),
    }
}

fn integrity(disk: &Disk) -> rusqlite::Result<String> {
    let file = Connection::open(disk.folder().join(MAIN))?;
    file.query_one("PRAGMA integrity_check", [], |row| row.get(0))
}
