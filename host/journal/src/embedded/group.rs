//! The changes that go into one transaction.

use std::sync::Arc;

use rusqlite::{Connection, Result};
use waystation_core::{Event, HandlerName, Sequence, Timestamp, limits};

use super::identities::{self, Key, Recent};
use super::{attempts, events, exceptions, retention, state, subscriptions};
use crate::{Appended, Cause, Commit, DeliveryKey, Disposition, Entry, Settlement, SubscriptionId};

/// A transaction that is open, and what it will have changed.
pub(super) struct Group<'a> {
    connection: &'a Connection,
    /// The time at which all of it is accepted.
    now: Timestamp,
    /// The newest event before the group.
    before: Sequence,
    head: Sequence,
    recent: &'a Recent,
    changed: Changed,
}

/// What a group changed that others must know of.
#[derive(Default)]
pub(super) struct Changed {
    /// The events that it appended, in order.
    pub(super) appended: Vec<Arc<Entry>>,
    /// The newest event that it dropped, if it did.
    pub(super) dropped: Option<Sequence>,
    /// Whether the file becomes shorter once the log is moved into it.
    pub(super) shortened: bool,
    /// What became of identities.
    pub(super) identities: identities::Changes,
}

impl<'a> Group<'a> {
    /// Begins a group after the event at `head`.
    pub(super) fn begin(
        connection: &'a Connection,
        now: Timestamp,
        head: Sequence,
        recent: &'a Recent,
    ) -> Result<Self> {
        // To begin as a writer finds out at once whether another program is one.
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self {
            connection,
            now,
            before: head,
            head,
            recent,
            changed: Changed::default(),
        })
    }

    /// Makes the group durable, and gives back what it changed.
    pub(super) fn commit(mut self) -> Result<Changed> {
        if !self.changed.appended.is_empty() {
            let identities = &mut self.changed.identities;
            let indexed = identities.store_surplus(self.connection, self.recent, self.before)?;
            events::set_head(self.connection, self.head, indexed)?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(self.changed)
    }

    /// Appends events from outside.
    pub(super) fn append(&mut self, events: Vec<Event>) -> Result<Vec<Appended>> {
        events
            .into_iter()
            .map(|event| self.append_one(event, 0, None))
            .collect()
    }

    /// Settles attempts, each with the name of its handler.
    pub(super) fn settle(
        &mut self,
        settlements: Vec<(HandlerName, Settlement)>,
    ) -> Result<Vec<Commit>> {
        settlements
            .into_iter()
            .map(|(handler, settlement)| self.settle_one(&handler, settlement))
            .collect()
    }

    fn settle_one(&mut self, handler: &HandlerName, settlement: Settlement) -> Result<Commit> {
        // What it read is looked at before anything of it is stored; but its own
        // writes would look like another's, had it been settled before.
        if !settlement.state.is_empty()
            && !attempts::exists(self.connection, &settlement)?
            && !state::holds(self.connection, &settlement.state)?
        {
            return Ok(Commit::Conflict);
        }
        let inserted = attempts::insert(self.connection, &settlement)?;
        let is_gone = !inserted && !events::exists(self.connection, settlement.sequence)?;
        let commit = if is_gone {
            Commit::Gone
        } else {
            Commit::Stored
        };
        let is_late = is_gone && settlement.disposition == Disposition::Done;
        if !inserted && !is_late {
            return Ok(commit);
        }
        exceptions::settle(self.connection, handler, &settlement, self.now)?;
        state::write(self.connection, &settlement.state.writes)?;
        for proposal in settlement.publish {
            let cause = Cause {
                handler: handler.clone(),
                sequence: settlement.sequence,
            };
            self.append_one(proposal.event, proposal.depth, Some(cause))?;
        }
        Ok(commit)
    }

    /// Moves cursors forwards.
    pub(super) fn advance(&mut self, cursors: &[(SubscriptionId, Sequence)]) -> Result<()> {
        cursors.iter().try_for_each(|(subscription, cursor)| {
            subscriptions::advance(self.connection, *subscription, *cursor)
        })
    }

    /// Begins a subscription after `cursor` (none: after the head), unless the
    /// handler has one. Says whether it was begun.
    pub(super) fn subscribe(
        &mut self,
        handler: &HandlerName,
        cursor: Option<Sequence>,
    ) -> Result<bool> {
        subscriptions::insert(self.connection, handler, cursor.unwrap_or(self.head))
    }

    /// Makes the dead letters of an event due now; of one handler, if named.
    pub(super) fn redrive_event(
        &mut self,
        handler: Option<&HandlerName>,
        event: Sequence,
    ) -> Result<Vec<DeliveryKey>> {
        exceptions::redrive_event(self.connection, handler, event, self.now)
    }

    /// Makes dead letters after a place due now, at most
    /// [`limits::REDRIVE_BATCH`]; of one handler, if named.
    pub(super) fn redrive(
        &mut self,
        handler: Option<&HandlerName>,
        after: (Sequence, SubscriptionId),
    ) -> Result<Vec<DeliveryKey>> {
        let limit = limits::REDRIVE_BATCH;
        exceptions::redrive(self.connection, handler, after, limit, self.now)
    }

    /// Drops events with their attempts, and gives back how many.
    pub(super) fn drop_events(&mut self, events: &[Sequence]) -> Result<u64> {
        let mut dropped = 0;
        for event in events {
            // One may have become an exception since it was chosen.
            if !exceptions::any(self.connection, *event)?
                && let Some(key) = events::delete(self.connection, *event)?
            {
                identities::delete(self.connection, (key, *event))?;
                self.changed.identities.drop((key, *event));
                attempts::delete(self.connection, *event)?;
                self.changed.dropped = self.changed.dropped.max(Some(*event));
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    /// Gives free pages of the file back, and with the last of them has the file
    /// shortened.
    pub(super) fn give_back(&mut self, pages: u64, is_last: bool) -> Result<()> {
        self.changed.shortened |= is_last;
        retention::give_back(self.connection, pages)
    }

    /// Stores every identity, so that the next start finds none in the events.
    pub(super) fn index_all(&mut self) -> Result<()> {
        let identities = &mut self.changed.identities;
        let indexed = identities.store_all(self.connection, self.recent, self.head)?;
        events::set_head(self.connection, self.head, indexed)
    }

    fn append_one(&mut self, event: Event, depth: u32, cause: Option<Cause>) -> Result<Appended> {
        let key = Key::of(&event);
        if let Some(sequence) = self.known(key, &event)? {
            return Ok(Appended {
                sequence,
                duplicate: true,
            });
        }
        let sequence = Sequence(self.head.0.saturating_add(1));
        let entry = Entry {
            sequence,
            accepted: self.now,
            depth,
            cause,
            event,
        };
        events::insert(self.connection, &entry)?;
        self.changed.identities.add((key, sequence));
        self.head = sequence;
        self.changed.appended.push(Arc::new(entry));
        Ok(Appended {
            sequence,
            duplicate: false,
        })
    }

    /// The sequence of the event with the same source and id, if there is one.
    fn known(&self, key: Key, event: &Event) -> Result<Option<Sequence>> {
        let keys = key..=key;
        let mut found = identities::stored(self.connection, &keys)?;
        found.extend(self.recent.find(&keys));
        found.extend(self.changed.identities.find(key));
        for sequence in found {
            let known = events::at(self.connection, sequence)?;
            let is_same = |known: &Event| known.id == event.id && known.source == event.source;
            if known.is_some_and(|known| is_same(&known.event)) {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }
}
