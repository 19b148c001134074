//! What a component is made of, in one digest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use waystation_core::Digest;

/// The digest of a text, and of the names and contents of all files in some folders.
pub fn digest(text: &str, folders: &[&Path]) -> Result<Digest> {
    let mut all = text.as_bytes().to_vec();
    for folder in folders {
        for file in files(folder)? {
            let read = fs::read(&file);
            let bytes = read.with_context(|| format!("cannot read `{}`", file.display()))?;
            let name = file.strip_prefix(folder).unwrap_or(&file);
            all.extend_from_slice(Digest::of(name.as_os_str().as_encoded_bytes()).as_bytes());
            all.extend_from_slice(Digest::of(&bytes).as_bytes());
        }
    }
    Ok(Digest::of(&all))
}

/// All files below a folder but what Python keeps of them, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let cannot = || format!("cannot read `{}`", folder.display());
        for entry in fs::read_dir(&folder).with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            if !path.is_dir() {
                found.push(path);
            } else if !path.ends_with("__pycache__") {
                open.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_a_file_counts_and_what_python_keeps_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            digest("a", &[dir.path()]).unwrap()
        };
        let first = put("a/b.py", "x");
        assert_eq!(put("a/b.py", "x"), first);
        assert_eq!(put("a/__pycache__/b.pyc", "x"), first);
        let second = put("a/b.py", "y");
        assert_ne!(second, first);
        assert_ne!(put("a/c.py", ""), second);
        assert_ne!(
            digest("b", &[dir.path()]).unwrap(),
            digest("a", &[dir.path()]).unwrap()
        );
    }
}
