//! The rows of accepted events.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use waystation_core::{Event, Sequence, Timestamp};

use super::checksum;
use super::column::{handler, integer, natural, parsed, sequence, timestamp};
use super::identities::Key;
use crate::{Cause, Entry};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT sequence, accepted_ms, depth, cause_handler, cause_sequence, source, id, type, \
             subject, time, datacontenttype, dataschema, extensions, data, checksum FROM events ",
            $rest
        )
    };
}

/// Inserts an event.
pub(super) fn insert(connection: &Connection, entry: &Entry) -> Result<()> {
    let event = &entry.event;
    let mut statement = connection.prepare_cached(
        "INSERT INTO events (sequence, accepted_ms, depth, cause_handler, cause_sequence, source, \
         id, type, subject, time, datacontenttype, dataschema, extensions, data, checksum) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    checksum::store(
        &mut statement,
        params![
            integer(entry.sequence.0),
            integer(entry.accepted.as_millis()),
            entry.depth,
            entry.cause.as_ref().map(|cause| cause.handler.as_str()),
            entry.cause.as_ref().map(|cause| integer(cause.sequence.0)),
            event.source,
            event.id,
            event.event_type,
            event.subject,
            event.time,
            event.data_content_type,
            event.data_schema,
            extensions_to_json(&event.extensions)?,
            event.data.as_deref(),
        ],
    )
    .map(drop)
}

/// Whether the event at a sequence is there.
pub(super) fn exists(connection: &Connection, sequence: Sequence) -> Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM events WHERE sequence = ?1)")?
        .query_one([integer(sequence.0)], |row| row.get(0))
}

/// Deletes the event at a sequence, and gives back the key of its identity: none if
/// it was not there.
pub(super) fn delete(connection: &Connection, sequence: Sequence) -> Result<Option<Key>> {
    connection
        .prepare_cached("DELETE FROM events WHERE sequence = ?1 RETURNING id, source")?
        .query_one([integer(sequence.0)], |row| {
            Ok(Key::new(
                row.get_ref(0)?.as_str()?,
                row.get_ref(1)?.as_str()?,
            ))
        })
        .optional()
}

/// The events after a sequence, in order: at most `events_max`, and none more
/// once they hold `bytes_max` bytes.
pub(super) fn after(
    connection: &Connection,
    after: Sequence,
    events_max: usize,
    bytes_max: usize,
) -> Result<Vec<Arc<Entry>>> {
    let mut statement =
        connection.prepare_cached(select!("WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"))?;
    let mut rows = statement.query(params![integer(after.0), integer(events_max as u64)])?;
    let mut entries = Vec::new();
    let mut bytes = 0;
    while bytes < bytes_max
        && let Some(row) = rows.next()?
    {
        let entry = entry(row)?;
        bytes += entry.event.size_bytes();
        entries.push(Arc::new(entry));
    }
    Ok(entries)
}

/// The event at a sequence, if it is there.
pub(super) fn at(connection: &Connection, sequence: Sequence) -> Result<Option<Arc<Entry>>> {
    existing(connection, sequence).optional()
}

/// The event at a sequence. It is an error if it is not there.
pub(super) fn existing(connection: &Connection, sequence: Sequence) -> Result<Arc<Entry>> {
    connection
        .prepare_cached(select!("WHERE sequence = ?1"))?
        .query_one([integer(sequence.0)], entry)
        .map(Arc::new)
}

/// Those of the events at these sequences that have this id.
pub(super) fn with_id(
    connection: &Connection,
    sequences: impl IntoIterator<Item = Sequence>,
    id: &str,
) -> Result<Vec<Arc<Entry>>> {
    let mut found = Vec::new();
    for sequence in sequences {
        let event = at(connection, sequence)?;
        found.extend(event.filter(|entry| entry.event.id == id));
    }
    Ok(found)
}

/// The newest events before a sequence, newest first.
pub(super) fn before(
    connection: &Connection,
    before: Option<Sequence>,
    limit: usize,
) -> Result<Vec<Arc<Entry>>> {
    let before = before.map_or(i64::MAX, |before| integer(before.0));
    connection
        .prepare_cached(select!(
            "WHERE sequence < ?1 ORDER BY sequence DESC LIMIT ?2"
        ))?
        .query_and_then([before, integer(limit as u64)], |row| {
            entry(row).map(Arc::new)
        })?
        .collect()
}

/// The events that deliveries of this event published, oldest first.
pub(super) fn caused_by(
    connection: &Connection,
    cause: Sequence,
    limit: usize,
) -> Result<Vec<Arc<Entry>>> {
    connection
        .prepare_cached(select!(
            "WHERE cause_sequence = ?1 ORDER BY sequence LIMIT ?2"
        ))?
        .query_and_then([integer(cause.0), integer(limit as u64)], |row| {
            entry(row).map(Arc::new)
        })?
        .collect()
}

/// The sequence before the first event accepted at `moment` or later, else the
/// head. It reads every event before that one: a clock may have been put back,
/// so the times are in no order that a search could use.
pub(super) fn head_before(connection: &Connection, moment: Timestamp) -> Result<Sequence> {
    let first = connection
        .query_one(
            select!("WHERE accepted_ms >= ?1 ORDER BY sequence LIMIT 1"),
            [integer(moment.as_millis())],
            entry,
        )
        .optional()?;
    match first {
        Some(first) => Ok(Sequence(first.sequence.0.saturating_sub(1))),
        None => head(connection).map(|(head, _)| head),
    }
}

/// The sequence given last, and the one up to which all events are in the table of
/// identities.
pub(super) fn head(connection: &Connection) -> Result<(Sequence, Sequence)> {
    connection.query_one("SELECT sequence, indexed, checksum FROM head", [], |row| {
        checksum::verify(row, 0..2, "the head")?;
        Ok((sequence(row, 0)?, sequence(row, 1)?))
    })
}

/// Stores that no sequence was given yet.
pub(super) fn begin(connection: &Connection) -> Result<()> {
    let mut statement =
        connection.prepare("INSERT INTO head (sequence, indexed, checksum) VALUES (?1, ?2, ?3)")?;
    checksum::store(&mut statement, params![0, 0]).map(drop)
}

/// Stores the sequence given last, and the one up to which all events are in the
/// table of identities.
pub(super) fn set_head(connection: &Connection, head: Sequence, indexed: Sequence) -> Result<()> {
    let mut statement =
        connection.prepare_cached("UPDATE head SET sequence = ?1, indexed = ?2, checksum = ?3")?;
    checksum::store(&mut statement, params![integer(head.0), integer(indexed.0)]).map(drop)
}

/// The event of a row. It is an error if it is not the event that was stored.
fn entry(row: &Row<'_>) -> Result<Entry> {
    checksum::verify(row, 0..14, "event")?;
    let cause = match row.get_ref(3)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(Cause {
            handler: handler(row, 3)?,
            sequence: sequence(row, 4)?,
        }),
    };
    Ok(Entry {
        sequence: sequence(row, 0)?,
        accepted: timestamp(row, 1)?,
        depth: natural(row, 2)?,
        cause,
        event: Event {
            source: row.get(5)?,
            id: row.get(6)?,
            event_type: row.get(7)?,
            subject: row.get(8)?,
            time: row.get(9)?,
            data_content_type: row.get(10)?,
            data_schema: row.get(11)?,
            extensions: parsed(row, 12, extensions_from_json)?,
            data: row.get::<_, Option<Vec<u8>>>(13)?.map(Bytes::from),
        },
    })
}

fn extensions_to_json(extensions: &BTreeMap<String, String>) -> Result<Option<String>> {
    if extensions.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(extensions)
        .map(Some)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn extensions_from_json(
    json: Option<String>,
) -> std::result::Result<BTreeMap<String, String>, String> {
    json.map_or(Ok(BTreeMap::new()), |json| {
        serde_json::from_str(&json).map_err(|error| error.to_string())
    })
}
