//! Which events may be dropped, and what the file holds.

use rusqlite::{Connection, OptionalExtension, Result};
use waystation_core::{HandlerName, Sequence, Timestamp, limits};

use super::column::{integer, natural, sequence, timestamp};
use super::{events, subscriptions};

/// The events that one step looks at, in their order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Those of them that may be dropped.
    pub(super) droppable: Vec<Sequence>,
    /// The last one that is old enough; none if there is none.
    pub(super) last: Option<Sequence>,
}

/// How far every subscription has come.
pub(super) struct Standing {
    head: Sequence,
    cursors: Vec<(HandlerName, Sequence)>,
}

impl Standing {
    pub(super) fn of(connection: &Connection) -> Result<Self> {
        let all = subscriptions::all(connection)?.into_iter();
        Ok(Self {
            head: events::head(connection)?.0,
            cursors: all.map(|(_, handler, cursor)| (handler, cursor)).collect(),
        })
    }

    /// How far all have come that count. The head, if none does.
    pub(super) fn floor(&self, counts: impl Fn(&HandlerName) -> bool) -> Sequence {
        let counted = self.cursors.iter().filter(|(handler, _)| counts(handler));
        counted
            .map(|(_, cursor)| *cursor)
            .min()
            .unwrap_or(self.head)
    }

    /// Those of the handlers that are furthest behind, if they are behind at all.
    pub(super) fn last(&self, of: &[HandlerName]) -> Vec<HandlerName> {
        let floor = self.floor(|handler| of.contains(handler));
        let last = self.cursors.iter().filter(|(handler, cursor)| {
            *cursor == floor && floor < self.head && of.contains(handler)
        });
        last.map(|(handler, _)| handler.clone()).collect()
    }

    /// The handlers that have not come to an event.
    pub(super) fn before(&self, event: Sequence) -> Vec<HandlerName> {
        let before = self.cursors.iter().filter(|(_, cursor)| *cursor < event);
        before.map(|(handler, _)| handler.clone()).collect()
    }
}

/// The next events after a sequence, up to `floor`, that were accepted at
/// `before` or earlier. Those that wait or are dead letters are not droppable.
pub(super) fn batch(
    connection: &Connection,
    after: Sequence,
    floor: Sequence,
    before: Timestamp,
    now: Timestamp,
) -> Result<Batch> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, accepted_ms, coalesce(length(data), 0), \
         EXISTS (SELECT 1 FROM exceptions x WHERE x.sequence = events.sequence) \
         FROM events WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence LIMIT ?3",
    )?;
    let limit = integer(limits::RETENTION_BATCH_EVENTS as u64);
    let mut rows = statement.query([integer(after.0), integer(floor.0), limit])?;
    let (mut batch, mut bytes) = (Batch::default(), 0);
    // What is known of the next event whose time lies not in the future.
    let mut upcoming = None;
    while bytes < limits::RETENTION_BATCH_BYTES
        && let Some(row) = rows.next()?
    {
        let found = sequence(row, 0)?;
        let mut accepted = timestamp(row, 1)?;
        if accepted > now {
            accepted = match upcoming {
                Some(upcoming) => upcoming,
                None => *upcoming.insert(accepted_by(connection, found, now)?),
            };
        } else {
            upcoming = None;
        }
        if accepted > before {
            break;
        }
        batch.last = Some(found);
        if !row.get::<_, bool>(3)? {
            batch.droppable.push(found);
            bytes += natural::<usize>(row, 2)?;
        }
    }
    Ok(batch)
}

/// When an event was accepted at the latest whose time lies in the future, since
/// the clock was put back: not after the next one whose time does not.
fn accepted_by(connection: &Connection, event: Sequence, now: Timestamp) -> Result<Timestamp> {
    let next = connection
        .prepare_cached(
            "SELECT accepted_ms FROM events WHERE sequence > ?1 AND accepted_ms <= ?2 \
             ORDER BY sequence LIMIT 1",
        )?
        .query_one([integer(event.0), integer(now.as_millis())], |row| {
            timestamp(row, 0)
        })
        .optional()?;
    Ok(next.unwrap_or(now))
}

/// The room that the file takes on the disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Its pages.
    pub(super) pages: u64,
    /// Those of them that hold nothing.
    pub(super) free: u64,
    /// The bytes of a page.
    pub(super) page_bytes: u64,
}

impl Room {
    pub(super) fn of(connection: &Connection) -> Result<Self> {
        connection.query_one(
            "SELECT page_count, freelist_count, page_size \
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
            [],
            |row| {
                Ok(Self {
                    pages: natural(row, 0)?,
                    free: natural(row, 1)?,
                    page_bytes: natural(row, 2)?,
                })
            },
        )
    }

    /// The bytes that hold something.
    pub(super) fn bytes_used(self) -> u64 {
        self.pages
            .saturating_sub(self.free)
            .saturating_mul(self.page_bytes)
    }

    /// The pages to give back: all that hold nothing, but for those that will
    /// soon be used again.
    pub(super) fn surplus(self) -> u64 {
        let used = self.pages.saturating_sub(self.free);
        self.free
            .saturating_sub(used / limits::RETENTION_FREE_SHARE)
    }
}

/// Gives free pages back to the system, as many as that, at the next move of the
/// log into the file.
pub(super) fn give_back(connection: &Connection, pages: u64) -> Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    // Each step gives back a page.
    while rows.next()?.is_some() {}
    Ok(())
}
