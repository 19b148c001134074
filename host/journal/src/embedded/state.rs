//! The rows of durable state.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Result, params};
use waystation_core::{KeyWrite, StateAccess, StateKeys, StateValue, StateVersion};

use super::column::{integer, natural};

/// The value of a key.
pub(super) fn value(
    connection: &Connection,
    namespace: &str,
    key: &str,
) -> Result<Option<StateValue>> {
    connection
        .prepare_cached("SELECT version, value FROM state WHERE namespace = ?1 AND key = ?2")?
        .query_one([namespace, key], |row| {
            Ok(StateValue {
                version: natural(row, 0)?,
                value: Bytes::from(row.get::<_, Vec<u8>>(1)?),
            })
        })
        .optional()
}

/// The keys of a namespace after a key, in order.
pub(super) fn keys(
    connection: &Connection,
    namespace: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<StateKeys> {
    // Both queries must see the same moment.
    let snapshot = connection.unchecked_transaction()?;
    let keys = snapshot
        .prepare_cached(
            "SELECT key FROM state WHERE namespace = ?1 AND (?2 IS NULL OR key > ?2) \
             ORDER BY key LIMIT ?3",
        )?
        .query_map(params![namespace, after, integer(limit as u64)], |row| {
            row.get(0)
        })?
        .collect::<Result<_>>()?;
    Ok(StateKeys {
        keys,
        version: keys_version(&snapshot, namespace)?,
    })
}

/// Whether all that was read is as it was then.
pub(super) fn holds(connection: &Connection, access: &StateAccess) -> Result<bool> {
    for read in &access.reads {
        if version(connection, &read.namespace, &read.key)? != read.version {
            return Ok(false);
        }
    }
    for listing in &access.listings {
        if keys_version(connection, &listing.namespace)? != listing.version {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes, each at a new version of its namespace.
pub(super) fn write(connection: &Connection, writes: &[KeyWrite]) -> Result<()> {
    for write in writes {
        let version = next_version(connection, &write.namespace)?;
        let existed = self::version(connection, &write.namespace, &write.key)? != 0;
        match &write.value {
            Some(value) => put(connection, write, version, value)?,
            None => delete(connection, write)?,
        }
        if existed != write.value.is_some() {
            connection
                .prepare_cached("UPDATE namespaces SET keys_version = ?2 WHERE name = ?1")?
                .execute(params![write.namespace, integer(version)])?;
        }
    }
    Ok(())
}

fn put(
    connection: &Connection,
    write: &KeyWrite,
    version: StateVersion,
    value: &[u8],
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO state (namespace, key, version, value) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (namespace, key) DO UPDATE SET version = ?3, value = ?4",
        )?
        .execute(params![write.namespace, write.key, integer(version), value])?;
    Ok(())
}

fn delete(connection: &Connection, write: &KeyWrite) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM state WHERE namespace = ?1 AND key = ?2")?
        .execute([&write.namespace, &write.key])?;
    Ok(())
}

fn next_version(connection: &Connection, namespace: &str) -> Result<StateVersion> {
    connection
        .prepare_cached(
            "INSERT INTO namespaces (name, version, keys_version) VALUES (?1, 1, 0) \
             ON CONFLICT (name) DO UPDATE SET version = version + 1 RETURNING version",
        )?
        .query_one([namespace], |row| natural(row, 0))
}

/// The version of a key, 0 if it is not there.
fn version(connection: &Connection, namespace: &str, key: &str) -> Result<StateVersion> {
    let found = connection
        .prepare_cached("SELECT version FROM state WHERE namespace = ?1 AND key = ?2")?
        .query_one([namespace, key], |row| natural(row, 0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// The version of a namespace's set of keys, 0 if it never had one.
fn keys_version(connection: &Connection, namespace: &str) -> Result<StateVersion> {
    let found = connection
        .prepare_cached("SELECT keys_version FROM namespaces WHERE name = ?1")?
        .query_one([namespace], |row| natural(row, 0))
        .optional()?;
    Ok(found.unwrap_or(0))
}
