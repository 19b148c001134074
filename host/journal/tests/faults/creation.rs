//! A loss of power while a journal is begun.

use crate::disk::{Disk, MAIN};
use crate::image::{Image, Kept, Replay};
use crate::random::Random;
use crate::run::open;

/// A journal is written beside its place and then given its name. Whoever finds
/// the name after a loss of power must find the whole file.
#[test]
fn a_journal_is_durable_before_it_has_its_name() {
    let disk = Disk::with(&Image::default());
    let journal = open(&disk).unwrap();
    let left = Replay::to_the_end_of(&disk.trace()).left(Kept::None, &mut Random::new(0));
    let beside_its_place = format!("{MAIN}.new");
    assert!(!left.file(&beside_its_place).is_empty());
    assert!(left.file(&beside_its_place) == disk.files().file(MAIN));
    drop(journal);
}
