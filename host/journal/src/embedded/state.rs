//! The rows of durable state.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Result, params};
use waystation_core::{KeyWrite, StateAccess, StateKeys, StateValue, StateVersion};

use super::checksum;
use super::column::{integer, natural, parsed};

/// What a damaged row is called.
const WHAT: &str = "a key of namespace";

/// The value of a key.
pub(super) fn value(
    connection: &Connection,
    namespace: &str,
    key: &str,
) -> Result<Option<StateValue>> {
    connection
        .prepare_cached(
            "SELECT namespace, key, version, value_checksum, checksum, value FROM state \
             WHERE namespace = ?1 AND key = ?2",
        )?
        .query_one([namespace, key], |row| {
            checksum::verify(row, 0..4, WHAT)?;
            let value: Vec<u8> = row.get(5)?;
            parsed(row, 3, |stored: u32| {
                if stored == checksum::of(&value) {
                    return Ok(());
                }
                Err(format!(
                    "{WHAT} `{namespace}` has a value that is not what was stored"
                ))
            })?;
            Ok(StateValue {
                version: natural(row, 2)?,
                value: Bytes::from(value),
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
            "SELECT namespace, key, version, value_checksum, checksum FROM state \
             WHERE namespace = ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3",
        )?
        .query_and_then(params![namespace, after, integer(limit as u64)], |row| {
            checksum::verify(row, 0..4, WHAT)?;
            row.get(1)
        })?
        .collect::<Result<_>>()?;
    Ok(StateKeys {
        keys,
        version: self::namespace(&snapshot, namespace)?.keys_version,
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
        if namespace(connection, &listing.namespace)?.keys_version != listing.version {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes, each at a new version of its namespace.
pub(super) fn write(connection: &Connection, writes: &[KeyWrite]) -> Result<()> {
    for write in writes {
        let mut namespace = namespace(connection, &write.namespace)?;
        namespace.version = namespace.version.saturating_add(1);
        let existed = version(connection, &write.namespace, &write.key)? != 0;
        if existed != write.value.is_some() {
            namespace.keys_version = namespace.version;
        }
        match &write.value {
            Some(value) => put(connection, write, namespace.version, value)?,
            None => delete(connection, write)?,
        }
        set_namespace(connection, &write.namespace, namespace)?;
    }
    Ok(())
}

fn put(
    connection: &Connection,
    write: &KeyWrite,
    version: StateVersion,
    value: &[u8],
) -> Result<()> {
    // The value is no column of the checksum, but its own checksum is.
    let mut statement = connection.prepare_cached(
        "INSERT INTO state (namespace, key, version, value_checksum, checksum, value) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (namespace, key) \
         DO UPDATE SET version = ?3, value_checksum = ?4, checksum = ?5, value = ?6",
    )?;
    statement.raw_bind_parameter(6, value)?;
    let value_checksum = checksum::of(value);
    let columns = params![write.namespace, write.key, integer(version), value_checksum];
    checksum::store(&mut statement, columns).map(drop)
}

fn delete(connection: &Connection, write: &KeyWrite) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM state WHERE namespace = ?1 AND key = ?2")?
        .execute([&write.namespace, &write.key])?;
    Ok(())
}

/// The version of a key, 0 if it is not there.
fn version(connection: &Connection, namespace: &str, key: &str) -> Result<StateVersion> {
    let found = connection
        .prepare_cached(
            "SELECT namespace, key, version, value_checksum, checksum FROM state \
             WHERE namespace = ?1 AND key = ?2",
        )?
        .query_one([namespace, key], |row| {
            checksum::verify(row, 0..4, WHAT)?;
            natural(row, 2)
        })
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// The versions of a namespace: 0 of one that was never written to.
#[derive(Clone, Copy, Default)]
struct Namespace {
    /// Grows with each change.
    version: StateVersion,
    /// That at which a key came or went last.
    keys_version: StateVersion,
}

fn namespace(connection: &Connection, name: &str) -> Result<Namespace> {
    let found = connection
        .prepare_cached(
            "SELECT name, version, keys_version, checksum FROM namespaces WHERE name = ?1",
        )?
        .query_one([name], |row| {
            checksum::verify(row, 0..3, "the namespace")?;
            Ok(Namespace {
                version: natural(row, 1)?,
                keys_version: natural(row, 2)?,
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn set_namespace(connection: &Connection, name: &str, namespace: Namespace) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO namespaces (name, version, keys_version, checksum) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (name) DO UPDATE SET version = ?2, keys_version = ?3, checksum = ?4",
    )?;
    let Namespace {
        version,
        keys_version,
    } = namespace;
    let columns = params![name, integer(version), integer(keys_version)];
    checksum::store(&mut statement, columns).map(drop)
}
