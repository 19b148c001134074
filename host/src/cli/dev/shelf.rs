//! The folder that the host of a workshop watches: the component of each package, and
//! nothing that no package made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cli::private;

/// The components and which package made each, over the ends of the process: a
/// package may have another name when it is built next.
pub struct Shelf {
    folder: PathBuf,
    /// Where the list is kept.
    list: PathBuf,
    /// The name of the component by the folder of its package.
    made: BTreeMap<PathBuf, String>,
}

impl Shelf {
    /// The shelf below a folder, with what these packages made earlier.
    pub fn open<'a>(home: &Path, packages: impl Iterator<Item = &'a Path>) -> Result<Self> {
        let folder = home.join("handlers");
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        let list = home.join("made.json");
        let text = match fs::read(&list) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => b"{}".to_vec(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read `{}`", list.display()));
            }
        };
        // What cannot be read is built anew.
        let known: BTreeMap<PathBuf, String> = serde_json::from_slice(&text).unwrap_or_default();
        let made = packages.filter_map(|package| {
            let name = known.get(package)?;
            Some((package.to_owned(), name.clone()))
        });
        let shelf = Self {
            folder,
            list,
            made: made.collect(),
        };
        shelf.clear()?;
        Ok(shelf)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a package made a component that is still there.
    pub fn has(&self, package: &Path) -> bool {
        let name = self.made.get(package);
        name.is_some_and(|name| self.folder.join(format!("{name}.wasm")).is_file())
    }

    /// A package made this component. Gives those that nobody makes any more, which
    /// are gone now.
    pub fn put(&mut self, package: &Path, component: &Path) -> Result<Vec<PathBuf>> {
        let name = component.file_stem().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        self.made.insert(package.to_owned(), name);
        let text = serde_json::to_vec_pretty(&self.made)?;
        private::write(&self.list, &text)
            .with_context(|| format!("cannot write `{}`", self.list.display()))?;
        self.clear()
    }

    /// Removes components and sidecars that no package made. Gives the components.
    fn clear(&self) -> Result<Vec<PathBuf>> {
        let cannot = || format!("cannot read `{}`", self.folder.display());
        let mut gone = Vec::new();
        for entry in fs::read_dir(&self.folder).with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            let is = |extension: &str| path.extension().is_some_and(|it| it == extension);
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            if !(is("wasm") || is("toml")) || self.made.values().any(|name| *name == stem) {
                continue;
            }
            fs::remove_file(&path)
                .with_context(|| format!("cannot remove `{}`", path.display()))?;
            if is("wasm") {
                gone.push(path);
            }
        }
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(shelf: &Shelf) -> Vec<String> {
        let entries = fs::read_dir(shelf.folder()).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries
            .map(name)
            .map(|it| it.into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_no_package_made_goes_and_what_is_made_stays() {
        let home = tempfile::tempdir().unwrap();
        let [one, two] = [Path::new("one"), Path::new("two")];
        let open = |packages: &[&'static str]| {
            Shelf::open(home.path(), packages.iter().map(Path::new)).unwrap()
        };
        let make = |shelf: &mut Shelf, package: &Path, name: &str| {
            let component = shelf.folder().join(format!("{name}.wasm"));
            fs::write(&component, "").unwrap();
            fs::write(component.with_extension("toml"), "").unwrap();
            shelf.put(package, &component).unwrap()
        };
        let mut shelf = open(&["one", "two"]);
        assert!(!shelf.has(one));
        assert!(make(&mut shelf, one, "old").is_empty());
        assert!(make(&mut shelf, two, "other").is_empty());
        let gone = make(&mut shelf, one, "new");
        assert_eq!(gone, [shelf.folder().join("old.wasm")]);
        let all = ["new.toml", "new.wasm", "other.toml", "other.wasm"];
        assert_eq!(names(&shelf), all);

        // The next process knows them, and a package that is gone makes nothing.
        let shelf = open(&["one", "two"]);
        assert_eq!(names(&shelf), all);
        assert!(shelf.has(one));
        let shelf = open(&["one"]);
        assert_eq!(names(&shelf), all[..2]);
        assert!(!shelf.has(two));
    }

    #[test]
    fn a_component_that_two_packages_make_stays_while_one_makes_it() {
        let home = tempfile::tempdir().unwrap();
        let [one, two] = [Path::new("one"), Path::new("two")];
        let mut shelf = Shelf::open(home.path(), [one, two].into_iter()).unwrap();
        let [same, new] = ["same.wasm", "new.wasm"].map(|it| shelf.folder().join(it));
        fs::write(&same, "").unwrap();
        fs::write(&new, "").unwrap();
        shelf.put(one, &same).unwrap();
        fs::write(&new, "").unwrap();
        shelf.put(two, &same).unwrap();
        fs::write(&new, "").unwrap();
        assert!(shelf.put(one, &new).unwrap().is_empty());
        assert_eq!(shelf.put(two, &new).unwrap(), [same]);
    }
}
