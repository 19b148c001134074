//! A VFS that shows the disk of a test every change of its files.
//!
//! It is the system's own VFS, with methods of ours put before those that open,
//! close, change, sync and delete a file. All other methods, those of the locks
//! and of the shared memory among them, are the system's. A file that belongs to
//! no disk of a test is wholly the system's.
//!
//! All that is `unsafe` in these tests is here.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Once};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};

use crate::disk::{Change, Disk, Refusal};

/// The system's VFS, once [`install`] has found it.
static SYSTEM: AtomicPtr<sqlite3_vfs> = AtomicPtr::new(ptr::null_mut());

/// What we know of an open file. Its address lies behind the system's own data
/// about the file, at [`place`].
struct Opened {
    disk: Arc<Disk>,
    name: String,
    /// The system's methods for the file.
    system: sqlite3_io_methods,
    /// The same with ours put before them. SQLite holds their address.
    watched: sqlite3_io_methods,
}

/// Makes this VFS the one that every connection of the process opens its files
/// with.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: a null name asks for the default VFS, and the call initialises
        // SQLite if nobody has yet.
        let system = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        assert!(!system.is_null(), "SQLite has a default VFS");
        SYSTEM.store(system, Ordering::Release);
        // SAFETY: `system` points to a VFS that SQLite registered, and no other
        // one is registered meanwhile, which alone could change it.
        let system = unsafe { *system };
        let ours = Box::leak(Box::new(sqlite3_vfs {
            szOsFile: system.szOsFile + size_of::<*mut Opened>() as c_int,
            pNext: ptr::null_mut(),
            zName: c"watched".as_ptr(),
            xOpen: Some(open),
            xDelete: Some(delete),
            ..system
        }));
        // SAFETY: `ours` is never freed, as SQLite asks. Its methods are ours,
        // which pass the system's VFS on, and those of the system, which find in
        // `ours` all that they read in their own.
        let registered = unsafe { ffi::sqlite3_vfs_register(ours, 1) };
        assert_eq!(registered, ffi::SQLITE_OK);
    });
}

/// Opens a file with the system's VFS, and puts our methods before its own if it
/// belongs to a disk.
unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    path: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let vfs = SYSTEM.load(Ordering::Acquire);
    // SAFETY: SQLite calls us, so `install` ran, and `vfs` is the system's. The
    // arguments are SQLite's for this very call; `file` has room for what the
    // system keeps there and more.
    let result = unsafe { (*vfs).xOpen.unwrap()(vfs, path, file, flags, out_flags) };
    // SAFETY: the path is null or SQLite's string, valid for this call.
    let Some((disk, name)) = (unsafe { disk_of(path) }) else {
        return result;
    };
    if result != ffi::SQLITE_OK {
        return result;
    }
    // SAFETY: the system opened the file, so it set the address of its methods,
    // which are constants of SQLite's.
    let system = unsafe { *(*file).pMethods };
    let opened = Box::into_raw(Box::new(Opened {
        disk,
        name,
        system,
        watched: sqlite3_io_methods {
            // Version 2 is without the mapping of files, which would go past us.
            iVersion: system.iVersion.min(2),
            xClose: Some(close),
            xWrite: Some(write),
            xTruncate: Some(truncate),
            xSync: Some(sync),
            ..system
        },
    }));
    // SAFETY: SQLite gave `file` the bytes that `szOsFile` of our VFS asks for,
    // so our address has its place behind the system's data. `opened` was just
    // made; it moves and is freed only in `close`, after which SQLite uses no
    // method of the file.
    unsafe {
        place(file).write_unaligned(opened);
        (*file).pMethods = &raw const (*opened).watched;
    }
    result
}

/// Deletes a file. A disk sees that as the loss of its content: to SQLite, an
/// empty log and none are the same.
unsafe extern "C" fn delete(_: *mut sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    // SAFETY: the path is SQLite's string, valid for this call.
    if let Some((disk, name)) = unsafe { disk_of(path) } {
        if let Err(refusal) = disk.take(&name, Change::Truncate(0)) {
            return code(refusal);
        }
        if sync != 0
            && let Err(refusal) = disk.take(&name, Change::Sync)
        {
            return code(refusal);
        }
    }
    let vfs = SYSTEM.load(Ordering::Acquire);
    // SAFETY: as in `open`.
    unsafe { (*vfs).xDelete.unwrap()(vfs, path, 0) }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: `open` put our address there, as this method is in the file's
    // table. The system's method does not touch it, and SQLite calls no other
    // method after this one, so the box has no other owner.
    let (opened, result) = unsafe {
        let opened = place(file).read_unaligned();
        let result = (*opened).system.xClose.unwrap()(file);
        (Box::from_raw(opened), result)
    };
    drop(opened);
    result
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    at: i64,
) -> c_int {
    // SAFETY: `open` put our address there, and only `close` frees it. SQLite
    // uses a file on one thread at a time.
    let opened = unsafe { &*place(file).read_unaligned() };
    // SAFETY: SQLite hands over `count` bytes, valid for this call.
    let written = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), count as usize) };
    let change = Change::Write {
        at: at as usize,
        bytes: written.to_vec(),
    };
    match opened.disk.take(&opened.name, change) {
        Err(refusal) => code(refusal),
        // SAFETY: the system's method for its own file, with SQLite's arguments.
        Ok(()) => unsafe { opened.system.xWrite.unwrap()(file, bytes, count, at) },
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, length: i64) -> c_int {
    // SAFETY: as in `write`.
    let opened = unsafe { &*place(file).read_unaligned() };
    let change = Change::Truncate(length as usize);
    match opened.disk.take(&opened.name, change) {
        Err(refusal) => code(refusal),
        // SAFETY: the system's method for its own file, with SQLite's arguments.
        Ok(()) => unsafe { opened.system.xTruncate.unwrap()(file, length) },
    }
}

/// Syncs a file: only the disk of the test needs to know. That the machine of
/// the test loses its power is not what is tested.
unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: as in `write`.
    let opened = unsafe { &*place(file).read_unaligned() };
    opened
        .disk
        .take(&opened.name, Change::Sync)
        .map_or_else(code, |()| ffi::SQLITE_OK)
}

/// Where the address of what we know of a file lies.
///
/// # Safety
///
/// `file` must have the size that our VFS asks for.
unsafe fn place(file: *mut sqlite3_file) -> *mut *mut Opened {
    let vfs = SYSTEM.load(Ordering::Acquire);
    // SAFETY: `vfs` is the system's, and its size never changes. The place is
    // within `file` since our VFS asks for as much more as an address takes.
    unsafe { file.byte_add((*vfs).szOsFile as usize).cast() }
}

/// The disk that a file is on, and its name there.
///
/// # Safety
///
/// `path` must be null or a string that ends with a zero byte.
unsafe fn disk_of(path: *const c_char) -> Option<(Arc<Disk>, String)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: it is a string, as the caller promises.
    let path = unsafe { CStr::from_ptr(path) };
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    let disk = Disk::at(path.parent()?)?;
    Some((disk, path.file_name()?.to_str()?.to_owned()))
}

fn code(refusal: Refusal) -> c_int {
    match refusal {
        Refusal::NoSpace => ffi::SQLITE_FULL,
        Refusal::SyncFailed => ffi::SQLITE_IOERR_FSYNC,
    }
}
