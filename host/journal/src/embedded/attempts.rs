//! The rows of settled attempts.

use std::ops::RangeInclusive;
use std::time::Duration;

use rusqlite::{Connection, Result, Row, params};
use waystation_core::{Digest, HandlerName, Sequence};

use super::column::{code, integer, natural, sequence, timestamp};
use super::{checksum, subscriptions};
use crate::{Attempt, AttemptOutcome, DeliveryKey, Disposition, Settlement, SubscriptionId};

const ACK: i64 = 0;
const RETRY: i64 = 1;
const DEAD: i64 = 2;

/// What a damaged row is called.
const WHAT: &str = "an attempt of event";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT sequence, subscription, attempt, started_ms, took_us, outcome, code, reason, \
             generation, a.checksum, id, handler, cursor, s.checksum \
             FROM attempts a LEFT JOIN subscriptions s ON id = subscription ",
            $rest
        )
    };
}

/// Inserts an attempt, and says whether it did: not if it was settled before, nor
/// if its event was dropped.
pub(super) fn insert(connection: &Connection, settlement: &Settlement) -> Result<bool> {
    let (outcome, failure) = match &settlement.disposition {
        Disposition::Done => (ACK, None),
        Disposition::Retry { failure, .. } => (RETRY, Some(failure)),
        Disposition::Dead { failure } => (DEAD, Some(failure)),
    };
    let took_us = i64::try_from(settlement.took.as_micros()).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "INSERT INTO attempts (sequence, subscription, attempt, started_ms, took_us, outcome, \
         code, reason, generation, checksum) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 \
         WHERE EXISTS (SELECT 1 FROM events WHERE sequence = ?1) \
         ON CONFLICT (sequence, subscription, attempt) DO NOTHING",
    )?;
    let inserted = checksum::store(
        &mut statement,
        params![
            integer(settlement.sequence.0),
            settlement.subscription.0,
            settlement.attempt,
            integer(settlement.started.as_millis()),
            took_us,
            outcome,
            failure.map(|failure| failure.code.as_str()),
            failure.map(|failure| &failure.reason),
            settlement.generation.as_bytes(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Whether an attempt was settled before.
pub(super) fn exists(connection: &Connection, settlement: &Settlement) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM attempts \
             WHERE sequence = ?1 AND subscription = ?2 AND attempt = ?3)",
        )?
        .query_one(
            params![
                integer(settlement.sequence.0),
                settlement.subscription.0,
                settlement.attempt
            ],
            |row| row.get(0),
        )
}

/// Deletes all attempts made for an event.
pub(super) fn delete(connection: &Connection, event: Sequence) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM attempts WHERE sequence = ?1")?
        .execute([integer(event.0)])
        .map(drop)
}

/// The events after a sequence whose delivery was attempted and settled, in
/// order, as runs of sequences without a gap. Every exception is among them:
/// none is without an attempt.
pub(super) fn settled_after(
    connection: &Connection,
    subscription: SubscriptionId,
    after: Sequence,
) -> Result<Vec<RangeInclusive<Sequence>>> {
    // The rows of other subscriptions are read as well: whose a row is can be
    // believed only once it was verified.
    let mut statement = connection.prepare_cached(
        "SELECT sequence, subscription, attempt, started_ms, took_us, outcome, code, reason, \
         generation, checksum FROM attempts WHERE sequence > ?1 ORDER BY sequence",
    )?;
    let mut rows = statement.query([integer(after.0)])?;
    let mut runs: Vec<RangeInclusive<Sequence>> = Vec::new();
    while let Some(row) = rows.next()? {
        checksum::verify(row, 0..9, WHAT)?;
        if row.get::<_, i64>(1)? != subscription.0 {
            continue;
        }
        let found = sequence(row, 0)?;
        match runs.last_mut() {
            Some(run) if found.0 <= run.end().0.saturating_add(1) => *run = *run.start()..=found,
            _ => runs.push(found..=found),
        }
    }
    Ok(runs)
}

/// The attempts made for an event, by handler, then by number.
pub(super) fn of_event(connection: &Connection, event: Sequence) -> Result<Vec<Attempt>> {
    connection
        .prepare_cached(select!("WHERE sequence = ?1 ORDER BY handler, attempt"))?
        .query_and_then([integer(event.0)], attempt)?
        .collect()
}

/// The newest attempts, newest first; of one handler, if named.
pub(super) fn newest(
    connection: &Connection,
    handler: Option<&HandlerName>,
    limit: usize,
) -> Result<Vec<Attempt>> {
    connection
        .prepare_cached(select!(
            "WHERE ?1 IS NULL OR subscription = (SELECT id FROM subscriptions WHERE handler = ?1) \
             ORDER BY started_ms DESC, sequence DESC, subscription DESC, attempt DESC LIMIT ?2"
        ))?
        .query_and_then(
            params![handler.map(HandlerName::as_str), integer(limit as u64)],
            attempt,
        )?
        .collect()
}

fn attempt(row: &Row<'_>) -> Result<Attempt> {
    checksum::verify(row, 0..9, WHAT)?;
    let (subscription, handler) = subscriptions::joined(row, 10)?;
    Ok(Attempt {
        key: DeliveryKey {
            subscription,
            handler,
            sequence: sequence(row, 0)?,
        },
        attempt: natural(row, 2)?,
        started: timestamp(row, 3)?,
        took: Duration::from_micros(natural(row, 4)?),
        outcome: outcome(row)?,
        generation: Digest::from_bytes(row.get(8)?),
    })
}

fn outcome(row: &Row<'_>) -> Result<AttemptOutcome> {
    let outcome: i64 = row.get(5)?;
    if outcome == ACK {
        return Ok(AttemptOutcome::Ack);
    }
    let code = code(row, 6)?;
    let reason = row.get(7)?;
    match outcome {
        RETRY => Ok(AttemptOutcome::Retry { code, reason }),
        DEAD => Ok(AttemptOutcome::Dead { code, reason }),
        unknown => Err(rusqlite::Error::IntegralValueOutOfRange(5, unknown)),
    }
}
