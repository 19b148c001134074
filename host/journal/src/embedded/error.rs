//! What an error of SQLite means for whoever asked.

use rusqlite::{ErrorCode, ffi};

use crate::Error;

/// An error of a read. It harms nothing but the read.
pub(super) fn of_read(error: rusqlite::Error) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) {
        tracing::warn!("another program holds the journal's file, so it cannot be read");
        return Error::Full;
    }
    Error::Store(if is_damage(&error) {
        damaged(&error)
    } else {
        format!("cannot read the journal: {error}")
    })
}

fn damaged(error: &rusqlite::Error) -> String {
    let reason = reason(error);
    format!("the journal is damaged ({reason}): put a backup in its place")
}

/// Whether the file does not hold what was stored: by SQLite's word, or since a
/// value or a row is not what it must be.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows,
        Utf8Error,
    };
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    ) || matches!(
        error,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | QueryReturnedNoRows
            | Utf8Error(..)
    )
}

/// What is wrong, without the number of the column that it was found in.
pub(super) fn reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::FromSqlConversionFailure(_, _, reason) => reason.to_string(),
        other => other.to_string(),
    }
}

/// An error of a write or a commit, which stored nothing.
///
/// Four kinds leave no doubt about that: there was no room, another program held
/// the file, SQLite did not take the value, or a row that was read before the
/// write is not what was stored. After any other the state of the disk is unknown,
/// and the journal must not go on.
pub(super) fn of_write(error: rusqlite::Error) -> Error {
    match (&error, error.sqlite_error_code()) {
        (_, Some(ErrorCode::DiskFull)) => Error::NoSpace(format!("its disk is full ({error})")),
        (_, Some(ErrorCode::DatabaseBusy)) => {
            tracing::warn!("another program holds the journal's file, so nothing can be stored");
            Error::Full
        }
        (_, Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation))
        | (rusqlite::Error::ToSqlConversionFailure(_), _) => {
            Error::Store(format!("the journal does not take this: {error}"))
        }
        (error, None) if is_damage(error) => Error::Store(damaged(error)),
        _ => poisoned(&error),
    }
}

/// The error that is the last. SQLite calls every failure of the disk an I/O
/// error; an operator needs to know of which kind.
pub(super) fn poisoned(error: &rusqlite::Error) -> Error {
    Error::Poisoned(match error.sqlite_error().map(|e| e.extended_code) {
        Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => {
            format!("an fsync failed ({error}): look at the disk, then start again")
        }
        Some(ffi::SQLITE_IOERR_WRITE) => {
            format!("a write failed ({error}): look at the disk, then start again")
        }
        Some(code) => format!("{error} (code {code} of SQLite)"),
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn a_file_that_another_program_holds_is_to_be_read_again() {
        assert!(matches!(of_read(sqlite(ffi::SQLITE_BUSY)), Error::Full));
        assert!(matches!(
            of_read(sqlite(ffi::SQLITE_IOERR)),
            Error::Store(_)
        ));
    }

    #[test]
    fn what_leaves_no_doubt_about_the_disk_is_not_the_last_write() {
        for (code, expected) in [
            (ffi::SQLITE_FULL, "no room"),
            (ffi::SQLITE_BUSY, "busy"),
            (ffi::SQLITE_TOOBIG, "does not take this"),
            (ffi::SQLITE_CORRUPT, "takes nothing more"),
            (ffi::SQLITE_IOERR_FSYNC, "an fsync failed"),
            (ffi::SQLITE_IOERR_WRITE, "a write failed"),
        ] {
            let error = of_write(sqlite(code)).to_string();
            assert!(error.contains(expected), "{code}: {error}");
        }
    }
}
