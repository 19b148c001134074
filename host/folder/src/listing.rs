//! One look at the folder: which handlers' files are there, and how they stand.
//!
//! It reads metadata only, never contents.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use waystation_core::{HandlerName, limits};

/// What is in the folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Which folder was read; another one if a link on the way was swapped.
    pub identity: Identity,
    /// The handlers that have a component.
    pub handlers: BTreeMap<HandlerName, Marks>,
    /// The files that look like a handler's but are none, by name, with the
    /// reason.
    pub strays: BTreeMap<String, String>,
}

/// Tells one folder from another at the same path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Where the path leads, without links.
    pub path: PathBuf,
    inode: Option<(u64, u64)>,
}

/// How the files of a handler stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub component: Mark,
    pub sidecar: Option<Mark>,
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The length.
    pub bytes: u64,
    modified: Option<SystemTime>,
    /// Device, inode and time of change: `mv` replaces the inode, and a copy
    /// that keeps the time of modification still changes the time of change.
    inode: Option<(u64, u64, i64, i64)>,
}

impl Mark {
    /// A file whose metadata cannot be read. Reading it will say why.
    const UNREADABLE: Self = Self {
        bytes: 0,
        modified: None,
        inode: None,
    };

    /// How a file stands.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            inode: inode(metadata).map(|(device, inode)| {
                let (seconds, nanos) = changed(metadata);
                (device, inode, seconds, nanos)
            }),
        }
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> (i64, i64) {
    (0, 0)
}

/// Lists the folder. Blocks.
///
/// # Errors
/// The folder cannot be read, or holds more files than
/// [`FOLDER_FILES_MAX`](limits::FOLDER_FILES_MAX): a part of it would look as if
/// the rest had been removed.
pub(crate) fn read(folder: &Path) -> io::Result<Listing> {
    let identity = Identity {
        path: folder.canonicalize()?,
        inode: inode(&fs::metadata(folder)?),
    };
    let mut files = Files::default();
    for (index, entry) in fs::read_dir(folder)?.enumerate() {
        if index >= limits::FOLDER_FILES_MAX {
            return Err(io::Error::other(format!(
                "it holds more than {} files",
                limits::FOLDER_FILES_MAX
            )));
        }
        files.add(&entry?.path());
    }
    Ok(files.into_listing(identity))
}

/// The files of a folder, sorted by what they are.
#[derive(Default)]
struct Files {
    components: BTreeMap<HandlerName, Mark>,
    sidecars: BTreeMap<HandlerName, Mark>,
    strays: BTreeMap<String, String>,
}

impl Files {
    fn add(&mut self, path: &Path) {
        let Some(file) = path.file_name().map(|name| name.to_string_lossy()) else {
            return;
        };
        if file.starts_with('.') {
            return;
        }
        let Some((stem, extension)) = file.rsplit_once('.') else {
            return;
        };
        let files = match extension {
            "wasm" => &mut self.components,
            "toml" => &mut self.sidecars,
            "cwasm" => return self.stray(&file, COMPILED),
            _ => return,
        };
        // A lossy name holds U+FFFD, which no handler's name may hold.
        match (HandlerName::new(stem), mark(path)) {
            (_, Ok(None)) if extension == "wasm" => self.stray(&file, FOLDER),
            (_, Ok(None)) => {}
            (Err(error), _) => self.stray(&file, &error.to_string()),
            (Ok(_), Err(reason)) => self.stray(&file, &reason),
            (Ok(name), Ok(Some(mark))) => {
                files.insert(name, mark);
            }
        }
    }

    fn stray(&mut self, file: &str, reason: &str) {
        let file = file.escape_debug().to_string();
        self.strays.insert(file, reason.to_owned());
    }

    fn into_listing(mut self, identity: Identity) -> Listing {
        let mut handlers = BTreeMap::new();
        for (name, component) in self.components {
            let sidecar = self.sidecars.remove(&name);
            handlers.insert(name, Marks { component, sidecar });
        }
        for name in self.sidecars.into_keys() {
            let reason = format!("there is no component `{name}.wasm` beside it");
            self.strays.insert(format!("{name}.toml"), reason);
        }
        Listing {
            identity,
            handlers,
            strays: self.strays,
        }
    }
}

const FOLDER: &str = "it is a folder; put the component itself here, as a file";

const COMPILED: &str = "compiled code is not taken from the handlers folder, because nothing \
                        shows that it keeps to the sandbox; put the component itself here";

/// How the file stands. None for a folder; an error for what can never be read
/// as a file.
fn mark(path: &Path) -> Result<Option<Mark>, String> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(Mark::of(&metadata))),
        Ok(metadata) if metadata.is_dir() => Ok(None),
        Ok(_) => Err("it is no ordinary file".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("it is a link to a file that is not there".to_owned())
        }
        Err(_) => Ok(Some(Mark::UNREADABLE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists a folder with these files; a name that ends in `/` is a folder.
    fn list(files: &[&str]) -> Listing {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            if file.ends_with('/') {
                fs::create_dir(path).unwrap();
            } else {
                fs::write(path, file).unwrap();
            }
        }
        read(folder.path()).unwrap()
    }

    #[test]
    fn a_handler_is_a_component_and_perhaps_a_sidecar() {
        let listing = list(&["a.wasm", "b.wasm", "b.toml"]);
        let found: Vec<_> = listing
            .handlers
            .iter()
            .map(|(name, marks)| (name.as_str(), marks.sidecar.is_some()))
            .collect();
        assert_eq!(found, [("a", false), ("b", true)]);
        assert_eq!(listing.strays, BTreeMap::new());
    }

    #[test]
    fn what_is_no_handlers_file_is_passed_over() {
        let listing = list(&[
            ".a.wasm",
            ".toml",
            "README.md",
            "wasm",
            "a.wasm.tmp",
            "a.toml/",
        ]);
        assert_eq!(listing.handlers, BTreeMap::new());
        assert_eq!(listing.strays, BTreeMap::new());
    }

    #[test]
    fn what_looks_like_a_handlers_file_and_is_none_has_a_reason() {
        let check = |file: &str, reason: &str| {
            let listing = list(&[file]);
            assert_eq!(listing.handlers, BTreeMap::new(), "{file}");
            let found = listing.strays.get(file.trim_end_matches('/')).unwrap();
            assert!(found.contains(reason), "{found}");
        };
        check("a.cwasm", "compiled code");
        check("a.wasm/", "it is a folder");
        check("a.toml", "no component `a.wasm`");
        check("a b.wasm", "cannot be the name of a handler");
        check("a.b.wasm", "cannot be the name of a handler");
        check("a.b.toml", "cannot be the name of a handler");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("missing")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stands_for_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let link = folder.path().join("a.wasm");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let listing = read(folder.path()).unwrap();
        assert!(listing.strays.contains_key("a.wasm"));

        fs::write(&target, "abc").unwrap();
        let listing = read(folder.path()).unwrap();
        let marks = listing.handlers.values().next().unwrap();
        assert_eq!(marks.component.bytes, 3);
    }
}
