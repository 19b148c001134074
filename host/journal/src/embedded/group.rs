//! The changes that go into one transaction.

use std::sync::Arc;

use rusqlite::{Connection, Result};
use waystation_core::{Event, HandlerName, Sequence, Timestamp};

use super::{attempts, events, exceptions, state, subscriptions};
use crate::{Appended, Cause, Commit, DeliveryKey, Entry, Settlement, SubscriptionId};

/// A transaction that is open, and what it will have changed.
pub(super) struct Group<'a> {
    connection: &'a Connection,
    /// The time at which all of it is accepted.
    now: Timestamp,
    head: Sequence,
    appended: Vec<Arc<Entry>>,
}

impl<'a> Group<'a> {
    /// Begins a group after the event at `head`.
    pub(super) fn begin(
        connection: &'a Connection,
        now: Timestamp,
        head: Sequence,
    ) -> Result<Self> {
        // To begin as a writer finds out at once whether another program is one.
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self {
            connection,
            now,
            head,
            appended: Vec::new(),
        })
    }

    /// Makes the group durable, and gives back the events that it appended.
    pub(super) fn commit(self) -> Result<Vec<Arc<Entry>>> {
        if !self.appended.is_empty() {
            events::set_head(self.connection, self.head)?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(self.appended)
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
        if !attempts::insert(self.connection, &settlement)? {
            return Ok(Commit::Stored);
        }
        exceptions::settle(self.connection, &settlement, self.now)?;
        state::write(self.connection, &settlement.state.writes)?;
        for proposal in settlement.publish {
            let cause = Cause {
                handler: handler.clone(),
                sequence: settlement.sequence,
            };
            self.append_one(proposal.event, proposal.depth, Some(cause))?;
        }
        Ok(Commit::Stored)
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

    /// Makes dead letters due now.
    pub(super) fn redrive(
        &mut self,
        handler: Option<&HandlerName>,
        event: Option<Sequence>,
    ) -> Result<Vec<DeliveryKey>> {
        exceptions::redrive(self.connection, handler, event, self.now)
    }

    fn append_one(&mut self, event: Event, depth: u32, cause: Option<Cause>) -> Result<Appended> {
        let sequence = Sequence(self.head.0.saturating_add(1));
        let entry = Entry {
            sequence,
            accepted: self.now,
            depth,
            cause,
            event,
        };
        if !events::insert(self.connection, &entry)? {
            return Ok(Appended {
                sequence: events::sequence_of(self.connection, &entry.event)?,
                duplicate: true,
            });
        }
        self.head = sequence;
        self.appended.push(Arc::new(entry));
        Ok(Appended {
            sequence,
            duplicate: false,
        })
    }
}
