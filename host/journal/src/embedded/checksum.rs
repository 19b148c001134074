//! The checksum that a row is stored with.
//!
//! SQLite finds damage to the order of its file, but gives back whatever bytes a
//! row holds by now. So each row has a checksum of its other columns, which is
//! looked at whenever the row is read.

use std::ops::Range;

use crc32fast::Hasher;
use rusqlite::types::{ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Result, Row, Statement};

/// Has a statement store a row: its parameters are the columns of the row, in
/// their order, and the checksum after them. Gives back the number of rows that
/// were changed.
pub(super) fn store(statement: &mut Statement<'_>, columns: &[&dyn ToSql]) -> Result<usize> {
    let mut hasher = Hasher::new();
    for (column, parameter) in columns.iter().zip(1..) {
        match column.to_sql()? {
            ToSqlOutput::Borrowed(value) => add(&mut hasher, value),
            ToSqlOutput::Owned(value) => add(&mut hasher, ValueRef::from(&value)),
            _ => return Err(Error::ToSqlConversionFailure("no plain value".into())),
        }
        statement.raw_bind_parameter(parameter, column)?;
    }
    statement.raw_bind_parameter(columns.len() + 1, hasher.finalize())?;
    statement.raw_execute()
}

/// Verifies a row: `columns` are all that it was stored with, in the same order,
/// and its checksum comes after them. The error calls it `what` and names its
/// first column.
pub(super) fn verify(row: &Row<'_>, columns: Range<usize>, what: &str) -> Result<()> {
    let mut hasher = Hasher::new();
    for column in columns.clone() {
        add(&mut hasher, row.get_ref(column)?);
    }
    let stored: Option<i64> = row.get(columns.end)?;
    if stored == Some(i64::from(hasher.finalize())) {
        return Ok(());
    }
    let name = match row.get_ref(columns.start)? {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => format!("`{}`", String::from_utf8_lossy(text).escape_debug()),
        _ => "without a name".to_owned(),
    };
    let reason = format!("{what} {name} is not what was stored");
    Err(Error::FromSqlConversionFailure(
        columns.end,
        Type::Integer,
        reason.into(),
    ))
}

/// The checksum of one value that is kept apart from its row.
pub(super) fn of(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Adds a value with its kind and its length, so that no byte of it passes for
/// another's. The CRC-32 (that of IEEE 802.3) finds every flipped bit, and every
/// run of garbled ones up to 32 bits long.
fn add(hasher: &mut Hasher, value: ValueRef<'_>) {
    let (kind, number, bytes) = match value {
        ValueRef::Null => (0, 0, &[][..]),
        ValueRef::Integer(number) => (1, number.cast_unsigned(), &[][..]),
        ValueRef::Real(number) => (2, number.to_bits(), &[][..]),
        ValueRef::Text(text) => (3, text.len() as u64, text),
        ValueRef::Blob(blob) => (4, blob.len() as u64, blob),
    };
    let head: u128 = u128::from(number) << 8 | kind;
    hasher.update(&head.to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn sum(columns: &[&dyn ToSql]) -> i64 {
        let connection = Connection::open_in_memory().unwrap();
        let table = "CREATE TABLE t (a ANY, b ANY, checksum INTEGER) STRICT";
        connection.execute_batch(table).unwrap();
        let mut insert = connection.prepare("INSERT INTO t VALUES (?1, ?2, ?3)");
        store(insert.as_mut().unwrap(), columns).unwrap();
        let read = "SELECT a, b, checksum FROM t";
        connection
            .query_one(read, [], |row| {
                verify(row, 0..2, "row")?;
                row.get(2)
            })
            .unwrap()
    }

    #[test]
    fn no_value_passes_for_another() {
        let sums = [
            sum(&[&"", &""]),
            sum(&[&"", &None::<i64>]),
            sum(&[&0, &""]),
            sum(&[&"ab", &"c"]),
            sum(&[&"a", &"bc"]),
            sum(&[&b"a".as_slice(), &"bc"]),
            sum(&[&"c", &"ab"]),
        ];
        for (index, sum) in sums.iter().enumerate() {
            assert!(!sums[..index].contains(sum), "{index}");
        }
    }

    #[test]
    fn a_row_that_changed_is_named() {
        let connection = Connection::open_in_memory().unwrap();
        let read = connection.query_one("SELECT 7, 'x', 1", [], |row| verify(row, 0..2, "row"));
        let error = read.unwrap_err().to_string();
        assert!(error.contains("row 7 is not what was stored"), "{error}");
    }
}
