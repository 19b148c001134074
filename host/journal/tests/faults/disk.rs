//! A disk that writes down what is done to its files, and fails when it is told
//! to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tempfile::TempDir;
use waystation_core::ManualClock;

use crate::image::Image;
use crate::vfs;
use crate::workload::NOW;

/// The names of the journal's file and of its write-ahead log.
pub const MAIN: &str = "journal.sqlite";
pub const LOG: &str = "journal.sqlite-wal";

/// A folder whose files SQLite changes before our eyes.
pub struct Disk {
    folder: TempDir,
    /// The clock of the journals on it.
    pub clock: Arc<ManualClock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    trace: Trace,
    /// The writes and the syncs that still go well; no bound if none is set.
    writes_left: Option<usize>,
    syncs_left: Option<usize>,
    /// The file of which a sync will be reported as done and not be, and how many
    /// of its syncs come before that one.
    swallowed: Option<(&'static str, usize)>,
    /// When a sync was refused: the number of changes made before.
    refused: Vec<usize>,
}

/// What was done to the files of a disk.
#[derive(Clone, Default)]
pub struct Trace {
    /// The files as they were before.
    pub before: Image,
    /// The changes in their order, each with the name of its file.
    pub changes: Vec<(String, Change)>,
}

/// One change of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
    Sync,
}

/// Why the disk does not do it.
pub enum Refusal {
    NoSpace,
    SyncFailed,
}

static DISKS: Mutex<BTreeMap<PathBuf, Weak<Disk>>> = Mutex::new(BTreeMap::new());

impl Disk {
    /// A disk with these files, all of them durable.
    pub fn with(files: &Image) -> Arc<Self> {
        vfs::install();
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files.iter() {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        // SQLite resolves the links in a path.
        let path = folder.path().canonicalize().unwrap();
        let disk = Arc::new(Self {
            folder,
            clock: Arc::new(ManualClock::new(NOW)),
            state: Mutex::new(State {
                trace: Trace {
                    before: files.clone(),
                    changes: Vec::new(),
                },
                ..State::default()
            }),
        });
        let mut disks = DISKS.lock().unwrap();
        disks.retain(|_, disk| disk.strong_count() > 0);
        disks.insert(path, Arc::downgrade(&disk));
        disk
    }

    /// The disk that is this folder.
    pub fn at(folder: &Path) -> Option<Arc<Self>> {
        DISKS.lock().unwrap().get(folder)?.upgrade()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The files as a program sees them.
    pub fn files(&self) -> Image {
        Image::of([MAIN, LOG].into_iter().filter_map(|name| {
            let bytes = fs::read(self.folder().join(name)).ok()?;
            Some((name.to_owned(), bytes))
        }))
    }

    /// What was done so far.
    pub fn trace(&self) -> Trace {
        self.state().trace.clone()
    }

    /// How many changes were made so far.
    pub fn moment(&self) -> usize {
        self.state().trace.changes.len()
    }

    /// How many writes were made so far.
    pub fn writes(&self) -> usize {
        self.count(|change| matches!(change, Change::Write { .. }))
    }

    /// How many syncs were made so far.
    pub fn syncs(&self) -> usize {
        self.count(|change| *change == Change::Sync)
    }

    fn count(&self, counted: fn(&Change) -> bool) -> usize {
        let state = self.state();
        let changes = state.trace.changes.iter();
        changes.filter(|(_, change)| counted(change)).count()
    }

    /// Has room for so many writes more, and then for none.
    pub fn fill_after(&self, writes: usize) {
        self.state().writes_left = Some(writes);
    }

    /// Has room again.
    pub fn make_room(&self) {
        self.state().writes_left = None;
    }

    /// Fails at the sync after so many that go well, and at every later one.
    pub fn fail_after(&self, syncs: usize) {
        self.state().syncs_left = Some(syncs);
    }

    /// Reports the sync of a file after so many that are done as done, and does
    /// it not.
    pub fn swallow_sync_after(&self, syncs: usize, file: &'static str) {
        self.state().swallowed = Some((file, syncs));
    }

    /// When a sync was refused, each as a [`moment`](Self::moment).
    pub fn refused_syncs(&self) -> Vec<usize> {
        self.state().refused.clone()
    }

    /// Writes a change down, unless it is refused.
    pub fn take(&self, file: &str, change: Change) -> Result<(), Refusal> {
        let mut state = self.state();
        match &change {
            Change::Sync => {
                if state.swallows_sync_of(file) {
                    return Ok(());
                }
                if spend(&mut state.syncs_left).is_none() {
                    let moment = state.trace.changes.len();
                    state.refused.push(moment);
                    return Err(Refusal::SyncFailed);
                }
            }
            Change::Write { .. } => spend(&mut state.writes_left).ok_or(Refusal::NoSpace)?,
            Change::Truncate(_) => {}
        }
        state.trace.changes.push((file.to_owned(), change));
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Whether a sync of this file, now, is the one to swallow.
    fn swallows_sync_of(&mut self, file: &str) -> bool {
        match &mut self.swallowed {
            Some((swallowed, before)) if *swallowed == file => match before.checked_sub(1) {
                Some(left) => {
                    *before = left;
                    false
                }
                None => {
                    self.swallowed = None;
                    true
                }
            },
            _ => false,
        }
    }
}

/// Takes one of what is left. None if there is none.
fn spend(left: &mut Option<usize>) -> Option<()> {
    if let Some(left) = left {
        *left = left.checked_sub(1)?;
    }
    Some(())
}
