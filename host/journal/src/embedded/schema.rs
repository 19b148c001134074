//! The file: how it begins and what it must look like.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use waystation_core::limits;

use super::{OpenError, checksum, error, events, folder, identities};

/// Marks the file as a journal of Waystation: `WAYS` in ASCII.
const APPLICATION_ID: u32 = 0x5741_5953;

/// The format that this host writes.
pub(super) const FORMAT: u32 = 1;

/// The length and the beginning of every SQLite file, and where two numbers lie
/// in it, big-endian (SQLite's "Database File Format", section 1.3).
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;

/// The tables of what is found by a key, each with the number of columns that its
/// checksum is of. A damaged event is no reason to refuse all others: it is found
/// by its index, and looked at when it is read.
const KEYED: [(&str, usize); 6] = [
    ("head", 2),
    ("subscriptions", 3),
    ("attempts", 9),
    ("exceptions", 9),
    ("state", 4),
    ("namespaces", 3),
];

/// The file in its folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("journal.sqlite")
}

/// Opens the connection that writes, on a file that is begun if there is none.
pub(super) fn open(folder: &Path) -> Result<Connection, OpenError> {
    let path = path(folder);
    if path
        .try_exists()
        .map_err(|error| unreadable(&path, &error))?
    {
        check_header(&path)?;
    } else {
        begin(folder, &path)?;
    }
    let connection = connect(&path).map_err(|error| refused(&path, &error))?;
    check_content(&connection, &path)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(folder: &Path) -> Result<Connection, OpenError> {
    let path = path(folder);
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        set_up(&connection, limits::JOURNAL_READER_CACHE_BYTES)?;
        Ok(connection)
    };
    open().map_err(|error| refused(&path, &error))
}

/// Begins a journal beside its place and moves it there whole, so that a crash
/// leaves either none or a complete one.
fn begin(folder: &Path, path: &Path) -> Result<(), OpenError> {
    let log = folder.join("journal.sqlite-wal");
    if log.exists() {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            reason: format!("it is missing, and its log `{}` is there", log.display()),
        });
    }
    let new = folder.join("journal.sqlite.new");
    for left in ["", "-journal", "-wal", "-shm"] {
        match fs::remove_file(folder.join(format!("journal.sqlite.new{left}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unreadable(path, &error));
            }
            _ => {}
        }
    }
    let place = || -> io::Result<()> {
        // SQLite gives its other files the permissions of this one.
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        Ok(())
    };
    place().map_err(|error| unreadable(path, &error))?;
    write(&new).map_err(|error| refused(path, &error))?;
    let publish = || {
        fs::rename(&new, path)?;
        folder::sync(folder)
    };
    publish().map_err(|error| unreadable(path, &error))
}

fn write(new: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(new, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Only a file that is empty takes this: what is dropped can be given back.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.execute_batch(&format!(
        "BEGIN;
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {FORMAT};
         {}",
        include_str!("schema.sql")
    ))?;
    events::begin(&connection)?;
    connection.execute_batch("COMMIT")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.close().map_err(|(_, error)| error)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // A journal that is refused, or whose log could not be synced, must not be
    // changed by closing it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    set_up(&connection, limits::JOURNAL_WRITER_CACHE_BYTES)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    Ok(connection)
}

fn set_up(connection: &Connection, cache_bytes: usize) -> rusqlite::Result<()> {
    connection.busy_timeout(limits::JOURNAL_BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A negative size counts in KiB.
    let cache_kib = i64::try_from(cache_bytes / 1024).unwrap_or(i64::MAX);
    connection.pragma_update(None, "cache_size", -cache_kib)
}

/// Refuses what is no journal of ours by the file's first bytes, before SQLite,
/// which may recover a file by opening it, has touched it.
fn check_header(path: &Path) -> Result<(), OpenError> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(path)
        .and_then(|file| file.take(HEADER_BYTES as u64).read_to_end(&mut header))
        .map_err(|error| unreadable(path, &error))?;
    if header
        .iter()
        .zip(MAGIC)
        .any(|(found, known)| found != known)
    {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if header.len() < HEADER_BYTES {
        return Err(damaged(path, "it ends within its header"));
    }
    if number(&header, APPLICATION_ID_AT) != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    match number(&header, USER_VERSION_AT) {
        FORMAT => Ok(()),
        found if found > FORMAT => Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        }),
        found => Err(damaged(path, &format!("there is no format {found}"))),
    }
}

fn number(header: &[u8], at: usize) -> u32 {
    let bytes = header.iter().skip(at).take(4);
    bytes.fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Looks at the whole of a small journal, its indexes against its rows among it,
/// and at the ends of a large one.
fn check_content(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let look = || -> rusqlite::Result<String> {
        if tables(connection)? != known_tables()? {
            return Ok("its tables are not those of a journal".to_owned());
        }
        let (head, _) = events::head(connection)?;
        let newest = events::before(connection, None, 1)?;
        if newest.iter().any(|newest| newest.sequence > head) {
            return Ok(format!("its newest event is beyond its head, {head}"));
        }
        let bytes: i64 = connection.query_one(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            [],
            |row| row.get(0),
        )?;
        if bytes.unsigned_abs() > limits::JOURNAL_CHECK_BYTES_MAX {
            return Ok("ok".to_owned());
        }
        check_rows(connection)?;
        if !identities::are_whole(connection)? {
            return Ok("an event cannot be found by its id".to_owned());
        }
        connection.query_one("PRAGMA integrity_check(1)", [], |row| row.get(0))
    };
    match look() {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(damaged(path, &found)),
        Err(error) => Err(refused(path, &error)),
    }
}

/// Verifies every row that is found by its key: with a damaged one it would pass
/// for a row that is not there.
fn check_rows(connection: &Connection) -> rusqlite::Result<()> {
    for (table, columns) in KEYED {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            checksum::verify(row, 0..columns, &format!("in `{table}`, row"))?;
        }
    }
    Ok(())
}

/// The tables and indexes of a file, as they were written down.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    connection
        .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?
        .query_and_then([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The tables and indexes of every journal.
fn known_tables() -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let empty = Connection::open_in_memory()?;
    empty.execute_batch(include_str!("schema.sql"))?;
    tables(&empty)
}

fn damaged(path: &Path, reason: &str) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Store {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// An error of SQLite while the journal is opened. A table that is missing, or a
/// value of the wrong kind, is damage too.
pub(super) fn refused(path: &Path, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DiskFull, OutOfMemory, PermissionDenied, ReadOnly,
        SystemIoFailure,
    };
    match error.sqlite_error_code() {
        Some(
            CannotOpen | DatabaseBusy | DiskFull | OutOfMemory | PermissionDenied | ReadOnly
            | SystemIoFailure,
        ) => OpenError::Store {
            path: path.to_owned(),
            reason: error.to_string(),
        },
        _ => damaged(path, &error::reason(error)),
    }
}
