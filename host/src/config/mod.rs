//! The configuration of `waystation run`: flags over file over defaults.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use waystation_core::limits;
use waystation_folder::document;
use waystation_journal::Retention;

/// What the host runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The handlers folder.
    pub handlers: PathBuf,
    /// The data folder.
    pub data: PathBuf,
    /// Where events come in.
    pub listen: SocketAddr,
    /// Where the admin API is.
    pub admin: SocketAddr,
    /// How long and how much the journal keeps.
    pub retention: Retention,
}

/// What may be given; the rest is decided elsewhere. The same keys stand in the
/// file and on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The handlers folder.
    pub handlers: Option<PathBuf>,
    /// The data folder.
    pub data: Option<PathBuf>,
    /// Where events come in.
    pub listen: Option<SocketAddr>,
    /// Where the admin API is.
    pub admin: Option<SocketAddr>,
    /// How long the journal keeps events that are done.
    pub retention_age: Option<Duration>,
    /// The bytes on disk that the journal may fill.
    pub retention_size: Option<usize>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error("the configuration `{}` has mistakes:\n{mistakes}", path.display())]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// All of them.
        mistakes: document::Mistakes,
    },
    /// An address that others can reach.
    #[error(
        "`{key}` is {address}, which other machines can reach; the host asks nobody for a token \
         yet, so it listens on loopback only: use 127.0.0.1 and put a proxy that authenticates in \
         front of it"
    )]
    NotLoopback {
        /// The key or flag.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
}

/// The file that is read if it is there and none is named.
const FILE: &str = "waystation.toml";

const RETENTION_AGES: RangeInclusive<Duration> = limits::DEDUPE_WINDOW..=limits::RETENTION_AGE_MAX;
const RETENTION_SIZES: RangeInclusive<usize> =
    limits::RETENTION_BYTES_MIN..=limits::RETENTION_BYTES_MAX;

impl Config {
    /// What holds: `flags` over the file over the defaults. The file is the one
    /// named, or `waystation.toml` in the current folder if it is there.
    ///
    /// Paths in the file are relative to the folder of the file.
    pub fn load(flags: Given, file: Option<&Path>) -> Result<Self, Error> {
        let from_file = match file {
            Some(path) => read(path)?,
            None if Path::new(FILE).exists() => read(Path::new(FILE))?,
            None => Given::default(),
        };
        let config = Self {
            handlers: flags
                .handlers
                .or(from_file.handlers)
                .unwrap_or_else(|| "handlers".into()),
            data: flags
                .data
                .or(from_file.data)
                .unwrap_or_else(|| "data".into()),
            listen: flags
                .listen
                .or(from_file.listen)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            admin: flags
                .admin
                .or(from_file.admin)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8081))),
            retention: Retention {
                age: flags
                    .retention_age
                    .or(from_file.retention_age)
                    .unwrap_or(limits::RETENTION_AGE),
                bytes: flags
                    .retention_size
                    .or(from_file.retention_size)
                    .unwrap_or(limits::RETENTION_BYTES) as u64,
            },
        };
        for (key, address) in [("listen", config.listen), ("admin", config.admin)] {
            if !address.ip().is_loopback() {
                return Err(Error::NotLoopback { key, address });
            }
        }
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Given, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut given = parse(&text).map_err(|mistakes| Error::Mistakes {
        path: path.to_owned(),
        mistakes,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for path in [&mut given.handlers, &mut given.data].into_iter().flatten() {
        *path = folder.join(&*path);
    }
    Ok(given)
}

fn parse(text: &str) -> Result<Given, document::Mistakes> {
    document::read(text, |root| {
        let retention = root.table("retention", |retention| {
            let age = retention.key("age", |value| value.duration(RETENTION_AGES));
            (
                age,
                retention.key("size", |value| value.bytes(RETENTION_SIZES)),
            )
        });
        let (retention_age, retention_size) = retention.unwrap_or_default();
        Given {
            handlers: root.key("handlers", path),
            data: root.key("data", path),
            listen: root.key("listen", address_value),
            admin: root.key("admin", address_value),
            retention_age,
            retention_size,
        }
    })
}

fn path(value: document::Value<'_>) -> Result<PathBuf, String> {
    let text = value.string()?;
    if text.is_empty() {
        Err("must name a folder".into())
    } else {
        Ok(text.into())
    }
}

fn address_value(value: document::Value<'_>) -> Result<SocketAddr, String> {
    address(&value.string()?)
}

/// An address to listen on, or what it should look like.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("must be an IP address with a port such as `127.0.0.1:8080`, not `{text}`")
    })
}

/// A length of time for which events may be kept, or what it should look like.
pub fn retention_age(text: &str) -> Result<Duration, String> {
    document::duration(text, RETENTION_AGES)
}

/// A size that the journal may be given, or what it should look like.
pub fn retention_size(text: &str) -> Result<usize, String> {
    document::bytes(text, RETENTION_SIZES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mistakes = parse("handler = 'x'\nlisten = 8080\nadmin = 'here'").unwrap_err();
        let text = mistakes.to_string();
        assert!(
            text.contains("line 1: `handler`: no such key; did you mean `handlers`?"),
            "{text}"
        );
        assert!(text.contains("line 2: `listen`"), "{text}");
        assert!(
            text.contains("line 3: `admin`: must be an IP address"),
            "{text}"
        );
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.toml");
        std::fs::write(
            &file,
            "data = 'store'\nlisten = '127.0.0.1:1'\nadmin = '[::1]:2'",
        )
        .unwrap();
        let flags = Given {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 3))),
            ..Given::default()
        };
        let config = Config::load(flags, Some(&file)).unwrap();
        assert_eq!(config.handlers, Path::new("handlers"));
        assert_eq!(config.data, folder.path().join("store"));
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.admin.port(), 2);
    }

    #[test]
    fn what_the_journal_keeps_is_bounded_unless_it_is_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.toml");
        let check = |text: &str, flags: Given, age: Duration, bytes: usize| {
            std::fs::write(&file, text).unwrap();
            let retention = Config::load(flags, Some(&file)).unwrap().retention;
            assert_eq!(
                (retention.age, retention.bytes),
                (age, bytes as u64),
                "{text}"
            );
        };
        let (age, size) = (limits::RETENTION_AGE, limits::RETENTION_BYTES);
        let day = Duration::from_secs(24 * 3_600);
        check("", Given::default(), age, size);
        check("retention = { age = '1d' }", Given::default(), day, size);
        check(
            "[retention]\nsize = '10GiB'",
            Given::default(),
            age,
            10 << 30,
        );
        let flags = Given {
            retention_size: Some(retention_size("1GiB").unwrap()),
            ..Given::default()
        };
        check(
            "retention = { age = '1d', size = '10GiB' }",
            flags,
            day,
            1 << 30,
        );
    }

    #[test]
    fn what_the_journal_cannot_keep_to_is_refused() {
        let mistakes = parse("retention = { age = '5m', size = '10 GB', bytes = 5 }").unwrap_err();
        let text = mistakes.to_string();
        for expected in [
            "`retention.age`: must be between 10m and ",
            "`retention.size`: write a number and a unit (B, KiB, MiB or GiB)",
            "`retention.bytes`: no such key; known are age, size",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(retention_age("1y").is_err() && retention_size("1MiB").is_err());
    }

    #[test]
    fn an_address_that_others_can_reach_is_refused() {
        let given = Given {
            admin: Some(SocketAddr::from(([0, 0, 0, 0], 1))),
            ..Given::default()
        };
        let error = Config::load(given, Some(Path::new("/dev/null"))).unwrap_err();
        assert!(
            error.to_string().starts_with("`admin` is 0.0.0.0:1"),
            "{error}"
        );
    }
}
