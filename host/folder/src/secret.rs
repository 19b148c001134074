//! Where a secret is: a file of settings names the place, never the secret.

use std::env::{self, VarError};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use waystation_core::{Secret, limits};

use crate::document::Table;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the host.
    Env(String),
    /// A file, relative to the folder of whoever names it.
    File(PathBuf),
}

impl SecretSource {
    /// Reads `{ env = "VAR" }` or `{ file = "PATH" }`.
    pub fn parse(table: &mut Table<'_>) -> Option<Self> {
        let not_empty = |text: String| (!text.is_empty()).then_some(text);
        let missing = || "must not be empty".to_owned();
        let env = table.key("env", |value| {
            not_empty(value.string()?).ok_or_else(missing)
        });
        let file = table.key("file", |value| {
            not_empty(value.string()?).ok_or_else(missing)
        });
        match (table.has("env"), table.has("file")) {
            (true, true) => table.mistake("file", "a secret has one place: `env` or `file`"),
            (false, false) => table.mistake("env", "is missing; write here `env` or `file`"),
            _ => {}
        }
        env.map(Self::Env)
            .or(file.map(PathBuf::from).map(Self::File))
    }

    /// The key that names the place.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Env(_) => "env",
            Self::File(_) => "file",
        }
    }

    /// The secret, or what is wrong with its place. A path is relative to
    /// `folder`. A message never shows the value. Blocks.
    pub fn read(&self, folder: &Path) -> Result<Secret, String> {
        let (place, value) = match self {
            Self::Env(variable) => {
                let place = format!("the environment variable `{}`", variable.escape_debug());
                (place, from_env(variable))
            }
            Self::File(path) => {
                let path = folder.join(path);
                (format!("`{}`", path.display()), from_file(&path))
            }
        };
        let value = value.map_err(|why| format!("{place} {why}"))?;
        match value.len() {
            0 => Err(format!("{place} is empty")),
            1..=limits::GRANT_VALUE_BYTES_MAX => Ok(Secret::new(value)),
            _ => Err(format!("{place} {}", too_long())),
        }
    }
}

fn too_long() -> String {
    let max = limits::GRANT_VALUE_BYTES_MAX;
    format!("has more than {max} bytes")
}

fn from_env(variable: &str) -> Result<String, String> {
    env::var(variable).map_err(|error| match error {
        VarError::NotPresent => "is not set where the host was started".to_owned(),
        VarError::NotUnicode(_) => "is not UTF-8 text".to_owned(),
    })
}

/// The text of a file without the newline at its end, which editors put there.
fn from_file(path: &Path) -> Result<String, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    // A pipe would be waited for, for ever.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let room = limits::GRANT_VALUE_BYTES_MAX + "\r\n".len();
    let file = File::open(path).map_err(unreadable)?;
    // One byte more tells what is too long.
    let read = file.take(room as u64 + 1).read_to_end(&mut bytes);
    if read.map_err(unreadable)? > room {
        return Err(too_long());
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    let line = text.strip_suffix("\r\n").or(text.strip_suffix('\n'));
    Ok(line.unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_a_file_beside_the_handlers() {
        let handlers = tempfile::tempdir().unwrap();
        let check = |content: &[u8], expected: Result<&str, &str>| {
            fs::write(handlers.path().join("token"), content).unwrap();
            let found = SecretSource::File("token".into()).read(handlers.path());
            match (&found, expected) {
                (Ok(secret), Ok(expected)) => assert_eq!(secret.reveal(), expected),
                (Err(error), Err(expected)) => {
                    assert!(error.ends_with(expected), "{error}");
                    assert!(error.contains("/token` "), "{error}");
                }
                _ => panic!("{found:?}, not {expected:?}"),
            }
        };
        let longest = "x".repeat(limits::GRANT_VALUE_BYTES_MAX);
        check(b"hunter2", Ok("hunter2"));
        check(b"hunter2\n", Ok("hunter2"));
        check(b"hunter2\r\n", Ok("hunter2"));
        check(b" two\nlines\n\n", Ok(" two\nlines\n"));
        check(format!("{longest}\r\n").as_bytes(), Ok(&longest));
        check(b"", Err("is empty"));
        check(b"\n", Err("is empty"));
        check(b"hunter\xff", Err("is not UTF-8 text"));
        check(
            format!("{longest}x").as_bytes(),
            Err("more than 65536 bytes"),
        );
        check(
            format!("{longest}xxx").as_bytes(),
            Err("more than 65536 bytes"),
        );
    }

    #[test]
    fn a_place_without_a_secret_is_named() {
        let handlers = tempfile::tempdir().unwrap();
        fs::create_dir(handlers.path().join("folder")).unwrap();
        let check = |source: SecretSource, expected: &str| {
            let error = source.read(handlers.path()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        let variable = "WAYSTATION_TEST_UNSET".to_owned();
        check(
            SecretSource::Env(variable),
            "`WAYSTATION_TEST_UNSET` is not set",
        );
        check(
            SecretSource::File("gone".into()),
            "/gone` cannot be read: No such file",
        );
        check(SecretSource::File("folder".into()), "/folder` is no file");
        check(
            SecretSource::File("/dev/zero".into()),
            "`/dev/zero` is no file",
        );
    }

    #[test]
    fn a_secret_is_read_from_the_environment() {
        let path = SecretSource::Env("PATH".to_owned()).read(Path::new(""));
        assert_eq!(path.unwrap().reveal(), env::var("PATH").unwrap());
    }
}
