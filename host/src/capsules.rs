//! The capsules of failed attempts: the newest of each delivery, in the data
//! folder.
//!
//! They are written by a thread of their own, so that no attempt waits for the
//! disk, and there are only so many: the oldest give way, and none outlives the
//! age of what the journal keeps. One that cannot be written costs a warning and
//! nothing else.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use waystation_core::{
    Capsule, Clock, Code, DeliveryId, Digest, Failed, Failure, Outcome, Settings, Timestamp, limits,
};
use waystation_dispatch::Invocation;
use waystation_runtime::Seen;

/// The capsules of failed attempts. Cheap to clone.
#[derive(Clone)]
pub struct Capsules {
    folder: PathBuf,
    handlers: PathBuf,
    queue: SyncSender<Job>,
}

/// An attempt that failed.
pub struct FailedAttempt {
    /// What it was given.
    pub invocation: Invocation,
    /// The generation that it was made on.
    pub digest: Digest,
    /// What held for the handler.
    pub settings: Arc<Settings>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it saw.
    pub seen: Seen,
}

enum Job {
    Keep(Box<FailedAttempt>),
    /// Answers once all that came before is written.
    Flush(SyncSender<()>),
}

/// Why a capsule cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CapsuleError {
    /// There is none.
    #[error(
        "no failed attempt of `{0}` is kept: none failed yet, the last one is older than \
         `retention.age`, or newer failures of other deliveries took its place"
    )]
    None(DeliveryId),
    /// The component is not there any more.
    #[error(
        "the attempt was made with the build {}, which is not in the handlers folder any more; ask \
         without --with-component and give the file to `waystation invoke`", .0.short()
    )]
    Component(Digest),
    /// It cannot be read.
    #[error("the capsule cannot be read: {0}")]
    Io(#[from] io::Error),
    /// What is there is no capsule.
    #[error("the capsule cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

impl Capsules {
    /// Opens the folder and starts the thread that writes into it and drops what is
    /// older than this.
    pub fn start(
        data: &Path,
        handlers: &Path,
        age: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let folder = data.join("capsules");
        let (queue, jobs) = sync_channel(limits::CAPSULES_WAITING_MAX);
        let keeper = Keeper::open(&folder, age, clock);
        thread::Builder::new()
            .name("capsules".into())
            .spawn(move || keeper.run(&jobs))
            .context("cannot start the thread that keeps failed attempts")?;
        Ok(Self {
            folder,
            handlers: handlers.to_owned(),
            queue,
        })
    }

    /// Keeps a failed attempt, unless too many fail at once.
    pub fn keep(&self, failed: FailedAttempt) {
        if self.queue.try_send(Job::Keep(Box::new(failed))).is_err() {
            tracing::debug!("too many attempts fail at once; one of them is not kept");
        }
    }

    /// Waits until all that was to be kept is written. Blocks.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.queue.send(Job::Flush(done)).is_ok() {
            // An error means that the thread ended, and has nothing to write.
            let _ = wait.recv();
        }
    }

    /// The newest failed attempt of a delivery, with the bytes of its component if
    /// asked for. Blocks.
    pub fn get(&self, id: &DeliveryId, with_component: bool) -> Result<Capsule, CapsuleError> {
        self.flush();
        let bytes = match fs::read(file(&self.folder, id)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(CapsuleError::None(id.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        let mut capsule: Capsule = serde_json::from_slice(&bytes)?;
        if with_component {
            let digest = capsule.component.digest;
            let path = self.handlers.join(format!("{}.wasm", id.handler));
            let component = fs::read(path).ok();
            let component = component.filter(|bytes| Digest::of(bytes) == digest);
            let component = component.ok_or(CapsuleError::Component(digest))?;
            capsule.component.bytes = Some(STANDARD.encode(component));
        }
        Ok(capsule)
    }
}

fn file(folder: &Path, id: &DeliveryId) -> PathBuf {
    folder.join(format!("{id}.json"))
}

impl FailedAttempt {
    /// The file to write, unless the attempt was not even made.
    fn capsule(self) -> serde_json::Result<Option<(DeliveryId, Vec<u8>)>> {
        let (failure, rejected): (&Failure, bool) = match &self.outcome {
            Outcome::Ack => return Ok(None),
            Outcome::Retry(failure) if failure.code == Code::Busy => return Ok(None),
            Outcome::Retry(failure) => (failure, false),
            Outcome::Reject(failure) => (failure, true),
        };
        let id = self.invocation.delivery.clone();
        let failed = Failed {
            event: &self.invocation.entry.event,
            delivery: &id,
            attempt: self.invocation.attempt,
            depth: self.invocation.entry.depth,
            digest: self.digest,
            failure,
            rejected,
            surroundings: self.seen.surroundings,
            log: self.seen.log,
            served_before: self.seen.served_before,
        };
        let bytes = serde_json::to_vec(&Capsule::new(failed, &self.settings)?)?;
        Ok(Some((id, bytes)))
    }
}

/// What the name of a file ends with that is not written to its end.
const PARTIAL: &str = "partial";

/// Writes capsules and makes room for them.
struct Keeper {
    folder: PathBuf,
    /// The oldest first.
    files: Vec<Kept>,
    age: Duration,
    clock: Arc<dyn Clock>,
    count_max: usize,
    bytes_max: u64,
    /// Whether it was told that the folder cannot be written.
    warned: bool,
}

/// A capsule that is kept.
struct Kept {
    written: Timestamp,
    path: PathBuf,
    bytes: u64,
}

impl Keeper {
    fn open(folder: &Path, age: Duration, clock: Arc<dyn Clock>) -> Self {
        let mut keeper = Self {
            folder: folder.to_owned(),
            files: Vec::new(),
            age,
            clock,
            count_max: limits::CAPSULES_MAX,
            bytes_max: limits::CAPSULES_BYTES_MAX,
            warned: false,
        };
        let opened = keeper.list();
        keeper.tell(opened);
        keeper
    }

    /// Finds what an earlier run kept.
    fn list(&mut self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.folder)?;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|it| it == PARTIAL) {
                fs::remove_file(&path)?;
                continue;
            }
            let metadata = entry.metadata()?;
            // One from before 1970 is old in any case.
            let written = metadata.modified()?.duration_since(UNIX_EPOCH);
            self.files.push(Kept {
                written: Timestamp::default().after(written.unwrap_or_default()),
                path,
                bytes: metadata.len(),
            });
        }
        self.files.sort_by_key(|kept| kept.written);
        self.make_room()
    }

    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(limits::RETENTION_INTERVAL) {
                Ok(Job::Keep(failed)) => {
                    let kept = self.keep(*failed);
                    self.tell(kept);
                }
                // Whoever does not wait any more need not know.
                Ok(Job::Flush(done)) => drop(done.send(())),
                Err(RecvTimeoutError::Timeout) => {
                    let dropped = self.make_room();
                    self.tell(dropped);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn keep(&mut self, failed: FailedAttempt) -> io::Result<()> {
        match failed.capsule().map_err(io::Error::other)? {
            Some((id, bytes)) => self.write(file(&self.folder, &id), &bytes),
            None => Ok(()),
        }
    }

    fn write(&mut self, path: PathBuf, bytes: &[u8]) -> io::Result<()> {
        let partial = path.with_extension(PARTIAL);
        if let Err(error) = write_over(&partial, bytes).and_then(|()| fs::rename(&partial, &path)) {
            // What is there of it is of no use and may hold an event. If it cannot go
            // either, the next start tries again.
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        self.files.retain(|kept| kept.path != path);
        let written = self.clock.now();
        let bytes = bytes.len() as u64;
        self.files.push(Kept {
            written,
            path,
            bytes,
        });
        self.make_room()
    }

    /// Removes the oldest until the rest is within the bounds.
    fn make_room(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let mut bytes: u64 = self.files.iter().map(|kept| kept.bytes).sum();
        let mut count = self.files.len();
        let mut gone = 0;
        for kept in &self.files {
            // A clock that was set back makes nothing old.
            let age = now.since(kept.written);
            if count <= self.count_max && bytes <= self.bytes_max && age <= self.age {
                break;
            }
            match fs::remove_file(&kept.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            bytes -= kept.bytes;
            count -= 1;
            gone += 1;
        }
        self.files.drain(..gone);
        Ok(())
    }

    /// Warns once when it stops working.
    fn tell(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) => self.warned = false,
            Err(error) if !self.warned => {
                let folder = self.folder.display();
                tracing::warn!("failed attempts are not kept in `{folder}`: {error}");
                self.warned = true;
            }
            Err(_) => {}
        }
    }
}

fn write_over(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use waystation_core::ManualClock;

    use super::*;
    use crate::clock::SystemClock;

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|it| name(it).into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn keeper(folder: &Path, count_max: usize, bytes_max: u64) -> Keeper {
        let mut keeper = Keeper::open(folder, DAY, Arc::new(SystemClock));
        (keeper.count_max, keeper.bytes_max) = (count_max, bytes_max);
        keeper
    }

    #[test]
    fn the_oldest_give_way_and_a_restart_forgets_none() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("capsules");
        let mut first = keeper(&folder, 3, 100);
        for name in ["a", "b", "c", "a", "d"] {
            first.write(folder.join(name), &[0; 10]).unwrap();
        }
        assert_eq!(names(&folder), ["a", "c", "d"], "the new one of a counts");
        let mode = fs::metadata(folder.join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let mut second = keeper(&folder, 3, 100);
        second.write(folder.join("e"), &[0; 85]).unwrap();
        assert_eq!(names(&folder), ["d", "e"], "by the bytes of all");
    }

    #[test]
    fn what_is_older_than_the_age_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("capsules");
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let mut first = Keeper::open(&folder, DAY, clock.clone());
        first.write(folder.join("a"), b"").unwrap();
        clock.advance(DAY / 2);
        first.write(folder.join("b"), b"").unwrap();
        assert_eq!(names(&folder), ["a", "b"]);
        clock.advance(DAY / 2 + Duration::from_secs(1));
        first.make_room().unwrap();
        assert_eq!(names(&folder), ["b"]);

        clock.advance(DAY);
        Keeper::open(&folder, DAY, clock);
        assert!(names(&folder).is_empty(), "also at the start");
    }

    #[test]
    fn nothing_is_left_of_a_capsule_that_cannot_be_written() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("capsules");
        let mut keeper = keeper(&folder, 9, 100);
        // A folder of its name is in the way of the last step.
        fs::create_dir_all(folder.join("a.json/b")).unwrap();
        assert!(keeper.write(folder.join("a.json"), b"half").is_err());
        assert_eq!(names(&folder), ["a.json"]);

        fs::remove_dir_all(folder.join("a.json")).unwrap();
        fs::write(folder.join("b.partial"), b"half").unwrap();
        Keeper::open(&folder, DAY, Arc::new(SystemClock));
        assert!(names(&folder).is_empty(), "nor of one that was cut short");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_survived() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("capsules");
        fs::write(&folder, "no folder").unwrap();
        let mut keeper = Keeper::open(&folder, DAY, Arc::new(SystemClock));
        assert!(keeper.warned);
        assert!(keeper.write(folder.join("a"), b"").is_err());
    }
}
