//! The rows of subscriptions.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use waystation_core::{HandlerName, Sequence};

use super::column::{handler, integer, natural, sequence};
use super::{attempts, checksum, exceptions};
use crate::{Position, SubscriptionId, SubscriptionStatus};

/// Inserts a subscription, and says whether it did: not if its handler has one.
pub(super) fn insert(
    connection: &Connection,
    handler: &HandlerName,
    cursor: Sequence,
) -> Result<bool> {
    if of_handler(connection, handler)?.is_some() {
        return Ok(false);
    }
    let id: i64 = connection.query_one(
        "SELECT coalesce(max(id), 0) + 1 FROM subscriptions",
        [],
        |row| row.get(0),
    )?;
    store(connection, SubscriptionId(id), handler, cursor)?;
    Ok(true)
}

/// Where the subscription of a handler stands, if it has one.
pub(super) fn position(
    connection: &Connection,
    handler: &HandlerName,
    new: bool,
) -> Result<Option<Position>> {
    // The three queries must see the same moment.
    let snapshot = connection.unchecked_transaction()?;
    let Some((subscription, cursor)) = of_handler(&snapshot, handler)? else {
        return Ok(None);
    };
    Ok(Some(Position {
        subscription,
        cursor,
        settled: attempts::settled_after(&snapshot, subscription, cursor)?,
        held: exceptions::held(&snapshot, subscription)?,
        new,
    }))
}

/// Moves a cursor forwards, never back.
pub(super) fn advance(
    connection: &Connection,
    subscription: SubscriptionId,
    cursor: Sequence,
) -> Result<()> {
    let found = connection
        .prepare_cached("SELECT id, handler, cursor, checksum FROM subscriptions WHERE id = ?1")?
        .query_one([subscription.0], whole)
        .optional()?;
    match found {
        Some((id, handler, before)) if before < cursor => store(connection, id, &handler, cursor),
        _ => Ok(()),
    }
}

/// Every subscription with its handler and how far it has come.
pub(super) fn all(connection: &Connection) -> Result<Vec<(SubscriptionId, HandlerName, Sequence)>> {
    connection
        .prepare_cached("SELECT id, handler, cursor, checksum FROM subscriptions")?
        .query_and_then([], whole)?
        .collect()
}

/// The subscription of a row that was joined to another, in the columns from
/// `first` on: its id, handler, cursor and checksum.
pub(super) fn joined(row: &Row<'_>, first: usize) -> Result<(SubscriptionId, HandlerName)> {
    checksum::verify(row, first..first + 3, "subscription")?;
    Ok((SubscriptionId(row.get(first)?), handler(row, first + 1)?))
}

fn of_handler(
    connection: &Connection,
    handler: &HandlerName,
) -> Result<Option<(SubscriptionId, Sequence)>> {
    let found = connection
        .prepare_cached(
            "SELECT id, handler, cursor, checksum FROM subscriptions WHERE handler = ?1",
        )?
        .query_one([handler.as_str()], whole)
        .optional()?;
    Ok(found.map(|(id, _, cursor)| (id, cursor)))
}

fn store(
    connection: &Connection,
    id: SubscriptionId,
    handler: &HandlerName,
    cursor: Sequence,
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO subscriptions (id, handler, cursor, checksum) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (id) DO UPDATE SET cursor = ?3, checksum = ?4",
    )?;
    let columns = params![id.0, handler.as_str(), integer(cursor.0)];
    checksum::store(&mut statement, columns).map(drop)
}

fn whole(row: &Row<'_>) -> Result<(SubscriptionId, HandlerName, Sequence)> {
    let (id, handler) = joined(row, 0)?;
    Ok((id, handler, sequence(row, 2)?))
}

/// Every subscription as an operator sees it, by handler.
pub(super) fn statuses(connection: &Connection) -> Result<Vec<SubscriptionStatus>> {
    connection
        .prepare_cached(
            "SELECT id, handler, cursor, checksum, \
             (SELECT count(*) FROM exceptions WHERE subscription = id AND status = 'retry'), \
             (SELECT count(*) FROM exceptions WHERE subscription = id AND status = 'dead') \
             FROM subscriptions ORDER BY handler",
        )?
        .query_and_then([], |row| {
            let (subscription, handler, cursor) = whole(row)?;
            Ok(SubscriptionStatus {
                subscription,
                handler,
                cursor,
                waiting: natural(row, 4)?,
                dead: natural(row, 5)?,
            })
        })?
        .collect()
}
