//! Compiled code, and the reasons why there is none, kept from one start to the
//! next.
//!
//! An entry is a file named after the digest of the component and the hash of
//! everything that its compilation depended on. It holds the SHA-256 of its content,
//! then the content: compiled code, or why there is none. Compiled code runs with
//! the rights of the host, so the folder must be this user's own and closed to all
//! others, and an entry whose sum does not fit is thrown away. What was not used for
//! the longest time gives way when there is too much.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};
use sha2::{Digest as _, Sha256};
use waystation_core::{Digest, limits};

use crate::Budget;

/// A private folder of compiled code.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    bytes_max: u64,
    entries_max: usize,
    /// Held while an entry is made, since two handlers may have the same bytes.
    writing: Mutex<()>,
}

/// The folder cannot hold compiled code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// It cannot be made or read.
    #[error("cannot use `{}` for compiled code: {error}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// Others could write into it.
    #[error(
        "`{path}` holds compiled code, so it must belong to the user that runs the host and be \
         closed to all others; run `chown $(id -u) {path} && chmod 700 {path}` or remove it",
        path = .0.display()
    )]
    NotPrivate(PathBuf),
}

const SUM_BYTES: usize = 32;

impl Cache {
    /// Opens the folder, and makes it if it is not there.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let io = |error| CacheError::Io {
            folder: folder.to_owned(),
            error,
        };
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(error)),
        }
        let metadata = fs::symlink_metadata(folder).map_err(io)?;
        if !metadata.is_dir() || !is_private(&metadata) {
            return Err(CacheError::NotPrivate(folder.to_owned()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            bytes_max: limits::COMPILED_CODE_BYTES_MAX,
            entries_max: limits::COMPILED_CODE_ENTRIES_MAX,
            writing: Mutex::new(()),
        })
    }

    /// The compiled code of a component, if it is there and sound.
    pub(crate) fn get(&self, engine: &wasmtime::Engine, digest: Digest) -> Option<Vec<u8>> {
        self.read(&self.path(engine, digest))
    }

    /// Why a component does not compile with this budget, if that is known.
    pub(crate) fn refusal(
        &self,
        engine: &wasmtime::Engine,
        budget: Option<&Budget>,
        digest: Digest,
    ) -> Option<String> {
        let reason = self.read(&self.refusal_path(engine, budget, digest))?;
        Some(String::from_utf8_lossy(&reason).into_owned())
    }

    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        match read_sound(path) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(entry = %path.display(), %error, "compiled code is thrown away");
                remove(path);
                None
            }
        }
    }

    /// Keeps the compiled code of a component. A failure costs only the time to
    /// compile it again, so it is logged and no more.
    pub(crate) fn put(&self, engine: &wasmtime::Engine, digest: Digest, code: &[u8]) {
        self.write(&self.path(engine, digest), code);
    }

    /// Keeps the reason why a component does not compile with this budget.
    pub(crate) fn refuse(
        &self,
        engine: &wasmtime::Engine,
        budget: Option<&Budget>,
        digest: Digest,
        reason: &str,
    ) {
        let path = self.refusal_path(engine, budget, digest);
        self.write(&path, reason.as_bytes());
    }

    fn write(&self, path: &Path, content: &[u8]) {
        // It guards no data, so a holder that panicked leaves nothing broken.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = write_whole(path, content).and_then(|()| self.make_room()) {
            tracing::warn!(entry = %path.display(), %error, "compiled code is not kept");
        }
    }

    /// Removes what was not used for the longest time until the rest is within the
    /// bounds.
    fn make_room(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path)?;
            entries.push((metadata.modified()?, metadata.len(), path));
        }
        entries.sort_by_key(|(used, ..)| std::cmp::Reverse::<SystemTime>(*used));
        let mut total = 0;
        for (kept, (_, bytes, path)) in entries.iter().enumerate() {
            total += bytes;
            if total > self.bytes_max || kept >= self.entries_max {
                remove(path);
            }
        }
        Ok(())
    }

    /// Throws an entry away.
    pub(crate) fn forget(&self, engine: &wasmtime::Engine, digest: Digest) {
        remove(&self.path(engine, digest));
    }

    fn path(&self, engine: &wasmtime::Engine, digest: Digest) -> PathBuf {
        let engine = fingerprint(engine.precompile_compatibility_hash());
        self.folder.join(format!("{digest}-{}", engine.short()))
    }

    fn refusal_path(
        &self,
        engine: &wasmtime::Engine,
        budget: Option<&Budget>,
        digest: Digest,
    ) -> PathBuf {
        let compiler = fingerprint((engine.precompile_compatibility_hash(), budget));
        let name = format!("{digest}-{}.refused", compiler.short());
        self.folder.join(name)
    }
}

/// One digest of all that a value hashes.
pub(crate) fn fingerprint(value: impl Hash) -> Digest {
    let mut hasher = Collect(Sha256::new());
    value.hash(&mut hasher);
    Digest::from_bytes(hasher.0.finalize().into())
}

/// Feeds everything that is hashed into SHA-256.
struct Collect(Sha256);

impl Hasher for Collect {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// Whether a file belongs to this user and nobody else may read or write it.
fn is_private(metadata: &fs::Metadata) -> bool {
    // A file that this process makes belongs to its effective user, whose id the
    // standard library does not tell otherwise.
    let own = fs::metadata("/proc/self").map(|process| process.uid());
    own.is_ok_and(|own| metadata.uid() == own) && metadata.mode() & 0o077 == 0
}

fn read_sound(path: &Path) -> io::Result<Vec<u8>> {
    let unsound = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || !is_private(&metadata) {
        return Err(unsound("others may write to it"));
    }
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes)?;
    if bytes.len() < SUM_BYTES {
        return Err(unsound("it is too short"));
    }
    let content = bytes.split_off(SUM_BYTES);
    if Sha256::digest(&content).as_slice() != bytes {
        return Err(unsound("its sum does not fit"));
    }
    mark_as_used(&file)?;
    Ok(content)
}

/// An entry's time of modification is when it was last used.
fn mark_as_used(file: &File) -> io::Result<()> {
    let at = |nanoseconds| Timespec {
        tv_sec: 0,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: at(UTIME_OMIT),
        last_modification: at(UTIME_NOW),
    };
    Ok(futimens(file, &times)?)
}

/// Writes beside the entry and renames, so that no reader sees half of it.
fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(Sha256::digest(content).as_slice())?;
    file.write_all(content)?;
    fs::rename(&partial, path)
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(entry = %path.display(), %error, "compiled code cannot be removed");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn engine() -> wasmtime::Engine {
        wasmtime::Engine::default()
    }

    fn entry(folder: &Path) -> PathBuf {
        fs::read_dir(folder)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
    }

    #[test]
    fn gives_back_what_it_was_given_and_nothing_that_was_changed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("compiled")).unwrap();
        let digest = Digest::of(b"component");
        assert_eq!(cache.get(&engine(), digest), None);
        cache.put(&engine(), digest, b"code");
        assert_eq!(cache.get(&engine(), digest).as_deref(), Some(&b"code"[..]));

        let path = entry(&cache.folder);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.get(&engine(), digest), None);
        assert!(!path.exists(), "a tampered entry is thrown away");

        cache.put(&engine(), digest, b"code");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
        assert_eq!(cache.get(&engine(), digest), None);
    }

    #[test]
    fn a_refusal_holds_for_the_budget_that_it_was_made_with() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("compiled")).unwrap();
        let digest = Digest::of(b"bomb");
        let small = Budget::default();
        let large = Budget {
            memory_bytes: 2 * small.memory_bytes,
            ..small
        };
        cache.refuse(&engine(), Some(&small), digest, "too much");
        let refusal = |budget| cache.refusal(&engine(), budget, digest);
        assert_eq!(refusal(Some(&small)).as_deref(), Some("too much"));
        assert_eq!(refusal(Some(&large)), None);
        assert_eq!(refusal(None), None);
        assert_eq!(cache.get(&engine(), digest), None, "a reason is no code");
    }

    /// Puts in three entries of ten bytes and the sum, uses the first, puts in a
    /// fourth, and tells which are left.
    fn check_room(bytes_max: u64, entries_max: usize, expected: [bool; 4]) {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = Cache::open(&folder.path().join("compiled")).unwrap();
        let digests = [b"1", b"2", b"3", b"4"].map(|name| Digest::of(name));
        for (age, digest) in [300, 200, 100].into_iter().zip(digests) {
            cache.put(&engine(), digest, b"0123456789");
            let file = File::open(cache.path(&engine(), digest)).unwrap();
            let then = file.metadata().unwrap().modified().unwrap();
            file.set_modified(then - Duration::from_secs(age)).unwrap();
        }
        assert!(cache.get(&engine(), digests[0]).is_some());
        (cache.bytes_max, cache.entries_max) = (bytes_max, entries_max);
        cache.put(&engine(), digests[3], b"0123456789");
        let kept = digests.map(|digest| cache.path(&engine(), digest).exists());
        assert_eq!(kept, expected, "{bytes_max} bytes, {entries_max} entries");
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_gives_way() {
        const ENTRY: u64 = 42;
        check_room(4 * ENTRY, 4, [true, true, true, true]);
        check_room(4 * ENTRY - 1, 4, [true, false, true, true]);
        check_room(3 * ENTRY - 1, 4, [true, false, false, true]);
        check_room(4 * ENTRY, 3, [true, false, true, true]);
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Cache::open(&open), Err(CacheError::NotPrivate(_))));
    }
}
