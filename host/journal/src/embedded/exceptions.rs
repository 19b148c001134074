//! The rows of deliveries that wait for another attempt, and of dead letters.

use std::collections::HashSet;

use rusqlite::{Connection, Result, Row, params};
use waystation_core::{Failure, HandlerName, Sequence, Timestamp};

use super::column::{code, handler, integer, natural, sequence, timestamp};
use super::events;
use crate::{DeadLetter, DeliveryKey, Disposition, Due, Settlement, SubscriptionId};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT subscription, handler, sequence, attempts, forgiven, due_ms, since_ms, code, \
             reason FROM exceptions JOIN subscriptions ON id = subscription ",
            $rest
        )
    };
}

/// Stores what becomes of the delivery of a settled attempt.
pub(super) fn settle(
    connection: &Connection,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<()> {
    let (status, due, failure, lane) = match &settlement.disposition {
        Disposition::Done => return remove(connection, settlement),
        Disposition::Retry { due, failure, lane } => ("retry", Some(due), failure, lane.as_ref()),
        Disposition::Dead { failure } => ("dead", None, failure, None),
    };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO exceptions (subscription, sequence, status, attempts, \
             forgiven, due_ms, since_ms, code, reason, lane) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            settlement.subscription.0,
            integer(settlement.sequence.0),
            status,
            settlement.attempt,
            settlement.forgiven,
            due.map(|due| integer(due.as_millis())),
            integer(now.as_millis()),
            failure.code.as_str(),
            failure.reason,
            lane,
        ])?;
    Ok(())
}

fn remove(connection: &Connection, settlement: &Settlement) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM exceptions WHERE subscription = ?1 AND sequence = ?2")?
        .execute([settlement.subscription.0, integer(settlement.sequence.0)])?;
    Ok(())
}

/// Makes dead letters due at once, and forgives the attempts made.
pub(super) fn redrive(
    connection: &Connection,
    handler_name: Option<&HandlerName>,
    event: Option<Sequence>,
    now: Timestamp,
) -> Result<Vec<DeliveryKey>> {
    let mut keys = connection
        .prepare_cached(
            "UPDATE exceptions SET status = 'retry', due_ms = ?3, forgiven = attempts \
             WHERE status = 'dead' AND (?2 IS NULL OR sequence = ?2) AND (?1 IS NULL OR \
             subscription = (SELECT id FROM subscriptions WHERE handler = ?1)) \
             RETURNING subscription, \
             (SELECT handler FROM subscriptions WHERE id = subscription), sequence",
        )?
        .query_and_then(
            params![
                handler_name.map(HandlerName::as_str),
                event.map(|event| integer(event.0)),
                integer(now.as_millis()),
            ],
            key,
        )?
        .collect::<Result<Vec<_>>>()?;
    keys.sort_by(|a, b| (a.sequence, &a.handler).cmp(&(b.sequence, &b.handler)));
    Ok(keys)
}

/// The waiting deliveries of a subscription with the lanes that they hold back.
pub(super) fn held(
    connection: &Connection,
    subscription: SubscriptionId,
) -> Result<Vec<(Sequence, Option<String>)>> {
    connection
        .prepare_cached(
            "SELECT sequence, lane FROM exceptions WHERE subscription = ?1 AND status = 'retry' \
             ORDER BY sequence",
        )?
        .query_and_then([subscription.0], |row| Ok((sequence(row, 0)?, row.get(1)?)))?
        .collect()
}

/// The waiting deliveries of a subscription that are due, soonest first, but
/// none of those in `except`.
pub(super) fn due(
    connection: &Connection,
    subscription: SubscriptionId,
    until: Timestamp,
    except: &HashSet<Sequence>,
    limit: usize,
) -> Result<Vec<Due>> {
    let mut statement = connection.prepare_cached(select!(
        "WHERE subscription = ?1 AND status = 'retry' AND due_ms <= ?2 ORDER BY due_ms, sequence"
    ))?;
    let mut rows = statement.query([subscription.0, integer(until.as_millis())])?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        if !except.contains(&sequence(row, 2)?) {
            found.push(waiting_delivery(connection, row)?);
        }
    }
    Ok(found)
}

/// When the soonest waiting delivery of a subscription is due, leaving out those
/// in `except`.
pub(super) fn next_due(
    connection: &Connection,
    subscription: SubscriptionId,
    except: &HashSet<Sequence>,
) -> Result<Option<Timestamp>> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, due_ms FROM exceptions WHERE subscription = ?1 AND status = 'retry' \
         ORDER BY due_ms",
    )?;
    let mut rows = statement.query([subscription.0])?;
    while let Some(row) = rows.next()? {
        if !except.contains(&sequence(row, 0)?) {
            return timestamp(row, 1).map(Some);
        }
    }
    Ok(None)
}

/// The waiting deliveries, soonest first; of one handler or event, if named.
pub(super) fn waiting(
    connection: &Connection,
    handler: Option<&HandlerName>,
    event: Option<Sequence>,
    limit: usize,
) -> Result<Vec<Due>> {
    connection
        .prepare_cached(select!(
            "WHERE status = 'retry' AND (?1 IS NULL OR handler = ?1) \
             AND (?2 IS NULL OR sequence = ?2) ORDER BY due_ms, sequence, handler LIMIT ?3"
        ))?
        .query_and_then(
            params![
                handler.map(HandlerName::as_str),
                event.map(|event| integer(event.0)),
                integer(limit as u64),
            ],
            |row| waiting_delivery(connection, row),
        )?
        .collect()
}

/// The dead letters, newest first; of one handler or event, if named.
pub(super) fn dead_letters(
    connection: &Connection,
    handler: Option<&HandlerName>,
    event: Option<Sequence>,
    limit: usize,
) -> Result<Vec<DeadLetter>> {
    connection
        .prepare_cached(select!(
            "WHERE status = 'dead' AND (?1 IS NULL OR handler = ?1) \
             AND (?2 IS NULL OR sequence = ?2) ORDER BY since_ms DESC, sequence DESC, handler \
             LIMIT ?3"
        ))?
        .query_and_then(
            params![
                handler.map(HandlerName::as_str),
                event.map(|event| integer(event.0)),
                integer(limit as u64),
            ],
            |row| dead_letter(connection, row),
        )?
        .collect()
}

fn waiting_delivery(connection: &Connection, row: &Row<'_>) -> Result<Due> {
    let key = key(row)?;
    Ok(Due {
        attempts: natural(row, 3)?,
        forgiven: natural(row, 4)?,
        due: timestamp(row, 5)?,
        failure: failure(row)?,
        entry: events::existing(connection, key.sequence)?,
        key,
    })
}

fn dead_letter(connection: &Connection, row: &Row<'_>) -> Result<DeadLetter> {
    let key = key(row)?;
    Ok(DeadLetter {
        attempts: natural(row, 3)?,
        since: timestamp(row, 6)?,
        failure: failure(row)?,
        entry: events::existing(connection, key.sequence)?,
        key,
    })
}

fn key(row: &Row<'_>) -> Result<DeliveryKey> {
    Ok(DeliveryKey {
        subscription: SubscriptionId(row.get(0)?),
        handler: handler(row, 1)?,
        sequence: sequence(row, 2)?,
    })
}

/// The handler's wish for a pause is not kept: what came of it is in `due_ms`.
fn failure(row: &Row<'_>) -> Result<Failure> {
    Ok(Failure {
        code: code(row, 7)?,
        reason: row.get(8)?,
        after: None,
    })
}
