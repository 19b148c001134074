//! The floor of storing: a bare file to which bytes are appended, with an fdatasync
//! after each batch.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cpu::{Took, Whose};

/// Batches that were appended, each durable before the next.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    pub batches: u64,
    pub events_in_batch: u64,
    pub took: Took,
}

impl Appended {
    /// Appends batches of so many events for so long, to a new file in a folder.
    pub fn measure(
        folder: &Path,
        events_in_batch: u64,
        event_bytes: usize,
        lasts: Duration,
    ) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mut file = tempfile::tempfile_in(folder).unwrap();
        let batch = vec![b'x'; event_bytes * usize::try_from(events_in_batch).unwrap()];
        append(&mut file, &batch);
        let (span, end) = (Whose::Ours.begin(), Instant::now() + lasts);
        let mut batches = 0;
        while Instant::now() < end {
            append(&mut file, &batch);
            batches += 1;
        }
        Self {
            batches,
            events_in_batch,
            took: span.end(),
        }
    }

    pub fn batches_per_second(&self) -> f64 {
        self.took.per_second(self.batches)
    }

    pub fn events_per_second(&self) -> f64 {
        self.took.per_second(self.batches * self.events_in_batch)
    }

    /// Microseconds of processor time for each event.
    pub fn cpu_us(&self) -> f64 {
        self.took.cpu_us(self.batches * self.events_in_batch)
    }
}

fn append(file: &mut File, batch: &[u8]) {
    file.write_all(batch).unwrap();
    file.sync_data().unwrap();
}
