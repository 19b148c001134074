//! The rows of deliveries that wait for another attempt, and of dead letters.

use std::collections::HashSet;

use rusqlite::{Connection, Result, Row, params};
use waystation_core::{Failure, HandlerName, Sequence, Timestamp};

use super::column::{code, integer, natural, sequence, timestamp};
use super::{checksum, events, subscriptions};
use crate::{DeadLetter, DeliveryKey, Disposition, Due, Settlement, SubscriptionId};

const RETRY: &str = "retry";
const DEAD: &str = "dead";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT sequence, subscription, status, attempts, forgiven, at_ms, code, reason, \
             lane, e.checksum, id, handler, cursor, s.checksum \
             FROM exceptions e LEFT JOIN subscriptions s ON id = subscription ",
            $rest
        )
    };
}

/// A row.
struct Exception {
    key: DeliveryKey,
    /// The attempts made so far.
    attempts: u32,
    /// Of those, the attempts made before the last redrive.
    forgiven: u32,
    /// When the next attempt may begin; when a dead letter became one.
    at: Timestamp,
    failure: Failure,
    /// The lane that it holds back.
    lane: Option<String>,
}

/// Stores what becomes of the delivery of a settled attempt.
pub(super) fn settle(
    connection: &Connection,
    handler: &HandlerName,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<()> {
    let (status, at, failure, lane) = match &settlement.disposition {
        Disposition::Done => return remove(connection, settlement),
        Disposition::Retry { due, failure, lane } => (RETRY, *due, failure, lane.clone()),
        Disposition::Dead { failure } => (DEAD, now, failure, None),
    };
    let exception = Exception {
        key: DeliveryKey {
            subscription: settlement.subscription,
            handler: handler.clone(),
            sequence: settlement.sequence,
        },
        attempts: settlement.attempt,
        forgiven: settlement.forgiven,
        at,
        failure: failure.clone(),
        lane,
    };
    store(connection, &exception, status)
}

fn store(connection: &Connection, exception: &Exception, status: &str) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO exceptions (sequence, subscription, status, attempts, forgiven, \
         at_ms, code, reason, lane, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let columns = params![
        integer(exception.key.sequence.0),
        exception.key.subscription.0,
        status,
        exception.attempts,
        exception.forgiven,
        integer(exception.at.as_millis()),
        exception.failure.code.as_str(),
        exception.failure.reason,
        exception.lane,
    ];
    checksum::store(&mut statement, columns).map(drop)
}

fn remove(connection: &Connection, settlement: &Settlement) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM exceptions WHERE sequence = ?1 AND subscription = ?2")?
        .execute([integer(settlement.sequence.0), settlement.subscription.0])?;
    Ok(())
}

/// Whether a delivery of an event waits or is a dead letter.
pub(super) fn any(connection: &Connection, event: Sequence) -> Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM exceptions WHERE sequence = ?1)")?
        .query_one([integer(event.0)], |row| row.get(0))
}

/// Makes dead letters due at once, and forgives the attempts made: of a handler
/// or of all, at most `limit` after a place. Gives them back in the order of
/// their places.
pub(super) fn redrive(
    connection: &Connection,
    handler: Option<&HandlerName>,
    after: (Sequence, SubscriptionId),
    limit: usize,
    now: Timestamp,
) -> Result<Vec<DeliveryKey>> {
    let dead: Vec<Exception> = connection
        .prepare_cached(select!(
            "WHERE status = 'dead' AND (sequence, subscription) > (?2, ?3) \
             AND (?1 IS NULL OR handler = ?1) ORDER BY sequence, subscription LIMIT ?4"
        ))?
        .query_and_then(
            params![
                handler.map(HandlerName::as_str),
                integer(after.0.0),
                after.1.0,
                integer(limit as u64),
            ],
            exception,
        )?
        .collect::<Result<_>>()?;
    forgive(connection, dead, now)
}

/// Makes the dead letters of an event due at once, as [`redrive`] does.
pub(super) fn redrive_event(
    connection: &Connection,
    handler: Option<&HandlerName>,
    event: Sequence,
    now: Timestamp,
) -> Result<Vec<DeliveryKey>> {
    let dead: Vec<Exception> = connection
        .prepare_cached(select!(
            "WHERE sequence = ?2 AND status = 'dead' AND (?1 IS NULL OR handler = ?1) \
             ORDER BY subscription"
        ))?
        .query_and_then(
            params![handler.map(HandlerName::as_str), integer(event.0)],
            exception,
        )?
        .collect::<Result<_>>()?;
    forgive(connection, dead, now)
}

fn forgive(
    connection: &Connection,
    dead: Vec<Exception>,
    now: Timestamp,
) -> Result<Vec<DeliveryKey>> {
    let forgiven = dead.into_iter().map(|exception| Exception {
        forgiven: exception.attempts,
        at: now,
        ..exception
    });
    forgiven
        .map(|exception| store(connection, &exception, RETRY).map(|()| exception.key))
        .collect()
}

/// The waiting deliveries of a subscription with the lanes that they hold back.
pub(super) fn held(
    connection: &Connection,
    subscription: SubscriptionId,
) -> Result<Vec<(Sequence, Option<String>)>> {
    connection
        .prepare_cached(select!(
            "WHERE subscription = ?1 AND status = 'retry' ORDER BY sequence"
        ))?
        .query_and_then([subscription.0], |row| {
            let exception = exception(row)?;
            Ok((exception.key.sequence, exception.lane))
        })?
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
        "WHERE subscription = ?1 AND status = 'retry' AND at_ms <= ?2 ORDER BY at_ms, sequence"
    ))?;
    let mut rows = statement.query([subscription.0, integer(until.as_millis())])?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let exception = exception(row)?;
        if !except.contains(&exception.key.sequence) {
            found.push(waiting_delivery(connection, exception)?);
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
    let mut statement = connection.prepare_cached(select!(
        "WHERE subscription = ?1 AND status = 'retry' ORDER BY at_ms, sequence"
    ))?;
    let mut rows = statement.query([subscription.0])?;
    while let Some(row) = rows.next()? {
        let exception = exception(row)?;
        if !except.contains(&exception.key.sequence) {
            return Ok(Some(exception.at));
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
    let sql = match (handler, event) {
        (_, Some(_)) => select!(
            "WHERE sequence = ?2 AND status = 'retry' AND (?1 IS NULL OR handler = ?1) \
             ORDER BY at_ms, sequence, handler LIMIT ?3"
        ),
        (Some(_), None) => select!(
            "WHERE status = 'retry' AND subscription = \
             (SELECT id FROM subscriptions WHERE handler = ?1) ORDER BY at_ms, sequence LIMIT ?3"
        ),
        (None, None) => select!(
            "WHERE status = 'retry' \
             ORDER BY at_ms, sequence, handler LIMIT ?3"
        ),
    };
    list(connection, sql, handler, event, limit)?
        .into_iter()
        .map(|exception| waiting_delivery(connection, exception))
        .collect()
}

/// The dead letters, newest first; of one handler or event, if named.
pub(super) fn dead_letters(
    connection: &Connection,
    handler: Option<&HandlerName>,
    event: Option<Sequence>,
    limit: usize,
) -> Result<Vec<DeadLetter>> {
    let sql = match (handler, event) {
        (_, Some(_)) => select!(
            "WHERE sequence = ?2 AND status = 'dead' AND (?1 IS NULL OR handler = ?1) \
             ORDER BY at_ms DESC, sequence DESC, handler LIMIT ?3"
        ),
        (Some(_), None) => select!(
            "WHERE status = 'dead' AND subscription = \
             (SELECT id FROM subscriptions WHERE handler = ?1) \
             ORDER BY at_ms DESC, sequence DESC LIMIT ?3"
        ),
        (None, None) => select!(
            "WHERE status = 'dead' \
             ORDER BY at_ms DESC, sequence DESC, handler LIMIT ?3"
        ),
    };
    list(connection, sql, handler, event, limit)?
        .into_iter()
        .map(|exception| dead_letter(connection, exception))
        .collect()
}

fn list(
    connection: &Connection,
    sql: &str,
    handler: Option<&HandlerName>,
    event: Option<Sequence>,
    limit: usize,
) -> Result<Vec<Exception>> {
    connection
        .prepare_cached(sql)?
        .query_and_then(
            params![
                handler.map(HandlerName::as_str),
                event.map(|event| integer(event.0)),
                integer(limit as u64),
            ],
            exception,
        )?
        .collect()
}

fn waiting_delivery(connection: &Connection, exception: Exception) -> Result<Due> {
    Ok(Due {
        entry: events::existing(connection, exception.key.sequence)?,
        key: exception.key,
        attempts: exception.attempts,
        forgiven: exception.forgiven,
        due: exception.at,
        failure: exception.failure,
    })
}

fn dead_letter(connection: &Connection, exception: Exception) -> Result<DeadLetter> {
    Ok(DeadLetter {
        entry: events::existing(connection, exception.key.sequence)?,
        key: exception.key,
        attempts: exception.attempts,
        since: exception.at,
        failure: exception.failure,
    })
}

fn exception(row: &Row<'_>) -> Result<Exception> {
    checksum::verify(row, 0..9, "what waits or is dead of event")?;
    let (subscription, handler) = subscriptions::joined(row, 10)?;
    Ok(Exception {
        key: DeliveryKey {
            subscription,
            handler,
            sequence: sequence(row, 0)?,
        },
        attempts: natural(row, 3)?,
        forgiven: natural(row, 4)?,
        at: timestamp(row, 5)?,
        // The handler's wish for a pause is not kept: what came of it is in `at`.
        failure: Failure {
            code: code(row, 6)?,
            reason: row.get(7)?,
            after: None,
        },
        lane: row.get(8)?,
    })
}
