//! Secrets that the configuration refers to. They never stand in it.

use std::path::Path;

use waystation_core::Digest;
use waystation_folder::SecretSource;
use waystation_folder::document::Table;

use crate::serve::webhook::Key;
use crate::token::Token;

/// The token that a table refers to: `{ env = NAME }`, `{ file = PATH }` or
/// `{ sha256 = HEX }`. A path is relative to the folder.
pub fn token(table: &mut Table<'_>, folder: &Path) -> Option<Token> {
    let digest = table.key("sha256", |value| {
        let digest: Option<Digest> = value.string()?.parse().ok();
        digest.ok_or_else(|| "must be the 64 hexadecimal digits of a SHA-256".to_owned())
    });
    if !table.has("sha256") {
        return referred(table, folder, |text| {
            Token::new(text).map_err(|error| error.to_string())
        });
    }
    if table.has("env") || table.has("file") {
        table.mistake("sha256", "give one of `env`, `file` and `sha256`");
    }
    digest.map(Token::from_digest)
}

/// The key that a table refers to: `{ env = NAME }` or `{ file = PATH }`.
pub fn key(table: &mut Table<'_>, folder: &Path) -> Option<Key> {
    referred(table, folder, |text| {
        Key::new(text).map_err(|error| error.to_string())
    })
}

fn referred<T>(
    table: &mut Table<'_>,
    folder: &Path,
    make: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let source = SecretSource::parse(table)?;
    let made = source
        .read(folder)
        .and_then(|secret| make(secret.reveal()))
        .map_err(|problem| table.mistake(source.key(), problem));
    made.ok()
}
