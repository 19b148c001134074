//! The rows of subscriptions.

use rusqlite::{Connection, OptionalExtension, Result, params};
use waystation_core::{HandlerName, Sequence};

use super::column::{handler, integer, natural, sequence};
use super::{attempts, exceptions};
use crate::{Position, SubscriptionId, SubscriptionStatus};

/// Inserts a subscription, and says whether it did: not if its handler has one.
pub(super) fn insert(
    connection: &Connection,
    handler: &HandlerName,
    cursor: Sequence,
) -> Result<bool> {
    let inserted = connection.execute(
        "INSERT INTO subscriptions (handler, cursor) VALUES (?1, ?2) \
         ON CONFLICT (handler) DO NOTHING",
        params![handler.as_str(), integer(cursor.0)],
    )?;
    Ok(inserted == 1)
}

/// Where the subscription of a handler stands, if it has one.
pub(super) fn position(
    connection: &Connection,
    handler: &HandlerName,
    new: bool,
) -> Result<Option<Position>> {
    // The three queries must see the same moment.
    let snapshot = connection.unchecked_transaction()?;
    let found = snapshot
        .query_one(
            "SELECT id, cursor FROM subscriptions WHERE handler = ?1",
            [handler.as_str()],
            |row| Ok((SubscriptionId(row.get(0)?), sequence(row, 1)?)),
        )
        .optional()?;
    let Some((subscription, cursor)) = found else {
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
    connection
        .prepare_cached("UPDATE subscriptions SET cursor = ?2 WHERE id = ?1 AND cursor < ?2")?
        .execute([subscription.0, integer(cursor.0)])?;
    Ok(())
}

/// Every subscription with its handler.
pub(super) fn names(connection: &Connection) -> Result<Vec<(SubscriptionId, HandlerName)>> {
    connection
        .prepare("SELECT id, handler FROM subscriptions")?
        .query_and_then([], |row| {
            Ok((SubscriptionId(row.get(0)?), handler(row, 1)?))
        })?
        .collect()
}

/// Every subscription as an operator sees it, by handler.
pub(super) fn statuses(connection: &Connection) -> Result<Vec<SubscriptionStatus>> {
    connection
        .prepare_cached(
            "SELECT id, handler, cursor, \
             (SELECT count(*) FROM exceptions WHERE subscription = id AND status = 'retry'), \
             (SELECT count(*) FROM exceptions WHERE subscription = id AND status = 'dead') \
             FROM subscriptions ORDER BY handler",
        )?
        .query_and_then([], |row| {
            Ok(SubscriptionStatus {
                subscription: SubscriptionId(row.get(0)?),
                handler: handler(row, 1)?,
                cursor: sequence(row, 2)?,
                waiting: natural(row, 3)?,
                dead: natural(row, 4)?,
            })
        })?
        .collect()
}
