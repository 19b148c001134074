//! A workload on a disk, with a record of what was acknowledged.

use std::time::Duration;

use waystation_journal::embedded::{Bounds, Embedded, OpenError, Options};
use waystation_journal::{Error, Journal};

use crate::disk::Disk;
use crate::image::Image;
use crate::snapshot::Snapshot;
use crate::workload::{NOW, Step};

/// Bounds that some steps reach: the write-ahead log is moved into the file again
/// and again, and identities into their table.
const BOUNDS: Bounds = Bounds {
    log_bytes: 128 * 1024,
    identities: 16,
};

/// What a journal acknowledged.
pub struct Run {
    /// What the journal knew at first, and after each step.
    pub snapshots: Vec<Snapshot>,
    /// How many changes the disk had seen when each step was acknowledged.
    pub acknowledged: Vec<usize>,
}

impl Run {
    /// Nothing yet: what the journal knows at its start.
    pub async fn begin(journal: &dyn Journal) -> Self {
        Self {
            snapshots: vec![Snapshot::of(journal).await.unwrap()],
            acknowledged: Vec::new(),
        }
    }

    /// Takes steps, a minute apart, as far as the journal takes them, and gives back those that
    /// it did not with its reason.
    pub async fn take<'a>(
        &mut self,
        steps: &'a [Step],
        journal: &dyn Journal,
        disk: &Disk,
    ) -> Result<(), (&'a [Step], Error)> {
        let mut left = steps;
        while let Some((step, rest)) = left.split_first() {
            let minutes = self.acknowledged.len() as u64;
            disk.clock.set(NOW.after(Duration::from_secs(60 * minutes)));
            if let Err(error) = step.clone().ask(journal).await {
                return Err((left, error));
            }
            self.acknowledged.push(disk.moment());
            self.snapshots.push(Snapshot::of(journal).await.unwrap());
            left = rest;
        }
        Ok(())
    }

    /// What a journal may know after a loss of power at a moment.
    pub fn allowed(&self, moment: usize) -> &[Snapshot] {
        self.allowed_after(self.acknowledged.partition_point(|at| *at <= moment))
    }

    /// What a journal may know once so many steps were acknowledged: them, and
    /// perhaps the one step that was under way.
    pub fn allowed_after(&self, steps: usize) -> &[Snapshot] {
        let allowed = self.snapshots.get(steps..).unwrap();
        allowed.get(..2).unwrap_or(allowed)
    }
}

/// Opens the journal on a disk.
pub fn open(disk: &Disk) -> Result<Embedded, OpenError> {
    let options = Options {
        folder: disk.folder().to_owned(),
        clock: disk.clock.clone(),
    };
    Embedded::open_with_bounds(options, BOUNDS)
}

/// The files of a journal that was begun and closed.
pub fn begun() -> Image {
    let disk = Disk::with(&Image::default());
    drop(open(&disk).unwrap());
    disk.files()
}
