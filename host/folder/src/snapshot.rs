//! The bytes of a handler's files, read once and known to be whole.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use waystation_core::{Digest, HandlerName, limits};

use crate::generation::Version;
use crate::listing::{Mark, Marks};

/// Where the files of a handler are.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub folder: PathBuf,
    component: PathBuf,
    sidecar: PathBuf,
}

impl Paths {
    /// The files of this handler in this folder.
    pub fn new(folder: &Path, handler: &HandlerName) -> Self {
        Self {
            folder: folder.to_owned(),
            component: folder.join(format!("{handler}.wasm")),
            sidecar: folder.join(format!("{handler}.toml")),
        }
    }
}

/// The bytes of a handler's files. Nothing changed them while they were read.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub version: Version,
    pub component: Bytes,
    /// Empty if there is no sidecar, which means the same.
    pub sidecar: Vec<u8>,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The files are not, or no longer, as they were listed.
    #[error("the files changed while they were read")]
    Changed,
    /// A file is larger than it may be.
    #[error("{file} has {bytes} bytes, more than the {max} that are allowed")]
    TooLarge { file: String, bytes: u64, max: u64 },
    /// The system would not let us read a file.
    #[error("cannot read {file}: {source}")]
    Unreadable { file: String, source: io::Error },
}

/// Reads the files, which were listed with these marks. Blocks.
pub(crate) fn read(paths: &Paths, marks: Marks) -> Result<Snapshot, Error> {
    let component = read_file(
        &paths.component,
        marks.component,
        limits::COMPONENT_BYTES_MAX,
    )?;
    let sidecar = match marks.sidecar {
        Some(mark) => Some(read_file(&paths.sidecar, mark, limits::SIDECAR_BYTES_MAX)?),
        None => None,
    };
    let after = (mark_at(&paths.component)?, mark_at(&paths.sidecar)?);
    if after != (Some(marks.component), marks.sidecar) {
        return Err(Error::Changed);
    }
    Ok(Snapshot {
        version: Version {
            component: Digest::of(&component),
            sidecar: sidecar.as_deref().map(Digest::of),
        },
        component: component.into(),
        sidecar: sidecar.unwrap_or_default(),
    })
}

fn read_file(path: &Path, mark: Mark, max: u64) -> Result<Vec<u8>, Error> {
    if mark.bytes > max {
        return Err(Error::TooLarge {
            file: name(path),
            bytes: mark.bytes,
            max,
        });
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(max + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 == mark.bytes => Ok(bytes),
        Ok(_) => Err(Error::Changed),
        Err(source) => Err(unreadable(path, source)),
    }
}

fn mark_at(path: &Path) -> Result<Option<Mark>, Error> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Mark::of(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(unreadable(path, source)),
    }
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::NotFound {
        return Error::Changed;
    }
    let file = name(path);
    Error::Unreadable { file, source }
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing;

    /// A folder with one handler, and how it stands.
    fn folder() -> (tempfile::TempDir, Paths, Marks) {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path(), &HandlerName::new("a").unwrap());
        fs::write(&paths.component, "component").unwrap();
        fs::write(&paths.sidecar, "order = 'key'").unwrap();
        let listing = listing::read(folder.path()).unwrap();
        let marks = *listing.handlers.values().next().unwrap();
        (folder, paths, marks)
    }

    #[test]
    fn whole_files_are_read() {
        let (_folder, paths, marks) = folder();
        let snapshot = read(&paths, marks).unwrap();
        assert_eq!(snapshot.component.as_ref(), b"component");
        assert_eq!(snapshot.sidecar, b"order = 'key'");
        assert_eq!(snapshot.version.component, Digest::of(b"component"));
    }

    #[test]
    fn any_change_since_the_listing_is_noticed() {
        type Change = fn(&Paths) -> io::Result<()>;
        let changes: [(&str, Change); 5] = [
            ("longer", |paths| fs::write(&paths.component, "component!")),
            ("gone", |paths| fs::remove_file(&paths.component)),
            ("sidecar gone", |paths| fs::remove_file(&paths.sidecar)),
            ("sidecar longer", |paths| {
                fs::write(&paths.sidecar, "order = 'none'")
            }),
            ("another file of the same length", |paths| {
                let other = paths.component.with_extension("new");
                fs::write(&other, "COMPONENT")?;
                fs::rename(&other, &paths.component)
            }),
        ];
        for (what, change) in changes {
            let (_folder, paths, marks) = folder();
            change(&paths).unwrap();
            let error = read(&paths, marks).unwrap_err();
            assert!(matches!(error, Error::Changed), "{what}: {error}");
        }
    }

    #[test]
    fn a_sidecar_that_appeared_is_a_change() {
        let (_folder, paths, marks) = folder();
        let before = Marks {
            sidecar: None,
            ..marks
        };
        assert!(matches!(read(&paths, before), Err(Error::Changed)));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let (folder, paths, _) = folder();
        let file = File::create(&paths.component).unwrap();
        file.set_len(limits::COMPONENT_BYTES_MAX + 1).unwrap();
        let listing = listing::read(folder.path()).unwrap();
        let marks = *listing.handlers.values().next().unwrap();
        let error = read(&paths, marks).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.wasm has 67108865 bytes, more than the 67108864 that are allowed"
        );
    }
}
