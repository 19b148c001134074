//! Lists the files that `waystation new` writes, so that the binary carries them:
//! the SDKs, the interfaces they are made of, and the templates.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The name of each list and the folder, from the root of the repository.
const FOLDERS: [(&str, &str); 7] = [
    ("WIT", "wit"),
    ("RUST_SDK", "guest-sdk"),
    ("RUST_TEMPLATE", "guest-sdk/template"),
    ("JAVASCRIPT_SDK", "guest-sdk/javascript"),
    ("JAVASCRIPT_TEMPLATE", "guest-sdk/javascript/template"),
    ("PYTHON_SDK", "guest-sdk/python"),
    ("PYTHON_TEMPLATE", "guest-sdk/python/template"),
];

/// What is in these folders and no part of an SDK: the other SDKs, tests, and what
/// tools leave behind.
const LEFT_OUT: [&str; 14] = [
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "javascript",
    "node_modules",
    "python",
    "target",
    "template",
    "tests",
    "venv",
];

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = fs::canonicalize(root)?;
    let mut code = String::new();
    for (name, folder) in FOLDERS {
        let files = if !root.join(folder).is_dir() {
            Vec::new()
        } else if folder.ends_with("/template") {
            files(&root.join(folder), &|_| true)?
        } else {
            files(&root.join(folder), &is_part_of_sdk)?
        };
        list(&mut code, name, &root.join(folder), &files);
    }
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("there is no OUT_DIR"))?;
    fs::write(Path::new(&out).join("embedded.rs"), code)
}

fn is_part_of_sdk(name: &str) -> bool {
    !LEFT_OUT.contains(&name) && !name.ends_with(".egg-info")
}

/// The files in a folder and below it, in the order of their names.
fn files(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if !wanted(&entry.file_name().to_string_lossy()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path(), wanted)?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whoever adds a file to a package also changes one that names it, so to look at
/// the files again is enough; to look at the folders would look at `node_modules`.
fn list(code: &mut String, name: &str, folder: &Path, files: &[PathBuf]) {
    // Writing to a text cannot fail.
    let _ = writeln!(code, "pub const {name}: &[(&str, &str)] = &[");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let path = file.strip_prefix(folder).unwrap_or(file);
        let _ = writeln!(code, "    ({path:?}, include_str!({file:?})),");
    }
    let _ = writeln!(code, "];");
}
