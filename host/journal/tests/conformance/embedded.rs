//! What only the embedded engine promises: about its folder and its file.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;
use waystation_core::{Event, KeyWrite, ManualClock, Sequence, StateAccess, limits};
use waystation_journal::embedded::{Embedded, OpenError, Options};
use waystation_journal::{Error, Journal, Retention, Settlement};

use crate::engine::{Engine, START, append, died, done, event, ids, proposal, subscribe};

pub struct EmbeddedEngine {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl EmbeddedEngine {
    fn file(&self) -> PathBuf {
        self.folder.path().join("journal.sqlite")
    }

    fn try_open(&self) -> Result<Embedded, OpenError> {
        open(self.folder.path(), Arc::clone(&self.clock))
    }
}

impl Engine for EmbeddedEngine {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::new(START)),
        }
    }

    async fn open(&self) -> Box<dyn Journal> {
        Box::new(self.try_open().unwrap())
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

fn open(folder: &Path, clock: Arc<ManualClock>) -> Result<Embedded, OpenError> {
    Embedded::open(Options {
        folder: folder.to_owned(),
        clock,
    })
}

/// A journal with some events, which was closed.
async fn written() -> EmbeddedEngine {
    let engine = EmbeddedEngine::new();
    let journal = engine.open().await;
    let ids: Vec<String> = (0..2_000).map(|n| format!("event-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    append(&*journal, &ids).await;
    journal.close().await.unwrap();
    engine
}

/// Opens a journal that is to be refused, and gives back why. Its file must stay
/// as it is.
fn refusal(engine: &EmbeddedEngine) -> OpenError {
    let before = fs::read(engine.file()).unwrap();
    let refused = engine.try_open().err().expect("is to be refused");
    assert!(
        fs::read(engine.file()).unwrap() == before,
        "{refused}: the file was changed"
    );
    refused
}

#[tokio::test]
async fn a_folder_belongs_to_one_host() {
    let engine = EmbeddedEngine::new();
    let journal = engine.try_open().unwrap();
    let refused = engine.try_open().err().unwrap();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
    let folder = engine.folder.path().display().to_string();
    assert!(refused.to_string().contains(&folder), "{refused}");

    journal.close().await.unwrap();
    let journal = engine.try_open().unwrap();
    drop(journal);
    engine.try_open().unwrap();
}

#[test]
fn a_folder_is_made_for_its_owner_alone() {
    let engine = EmbeddedEngine::new();
    let folder = engine.folder.path().join("a/b");
    let _journal = open(&folder, Arc::clone(&engine.clock)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("journal.sqlite")), 0o600);
}

#[test]
fn a_file_in_the_place_of_the_folder_is_refused() {
    let engine = EmbeddedEngine::new();
    let place = engine.folder.path().join("data");
    fs::write(&place, "x").unwrap();
    let refused = open(&place, Arc::clone(&engine.clock)).err().unwrap();
    assert!(matches!(refused, OpenError::Folder { .. }), "{refused}");
    assert!(refused.to_string().contains(&*place.to_string_lossy()));
}

fn files(engine: &EmbeddedEngine) -> Vec<String> {
    let files = fs::read_dir(engine.folder.path()).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn its_end_leaves_one_file() {
    let engine = written().await;
    assert_eq!(files(&engine), ["journal.sqlite", "lock"]);
    let journal = engine.open().await;
    append(&*journal, &["a"]).await;
    assert!(files(&engine).contains(&"journal.sqlite-wal".to_owned()));
    drop(journal);
    assert_eq!(files(&engine), ["journal.sqlite", "lock"]);
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let engine = written().await;
    let file = Connection::open(engine.file()).unwrap();
    file.pragma_update(None, "user_version", 7).unwrap();
    file.close().unwrap();
    let refused = refusal(&engine);
    assert!(
        matches!(
            refused,
            OpenError::Newer {
                found: 7,
                known: 1,
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn a_file_that_is_something_else_is_refused() {
    let foreign = |write: &dyn Fn(&Path)| {
        let engine = EmbeddedEngine::new();
        write(&engine.file());
        let refused = refusal(&engine);
        assert!(matches!(refused, OpenError::Foreign(_)), "{refused}");
    };
    foreign(&|path| fs::write(path, "not a database\n".repeat(100)).unwrap());
    foreign(&|path| fs::write(path, "short").unwrap());
    foreign(&|path| {
        let other = Connection::open(path).unwrap();
        other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    });
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let damaged = async |damage: &str, make: fn(&File)| {
        let engine = written().await;
        make(&File::options().write(true).open(engine.file()).unwrap());
        let refused = refusal(&engine);
        assert!(
            matches!(refused, OpenError::Damaged { .. }),
            "{damage}: {refused}"
        );
    };
    damaged("empty", |file| file.set_len(0).unwrap()).await;
    damaged("cut in the header", |file| file.set_len(50).unwrap()).await;
    damaged("cut in a page", |file| file.set_len(5_000).unwrap()).await;
    damaged("cut in the middle", |file| {
        let pages = file.metadata().unwrap().len() / 4096;
        file.set_len(pages / 2 * 4096).unwrap();
    })
    .await;
    damaged("garbled", |mut file| {
        for page in 1..20 {
            file.seek(SeekFrom::Start(page * 4096)).unwrap();
            file.write_all(&[0xa5; 2048]).unwrap();
        }
    })
    .await;
}

/// What SQLite takes for a good file, and reads would not notice.
#[tokio::test]
async fn what_a_search_would_miss_is_damage() {
    for change in [
        "DROP TABLE head",
        "DROP INDEX events_by_cause",
        "ALTER TABLE attempts RENAME COLUMN outcome TO outcoma",
        "UPDATE attempts SET sequence = sequence + 7",
        "UPDATE exceptions SET sequence = sequence + 7",
        "UPDATE subscriptions SET handler = 'shippinh'",
    ] {
        let engine = written().await;
        let journal = engine.open().await;
        let shipping = subscribe(&*journal, "shipping").await;
        let settlements = vec![done(shipping, 1, 1), died(shipping, 2, 1)];
        journal.settle(settlements).await.unwrap();
        journal.close().await.unwrap();
        let file = Connection::open(engine.file()).unwrap();
        file.execute_batch(change).unwrap();
        file.close().unwrap();
        let refused = refusal(&engine);
        assert!(
            matches!(refused, OpenError::Damaged { .. }),
            "{change}: {refused}"
        );
    }
}

#[test]
fn a_log_without_its_file_is_not_begun_anew() {
    let engine = EmbeddedEngine::new();
    let log = engine.folder.path().join("journal.sqlite-wal");
    fs::write(&log, "x").unwrap();
    let refused = engine.try_open().err().unwrap();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert!(!engine.file().exists());
    assert_eq!(fs::read(&log).unwrap(), b"x");
}

#[tokio::test]
async fn a_beginning_that_was_cut_off_is_begun_again() {
    let engine = EmbeddedEngine::new();
    fs::write(engine.folder.path().join("journal.sqlite.new"), "half").unwrap();
    let journal = engine.open().await;
    assert_eq!(append(&*journal, &["a"]).await, [1]);
}

/// What a host that is killed leaves behind: the files as they are while the
/// journal is open.
#[tokio::test]
async fn what_was_answered_is_there_after_a_crash() {
    let engine = EmbeddedEngine::new();
    let journal = engine.open().await;
    append(&*journal, &["a", "b"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let settlement = Settlement {
        publish: vec![proposal("c", 1)],
        ..done(shipping, 1, 1)
    };
    journal.settle(vec![settlement]).await.unwrap();

    let crashed = EmbeddedEngine::new();
    for file in ["journal.sqlite", "journal.sqlite-wal"] {
        fs::copy(
            engine.folder.path().join(file),
            crashed.folder.path().join(file),
        )
        .unwrap();
    }
    let journal = crashed.open().await;
    let all = journal.read(Sequence(0), 10, usize::MAX).await.unwrap();
    assert_eq!(ids(&all), ["a", "b", "c"]);
    assert_eq!(journal.attempts(Sequence(1)).await.unwrap().len(), 1);
    assert_eq!(append(&*journal, &["d"]).await, [4]);
}

#[tokio::test]
async fn a_sequence_is_never_given_twice() {
    let engine = EmbeddedEngine::new();
    let journal = engine.open().await;
    append(&*journal, &["a", "b"]).await;
    journal.close().await.unwrap();
    let file = Connection::open(engine.file()).unwrap();
    file.execute_batch("DELETE FROM events; DELETE FROM identities")
        .unwrap();
    file.close().unwrap();
    let journal = engine.open().await;
    assert_eq!(append(&*journal, &["c"]).await, [3]);
}

#[tokio::test]
async fn another_program_in_the_file_is_waited_for_and_then_refused() {
    let engine = EmbeddedEngine::new();
    let journal = engine.open().await;
    let other = Connection::open(engine.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = journal.append(vec![event("a")]).await;
    assert!(matches!(refused, Err(Error::Full)), "{refused:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(append(&*journal, &["b"]).await, [1]);
    assert_eq!(*journal.failed().borrow(), None);
}

#[tokio::test]
async fn appends_at_the_same_time_share_commits() {
    let engine = EmbeddedEngine::new();
    let journal = Arc::new(engine.try_open().unwrap());
    let mut appends = JoinSet::new();
    for n in 0..1_000 {
        let journal = Arc::clone(&journal);
        appends.spawn(async move { append(&*journal, &[&n.to_string()]).await });
    }
    assert_eq!(appends.join_all().await.len(), 1_000);
    assert!(journal.commits() < 1_000, "{} commits", journal.commits());
}

/// The length of the file.
fn file_bytes(engine: &EmbeddedEngine) -> u64 {
    fs::metadata(engine.file()).unwrap().len()
}

#[tokio::test]
async fn what_was_dropped_is_room_on_the_disk_again() {
    let engine = EmbeddedEngine::new();
    let journal = engine.open().await;
    for n in 0..100 {
        let large = Event {
            data: Some(vec![n; 200_000].into()),
            ..event(&n.to_string())
        };
        journal.append(vec![large]).await.unwrap();
    }
    let shipping = subscribe(&*journal, "shipping").await;
    journal.settle(vec![died(shipping, 50, 1)]).await.unwrap();
    journal
        .advance(vec![(shipping, Sequence(100))])
        .await
        .unwrap();
    journal.close().await.unwrap();
    assert!(
        file_bytes(&engine) > 20_000_000,
        "{} bytes",
        file_bytes(&engine)
    );

    let journal = engine.open().await;
    engine.clock.advance(Duration::from_secs(3_600));
    let day = Retention {
        age: Duration::from_secs(3_600),
        bytes: u64::MAX,
    };
    let retained = journal.retain(day, &[]).await.unwrap();
    assert_eq!(retained.dropped, 99);
    assert!(retained.given_back > 19_000_000, "{retained:?}");
    // The log is moved into the file before the next request is taken.
    append(&*journal, &["next"]).await;
    assert!(
        file_bytes(&engine) < 1_000_000,
        "{} bytes",
        file_bytes(&engine)
    );
    let kept = journal.entry(Sequence(50)).await.unwrap().unwrap();
    assert_eq!(kept.event.data.as_ref().unwrap().len(), 200_000);
    journal.close().await.unwrap();
    assert_eq!(append(&*engine.open().await, &["after"]).await, [102]);
}

#[tokio::test]
async fn a_backlog_of_dead_letters_is_driven_again_in_steps() {
    let count = 2 * limits::REDRIVE_BATCH + 1;
    let engine = EmbeddedEngine::new();
    let journal = engine.try_open().unwrap();
    let events = (0..count).map(|n| event(&n.to_string())).collect();
    journal.append(events).await.unwrap();
    let shipping = subscribe(&journal, "shipping").await;
    let dead = (1..=count as u64).map(|sequence| died(shipping, sequence, 1));
    journal.settle(dead.collect()).await.unwrap();
    let before = journal.commits();
    assert_eq!(journal.redrive(None, None).await.unwrap().len(), count);
    assert!(journal.commits() - before >= 3);
    assert!(
        journal
            .dead_letters(None, None, 1)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_damaged_row_is_found_before_it_is_written_over() {
    let engine = EmbeddedEngine::new();
    let journal = engine.open().await;
    append(&*journal, &["a", "b"]).await;
    let shipping = subscribe(&*journal, "shipping").await;
    let writing = |sequence| Settlement {
        state: StateAccess {
            writes: vec![KeyWrite {
                namespace: "stock".into(),
                key: "apples".into(),
                value: Some("5".into()),
            }],
            ..StateAccess::default()
        },
        ..done(shipping, sequence, 1)
    };
    journal.settle(vec![writing(1)]).await.unwrap();
    let other = Connection::open(engine.file()).unwrap();
    let damage = "UPDATE namespaces SET version = 99; UPDATE subscriptions SET cursor = 2";
    other.execute_batch(damage).unwrap();

    let settled = journal.settle(vec![writing(2)]).await.unwrap_err();
    let expected = "the namespace `stock` is not what was stored";
    assert!(
        matches!(&settled, Error::Store(reason) if reason.contains(expected)),
        "{settled}"
    );
    let advanced = journal
        .advance(vec![(shipping, Sequence(2))])
        .await
        .unwrap_err();
    assert!(
        advanced
            .to_string()
            .contains("subscription 1 is not what was stored"),
        "{advanced}"
    );
    // It harms nothing else.
    assert_eq!(append(&*journal, &["c"]).await, [3]);
    assert!(journal.attempts(Sequence(3)).await.unwrap().is_empty());
    journal.close().await.unwrap();
    assert!(matches!(refusal(&engine), OpenError::Damaged { .. }));
}
