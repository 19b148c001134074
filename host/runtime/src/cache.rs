//! Compiled code, kept from one start to the next.
//!
//! An entry is a file named after the digest of the component and the hash of
//! everything that its compilation depended on. It holds the SHA-256 of the
//! compiled code, then the code. Compiled code runs with the rights of the host,
//! so the folder must be this user's own and closed to all others, and an entry
//! whose sum does not fit is thrown away.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use waystation_core::Digest;

/// A private folder of compiled code.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
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
        })
    }

    /// The compiled code of a component, if it is there and sound.
    pub(crate) fn get(&self, engine: &wasmtime::Engine, digest: Digest) -> Option<Vec<u8>> {
        let path = self.path(engine, digest);
        match read_sound(&path) {
            Ok(code) => Some(code),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(entry = %path.display(), %error, "compiled code is thrown away");
                remove(&path);
                None
            }
        }
    }

    /// Keeps the compiled code of a component. A failure costs only the time to
    /// compile it again, so it is logged and no more.
    pub(crate) fn put(&self, engine: &wasmtime::Engine, digest: Digest, code: &[u8]) {
        let path = self.path(engine, digest);
        if let Err(error) = write_whole(&path, code) {
            tracing::warn!(entry = %path.display(), %error, "compiled code is not kept");
        }
    }

    /// Throws an entry away.
    pub(crate) fn forget(&self, engine: &wasmtime::Engine, digest: Digest) {
        remove(&self.path(engine, digest));
    }

    fn path(&self, engine: &wasmtime::Engine, digest: Digest) -> PathBuf {
        let mut hasher = Collect(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let engine = Digest::from_bytes(hasher.0.finalize().into());
        self.folder.join(format!("{digest}-{}", engine.short()))
    }
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
    let code = bytes.split_off(SUM_BYTES);
    if Sha256::digest(&code).as_slice() != bytes {
        return Err(unsound("its sum does not fit"));
    }
    Ok(code)
}

/// Writes beside the entry and renames, so that no reader sees half of it.
fn write_whole(path: &Path, code: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(Sha256::digest(code).as_slice())?;
    file.write_all(code)?;
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
    fn a_folder_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Cache::open(&open), Err(CacheError::NotPrivate(_))));
    }
}
