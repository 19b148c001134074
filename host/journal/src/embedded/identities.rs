//! How an event is found by its source and id.
//!
//! The keys in the table `identities` lie in no order, so to add one is to write a
//! page of its own, which would cost more than all else about an event. So the
//! newest identities stay in memory, and go into the table in the order of their
//! keys, as many with each group as it adds: then neighbours share a page. What
//! was in memory at a crash is read again from the events themselves, beginning
//! after the one that the head calls `indexed`.

use std::collections::BTreeSet;
use std::ops::{Bound, RangeInclusive};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use rusqlite::{Connection, Result, params};
use waystation_core::{Digest, Event, Sequence};

use super::column::{integer, sequence};
use super::events;

/// Tells identities apart: a hash of the id before one of the source, so that the
/// events with one id lie together. Two identities may have one key, which then
/// only costs a look at both events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(i64);

/// The bits of a key that are of the source.
const SOURCE_BITS: u32 = 24;

/// An identity and its event.
pub(super) type Identity = (Key, Sequence);

impl Key {
    pub(super) fn new(id: &str, source: &str) -> Self {
        let source = hash(source) >> (u64::BITS - SOURCE_BITS);
        Self((first(id) | source).cast_signed())
    }

    pub(super) fn of(event: &Event) -> Self {
        Self::new(&event.id, &event.source)
    }

    /// The keys of all identities with this id.
    pub(super) fn with_id(id: &str) -> RangeInclusive<Self> {
        let last = first(id) | ((1 << SOURCE_BITS) - 1);
        Self(first(id).cast_signed())..=Self(last.cast_signed())
    }
}

/// The first key of an id.
fn first(id: &str) -> u64 {
    hash(id) >> SOURCE_BITS << SOURCE_BITS
}

/// A hash that nobody can bring to many collisions.
fn hash(text: &str) -> u64 {
    let digest = Digest::of(text.as_bytes());
    let bytes = digest.as_bytes().iter().take(8);
    bytes.fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// The events in the table whose keys are among these.
pub(super) fn stored(connection: &Connection, keys: &RangeInclusive<Key>) -> Result<Vec<Sequence>> {
    connection
        .prepare_cached("SELECT sequence FROM identities WHERE key BETWEEN ?1 AND ?2")?
        .query_and_then([keys.start().0, keys.end().0], |row| sequence(row, 0))?
        .collect()
}

/// Stores an identity, which may be there already.
fn insert(connection: &Connection, (key, event): Identity) -> Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO identities (key, sequence) VALUES (?1, ?2)")?
        .execute(params![key.0, integer(event.0)])
        .map(drop)
}

/// Deletes an identity, which need not be there.
pub(super) fn delete(connection: &Connection, (key, event): Identity) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM identities WHERE key = ?1 AND sequence = ?2")?
        .execute(params![key.0, integer(event.0)])
        .map(drop)
}

/// Whether the table knows all events that it must know, and no others.
pub(super) fn are_whole(connection: &Connection) -> Result<bool> {
    let (_, indexed) = events::head(connection)?;
    let mut events = connection.prepare("SELECT sequence, id, source FROM events")?;
    let mut known = connection
        .prepare("SELECT EXISTS (SELECT 1 FROM identities WHERE key = ?1 AND sequence = ?2)")?;
    let mut rows = events.query([])?;
    let mut count = 0_i64;
    while let Some(row) = rows.next()? {
        let event = sequence(row, 0)?;
        let key = Key::new(row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
        let is_known: bool = known.query_one(params![key.0, integer(event.0)], |row| row.get(0))?;
        if !is_known && event <= indexed {
            return Ok(false);
        }
        count += i64::from(is_known);
    }
    let stored: i64 =
        connection.query_one("SELECT count(*) FROM identities", [], |row| row.get(0))?;
    Ok(stored == count)
}

/// The identities that may not be in the table yet.
pub(super) struct Recent(RwLock<Inner>);

struct Inner {
    identities: BTreeSet<Identity>,
    max: usize,
    progress: Progress,
}

/// How far the identities have come on their way into the table: it goes round
/// and round, from the lowest key to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    /// Where it goes on; none at the beginning of a round.
    last: Option<Identity>,
    /// The newest event when the round began.
    began: Sequence,
    /// Every event at or below is in the table.
    indexed: Sequence,
}

/// What a group changes about identities.
#[derive(Debug, Default)]
pub(super) struct Changes {
    added: BTreeSet<Identity>,
    dropped: BTreeSet<Identity>,
    stored: Vec<Identity>,
    progress: Option<Progress>,
}

impl Recent {
    /// Reads those that may not be in the table from the events. Later it keeps no
    /// more than `max`.
    pub(super) fn read(connection: &Connection, max: usize) -> Result<Self> {
        let (head, indexed) = events::head(connection)?;
        let identities = connection
            .prepare("SELECT sequence, id, source FROM events WHERE sequence > ?1")?
            .query_and_then([integer(indexed.0)], |row| {
                let key = Key::new(row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
                Ok((key, sequence(row, 0)?))
            })?
            .collect::<Result<_>>()?;
        Ok(Self(RwLock::new(Inner {
            identities,
            max,
            progress: Progress {
                last: None,
                began: head,
                indexed,
            },
        })))
    }

    /// The events whose keys are among these.
    pub(super) fn find(&self, keys: &RangeInclusive<Key>) -> Vec<Sequence> {
        among(&self.lock().identities, keys.clone()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().identities.is_empty()
    }

    /// Takes in what a group changed that was committed.
    pub(super) fn commit(&self, changes: Changes) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        inner.identities.extend(changes.added);
        for gone in changes.stored.iter().chain(&changes.dropped) {
            inner.identities.remove(gone);
        }
        inner.progress = changes.progress.unwrap_or(inner.progress);
    }

    fn lock(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    pub(super) fn add(&mut self, identity: Identity) {
        self.added.insert(identity);
    }

    pub(super) fn drop(&mut self, identity: Identity) {
        self.dropped.insert(identity);
    }

    /// The events of this group whose key this is.
    pub(super) fn find(&self, key: Key) -> impl Iterator<Item = Sequence> {
        among(&self.added, key..=key)
    }

    /// Stores as many identities as are too many to stay in memory, a few for each
    /// that was added. `head` is the newest event before the group. Gives back the
    /// event up to which all are in the table then.
    pub(super) fn store_surplus(
        &mut self,
        connection: &Connection,
        recent: &Recent,
        head: Sequence,
    ) -> Result<Sequence> {
        let inner = recent.lock();
        let all = inner.identities.len() + self.added.len();
        let surplus = all.saturating_sub(inner.max);
        let count = surplus
            .min(2 * self.added.len())
            .min(inner.identities.len());
        let (chosen, progress) = inner.next(count, head);
        drop(inner);
        for identity in chosen {
            if !self.dropped.contains(&identity) {
                insert(connection, identity)?;
            }
            self.stored.push(identity);
        }
        self.progress = Some(progress);
        Ok(progress.indexed)
    }

    /// Stores all identities that are in memory. `head` is the newest event.
    pub(super) fn store_all(
        &mut self,
        connection: &Connection,
        recent: &Recent,
        head: Sequence,
    ) -> Result<Sequence> {
        self.stored = recent.lock().identities.iter().copied().collect();
        for identity in &self.stored {
            insert(connection, *identity)?;
        }
        self.progress = Some(Progress {
            last: None,
            began: head,
            indexed: head,
        });
        Ok(head)
    }
}

impl Inner {
    /// The next identities on their way into the table, and how far that is.
    fn next(&self, count: usize, head: Sequence) -> (Vec<Identity>, Progress) {
        let mut progress = self.progress;
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let missing = count - chosen.len();
            let after = match progress.last {
                Some(last) => (Bound::Excluded(last), Bound::Unbounded),
                None => (Bound::Unbounded, Bound::Unbounded),
            };
            let found = self.identities.range(after).take(missing);
            chosen.extend(found.copied());
            if chosen.len() < count {
                // A round ends: what was there when it began is in the table.
                progress.indexed = progress.began;
                progress.began = head;
                progress.last = None;
            } else {
                progress.last = chosen.last().copied();
            }
        }
        (chosen, progress)
    }
}

/// The events of some identities whose keys are among these.
fn among(
    identities: &BTreeSet<Identity>,
    keys: RangeInclusive<Key>,
) -> impl Iterator<Item = Sequence> {
    let from = (*keys.start(), Sequence(0));
    let to = (*keys.end(), Sequence(u64::MAX));
    identities.range(from..=to).map(|(_, event)| *event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_with_one_id_lie_together() {
        let keys = Key::with_id("a");
        assert!(keys.contains(&Key::new("a", "/x")) && keys.contains(&Key::new("a", "/y")));
        assert!(!keys.contains(&Key::new("b", "/x")));
        assert_ne!(Key::new("a", "/x"), Key::new("a", "/y"));
    }

    fn identity(n: u64) -> Identity {
        (Key::new(&n.to_string(), "/test"), Sequence(n))
    }

    /// Goes through many groups, with few identities in memory, and looks after
    /// each whether all events are known, and how many must be read at a start.
    #[test]
    fn every_event_is_in_memory_or_in_the_table() {
        const MAX: usize = 20;
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("schema.sql"))
            .unwrap();
        events::begin(&connection).unwrap();
        let recent = Recent::read(&connection, MAX).unwrap();
        let mut head = 0;
        for group in 0..400 {
            let mut changes = Changes::default();
            let newest = head + 1 + group % 7;
            (head + 1..=newest).for_each(|n| changes.add(identity(n)));
            if head > 3 {
                // As if retention had dropped it.
                delete(&connection, identity(head - 3)).unwrap();
                changes.drop(identity(head - 3));
            }
            let dropped = head.saturating_sub(3);
            let indexed = changes.store_surplus(&connection, &recent, Sequence(head));
            recent.commit(changes);
            head = newest;
            let indexed = indexed.unwrap();
            assert!(head - indexed.0 < 5 * MAX as u64, "{indexed} of {head}");
            assert!(recent.lock().identities.len() <= MAX);
            for n in dropped + 1..=head {
                let (key, event) = identity(n);
                let is_stored = stored(&connection, &(key..=key)).unwrap() == [event];
                let is_recent = recent.find(&(key..=key)) == [event];
                assert!(is_stored || is_recent && event > indexed, "{n} of {head}");
            }
            let (key, _) = identity(dropped);
            assert!(stored(&connection, &(key..=key)).unwrap().is_empty());
            assert!(recent.find(&(key..=key)).is_empty());
        }
    }
}
