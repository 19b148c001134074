//! The states in which a loss of power can leave the files of a disk.

use std::collections::BTreeMap;

use crate::disk::{Change, Trace};
use crate::random::Random;

/// Files by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(BTreeMap<String, Vec<u8>>);

/// What a loss of power leaves of the changes that were not synced.
#[derive(Clone, Copy, Debug)]
pub enum Kept {
    /// Nothing.
    None,
    /// Each of them or not, as chance has it.
    Half,
    /// All, but of the last write only its first half.
    Torn,
}

impl Image {
    pub fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self(files.into_iter().collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        self.0.iter()
    }

    /// A file's bytes; none if it is not there.
    pub fn file(&self, name: &str) -> &[u8] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The same files with one bit of one of them flipped.
    #[must_use]
    pub fn flipped(&self, name: &str, bit: usize) -> Self {
        let mut flipped = self.clone();
        let file = flipped.0.get_mut(name).unwrap();
        *file.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
        flipped
    }

    fn apply(&mut self, file: &str, change: &Change) {
        let live = self.0.entry(file.to_owned()).or_default();
        match change {
            Change::Write { at, bytes } => {
                let end = at + bytes.len();
                if live.len() < end {
                    live.resize(end, 0);
                }
                live.splice(at..&end, bytes.iter().copied());
            }
            Change::Truncate(length) => live.resize(*length, 0),
            Change::Sync => {}
        }
    }
}

/// A disk on which the changes of a trace happen one by one.
pub struct Replay<'a> {
    changes: &'a [(String, Change)],
    /// The changes that happened.
    moment: usize,
    durable: Image,
    /// Those that happened since the last sync of their file.
    unsynced: Vec<&'a (String, Change)>,
}

impl<'a> Replay<'a> {
    pub fn of(trace: &'a Trace) -> Self {
        Self {
            changes: &trace.changes,
            moment: 0,
            durable: trace.before.clone(),
            unsynced: Vec::new(),
        }
    }

    /// A disk on which all of them happened.
    pub fn to_the_end_of(trace: &'a Trace) -> Self {
        let mut replay = Self::of(trace);
        replay.until(trace.changes.len());
        replay
    }

    /// Lets the changes before a moment happen.
    pub fn until(&mut self, moment: usize) {
        let happening = self.changes.iter().take(moment).skip(self.moment);
        for happened in happening {
            let (file, change) = happened;
            self.unsynced.push(happened);
            if *change == Change::Sync {
                let synced = self.unsynced.extract_if(.., |(other, _)| other == file);
                synced.for_each(|(file, change)| self.durable.apply(file, change));
            }
        }
        self.moment = self.moment.max(moment);
    }

    /// What is left if the power fails now.
    pub fn left(&self, kept: Kept, random: &mut Random) -> Image {
        let mut left = self.durable.clone();
        for (index, (file, change)) in self.unsynced.iter().enumerate() {
            match (kept, change) {
                (Kept::None, _) => {}
                (Kept::Half, _) if random.once_in(2) => {}
                (Kept::Torn, Change::Write { at, bytes }) if index + 1 == self.unsynced.len() => {
                    let torn = bytes.iter().take(bytes.len() / 2).copied().collect();
                    let torn = Change::Write {
                        at: *at,
                        bytes: torn,
                    };
                    left.apply(file, &torn);
                }
                (Kept::Half | Kept::Torn, _) => left.apply(file, change),
            }
        }
        left
    }
}
