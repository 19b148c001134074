//! What an error of SQLite means for whoever asked.

use rusqlite::ErrorCode;

use crate::Error;

/// An error of a read. It harms nothing but the read.
pub(super) fn of_read(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Store(format!(
            "the journal is damaged: {error}; put a backup in its place"
        )),
        _ => Error::Store(format!("cannot read the journal: {error}")),
    }
}

/// An error of a write or a commit, which stored nothing.
///
/// Three kinds leave no doubt about that: there was no room, another program
/// held the file, or SQLite did not take the value. After any other the state
/// of the disk is unknown, and the journal must not go on.
pub(super) fn of_write(error: rusqlite::Error) -> Error {
    match (&error, error.sqlite_error_code()) {
        (_, Some(ErrorCode::DiskFull)) => Error::NoSpace(error.to_string()),
        (_, Some(ErrorCode::DatabaseBusy)) => {
            tracing::warn!("another program holds the journal's file, so nothing can be stored");
            Error::Full
        }
        (_, Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation))
        | (rusqlite::Error::ToSqlConversionFailure(_), _) => {
            Error::Store(format!("the journal does not take this: {error}"))
        }
        _ => Error::Poisoned(error.to_string()),
    }
}
