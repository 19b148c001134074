//! The source of a package: which files there are, and when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use waystation_core::limits;

/// Folders that tools fill, beside those whose name begins with a dot.
const MADE_BY_TOOLS: [&str; 6] = [
    "target",
    "node_modules",
    "__pycache__",
    "build",
    "dist",
    "venv",
];

/// Files that tools write while they build, each from another that the author
/// writes.
const LOCKS: [&str; 3] = ["Cargo.lock", "package-lock.json", "uv.lock"];

/// The files of a package as they are at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: BTreeMap<PathBuf, Version>,
    /// The folders that they are in.
    pub folders: BTreeSet<PathBuf>,
}

/// What tells one version of a file from the next.
type Version = (Option<SystemTime>, u64);

impl Sources {
    /// Looks at a package. What vanishes meanwhile was not there.
    ///
    /// # Errors
    /// When a folder cannot be read, or there are too many files for a package.
    pub fn read(package: &Path) -> Result<Self> {
        let mut sources = Self::default();
        let mut open = vec![package.to_owned()];
        while let Some(folder) = open.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder != package => {
                    continue;
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot read {}", folder.display()));
                }
            };
            for entry in entries {
                let path = entry
                    .with_context(|| format!("cannot read {}", folder.display()))?
                    .path();
                let Ok(metadata) = fs::metadata(&path) else {
                    continue;
                };
                if metadata.is_file() && !is_lock(&path) {
                    let version = (metadata.modified().ok(), metadata.len());
                    sources.files.insert(path, version);
                } else if metadata.is_dir() && !path.is_symlink() && is_source(&path) {
                    open.push(path);
                }
            }
            sources.folders.insert(folder);
            ensure!(
                sources.files.len() <= limits::SOURCE_FILES_MAX,
                "{} holds more than {} files, too many to watch; give the folder of one handler",
                package.display(),
                limits::SOURCE_FILES_MAX
            );
        }
        Ok(sources)
    }
}

/// Whether a folder holds what the author writes.
fn is_source(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && !name.ends_with(".egg-info") && !MADE_BY_TOOLS.contains(&&*name)
}

fn is_lock(file: &Path) -> bool {
    LOCKS.iter().any(|lock| file.ends_with(lock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_author_writes_counts() {
        let package = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = package.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "");
        write("src/lib.rs", "one");
        let before = Sources::read(package.path()).unwrap();
        assert_eq!(before.folders.len(), 2);

        for made in [
            "target/debug/a",
            "node_modules/b/c",
            ".venv/d",
            "a.egg-info/e",
            "Cargo.lock",
        ] {
            write(made, "made");
        }
        assert_eq!(Sources::read(package.path()).unwrap(), before);

        write("src/lib.rs", "longer");
        let after = Sources::read(package.path()).unwrap();
        assert_ne!(after, before);
        write("src/more/mod.rs", "");
        assert_eq!(Sources::read(package.path()).unwrap().folders.len(), 3);
    }
}
