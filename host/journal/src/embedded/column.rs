//! Values of the core as SQLite's integers and texts, and back.

use rusqlite::types::{FromSql, Type};
use rusqlite::{Error, Result, Row};
use waystation_core::{Code, HandlerName, Sequence, Timestamp};

/// An integer as SQLite keeps it. What is beyond its range, which no sequence
/// and no time of this world is, becomes the largest.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn natural<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> Result<T> {
    let found: i64 = row.get(column)?;
    T::try_from(found).map_err(|_| Error::IntegralValueOutOfRange(column, found))
}

pub(super) fn sequence(row: &Row<'_>, column: usize) -> Result<Sequence> {
    natural(row, column).map(Sequence)
}

pub(super) fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    natural(row, column).map(Timestamp::from_millis)
}

pub(super) fn handler(row: &Row<'_>, column: usize) -> Result<HandlerName> {
    parsed(row, column, |name: String| {
        HandlerName::new(&name).map_err(|error| error.to_string())
    })
}

pub(super) fn code(row: &Row<'_>, column: usize) -> Result<Code> {
    parsed(row, column, |code: String| {
        code.parse()
            .map_err(|()| format!("`{code}` is no code of a failure"))
    })
}

/// A value that a text or a blob stands for. The error says why it stands for
/// none.
pub(super) fn parsed<F: FromSql, T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(F) -> std::result::Result<T, String>,
) -> Result<T> {
    let found: F = row.get(column)?;
    parse(found)
        .map_err(|reason| Error::FromSqlConversionFailure(column, Type::Text, reason.into()))
}
