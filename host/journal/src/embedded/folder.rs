//! The data folder, and the lock that keeps it for one host.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::OpenError;

/// The data folder is this process's own until this is dropped.
///
/// The system ends the lock with the process, however that ends, so a crash
/// leaves nothing behind that would have to be cleaned up.
pub(super) struct Lock(#[expect(dead_code, reason = "held, never read")] File);

/// Makes the folder if it is not there, and takes it for this process.
pub(super) fn take(folder: &Path) -> Result<Lock, OpenError> {
    let unusable = |source| OpenError::Folder {
        folder: folder.to_owned(),
        source,
    };
    make(folder).map_err(unusable)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// Makes the names in a folder durable: without it, a file may be whole and its
/// name be lost.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    // The parent of a relative path of one part is the empty path.
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}

fn make(folder: &Path) -> io::Result<()> {
    if fs::metadata(folder).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        if !parent.as_os_str().is_empty() {
            make(parent)?;
        }
        DirBuilder::new().mode(0o700).create(folder)?;
        sync(parent)?;
    }
    Ok(())
}
