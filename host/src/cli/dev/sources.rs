//! The source of a package: which files there are, and when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use waystation_core::limits;

/// Folders that tools fill wherever they are, beside those whose name begins with a
/// dot.
const MADE_BY_TOOLS: [&str; 2] = ["node_modules", "__pycache__"];

/// Folders that tools fill beside a manifest. Deeper within the package they are
/// parts of the program.
const MADE_IN_PACKAGE: [&str; 4] = ["target", "build", "dist", "venv"];

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
    /// Looks at a package, but not at these files. What vanishes meanwhile was not
    /// there.
    ///
    /// # Errors
    /// When a folder cannot be read, or there are too many files for a package.
    pub fn read(package: &Path, but: &[Identity]) -> Result<Self> {
        let mut sources = Self::default();
        let mut open = vec![package.to_owned()];
        while let Some(folder) = open.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder != package => {
                    continue;
                }
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot read `{}`", folder.display()));
                }
            };
            for entry in entries {
                let path = entry
                    .with_context(|| format!("cannot read `{}`", folder.display()))?
                    .path();
                let Ok(metadata) = fs::metadata(&path) else {
                    continue;
                };
                if metadata.is_file() {
                    if is_lock(&path) || but.contains(&identity(&metadata)) {
                        continue;
                    }
                    let version = (metadata.modified().ok(), metadata.len());
                    sources.files.insert(path, version);
                } else if metadata.is_dir()
                    && !path.is_symlink()
                    && is_source(&path, folder == package)
                {
                    open.push(path);
                }
            }
            sources.folders.insert(folder);
            ensure!(
                sources.files.len() <= limits::SOURCE_FILES_MAX,
                "`{}` holds more than {} files, too many to watch; give the folder of one handler",
                package.display(),
                limits::SOURCE_FILES_MAX
            );
        }
        Ok(sources)
    }
}

/// What tells a file from every other, whatever it is called: device and inode.
pub type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// The files that this program writes into, such as a log that lies in a package: a
/// line in it must not cause a build, which would write the next one.
pub fn own_output() -> Vec<Identity> {
    let output = io::stdout().as_fd().try_clone_to_owned();
    let errors = io::stderr().as_fd().try_clone_to_owned();
    let files = [output, errors].into_iter().flatten().map(File::from);
    files
        .filter_map(|file| Some(identity(&file.metadata().ok()?)))
        .collect()
}

/// Whether a folder, perhaps a direct one of the package, holds what the author
/// writes.
fn is_source(folder: &Path, is_direct: bool) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let is_made = name.starts_with('.')
        || name.ends_with(".egg-info")
        || MADE_BY_TOOLS.contains(&&*name)
        || (is_direct && MADE_IN_PACKAGE.contains(&&*name));
    !is_made
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
        let before = Sources::read(package.path(), &[]).unwrap();
        assert_eq!(before.folders.len(), 2);

        for made in [
            "target/debug/a",
            "build/a",
            "node_modules/b/c",
            "sdk/node_modules/b/c",
            "src/__pycache__/c",
            ".venv/d",
            "a.egg-info/e",
            "Cargo.lock",
        ] {
            write(made, "made");
        }
        let after = Sources::read(package.path(), &[]).unwrap();
        assert_eq!(after.files, before.files);

        write("src/lib.rs", "longer");
        let after = Sources::read(package.path(), &[]).unwrap();
        assert_ne!(after, before);
        let folders = after.folders.len();
        for written in [
            "src/build/mod.rs",
            "src/more/dist/mod.rs",
            "src/target/mod.rs",
        ] {
            let before = Sources::read(package.path(), &[]).unwrap();
            write(written, "");
            assert_ne!(
                Sources::read(package.path(), &[]).unwrap(),
                before,
                "{written}"
            );
        }
        let more = Sources::read(package.path(), &[]).unwrap();
        assert_eq!(more.folders.len(), folders + 4);
    }

    #[test]
    fn what_the_program_itself_writes_is_no_source() {
        let package = tempfile::tempdir().unwrap();
        let log = package.path().join("dev.log");
        fs::write(&log, "one").unwrap();
        let but = [identity(&fs::metadata(&log).unwrap())];
        let before = Sources::read(package.path(), &but).unwrap();
        fs::write(&log, "longer").unwrap();
        assert_eq!(Sources::read(package.path(), &but).unwrap(), before);
        assert_ne!(Sources::read(package.path(), &[]).unwrap(), before);
    }
}
