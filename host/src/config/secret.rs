//! Secrets that the configuration refers to. They never stand in it.

use std::env;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use waystation_core::{Digest, limits};
use waystation_folder::document::Table;

use crate::serve::webhook::Key;
use crate::token::Token;

/// The token that a table refers to: `{ env = NAME }`, `{ file = PATH }` or
/// `{ sha256 = HEX }`. A path is relative to the folder.
pub fn token(table: &mut Table<'_>, folder: &Path) -> Option<Token> {
    let read = |text: &str| Token::new(text).map_err(|error| error.to_string());
    require_one(table, &["env", "file", "sha256"]);
    let digest = table.key("sha256", |value| {
        let digest: Option<Digest> = value.string()?.parse().ok();
        digest.ok_or_else(|| "must be the 64 hexadecimal digits of a SHA-256".to_owned())
    });
    referred(table, folder, read).or(digest.map(Token::from_digest))
}

/// The key that a table refers to: `{ env = NAME }` or `{ file = PATH }`.
pub fn key(table: &mut Table<'_>, folder: &Path) -> Option<Key> {
    require_one(table, &["env", "file"]);
    referred(table, folder, |text| {
        Key::new(text).map_err(|error| error.to_string())
    })
}

fn require_one(table: &mut Table<'_>, keys: &[&'static str]) {
    let given = keys.iter().filter(|key| table.has(key)).count();
    if let (Some(key), true) = (keys.first(), given != 1) {
        table.mistake(key, format!("give one of `{}`", keys.join("`, `")));
    }
}

fn referred<T>(
    table: &mut Table<'_>,
    folder: &Path,
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let from_env = table.key("env", |value| read(&from_env(&value.string()?)?));
    let from_file = table.key("file", |value| {
        read(&from_file(&folder.join(value.string()?))?)
    });
    from_env.or(from_file)
}

fn from_env(name: &str) -> Result<String, String> {
    let shown = name.escape_debug();
    match env::var(name) {
        Ok(text) => Ok(text),
        Err(env::VarError::NotPresent) => Err(format!("the environment has no variable `{shown}`")),
        Err(env::VarError::NotUnicode(_)) => Err(format!("the variable `{shown}` is not text")),
    }
}

/// The text of a file, without the end of its line.
pub fn from_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let failed = |error| format!("cannot read `{shown}`: {error}");
    let mut text = String::new();
    let bytes_max = limits::SECRET_FILE_BYTES_MAX;
    let file = File::open(path).map_err(failed)?;
    file.take(bytes_max + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > bytes_max {
        return Err(format!("`{shown}` is larger than {bytes_max} bytes"));
    }
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}
