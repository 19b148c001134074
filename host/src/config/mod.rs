//! The configuration of `waystation run`: flags over file over defaults.

pub mod secret;
mod source;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use waystation_core::limits;
use waystation_folder::document;
use waystation_journal::Retention;

use crate::serve::webhook::Webhook;
use crate::token::Token;

/// What the host runs with.
#[derive(Clone, Debug)]
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
    /// The names of this host beside its addresses.
    pub hosts: Vec<String>,
    /// The tokens that the listeners ask for.
    pub tokens: Tokens,
    /// The webhooks that are taken in.
    pub webhooks: Vec<Webhook>,
}

/// The tokens that the listeners ask for.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// Of who publishes events.
    pub events: Option<Token>,
    /// Of who asks the admin API.
    pub admin: Option<Token>,
}

/// What may be given; the rest is decided elsewhere. The same keys stand in the
/// file and on the command line.
#[derive(Clone, Debug, Default)]
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

/// What a file may give.
#[derive(Clone, Debug, Default)]
struct FromFile {
    given: Given,
    hosts: Vec<String>,
    tokens: Tokens,
    webhooks: Vec<Webhook>,
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
    /// An address that others can reach, and no token.
    #[error(
        "`{key}` is {address}, which other machines can reach, so it needs a token: give \
         `[tokens] {token} = {{ env = \"NAME\" }}` in waystation.toml, or use an address of \
         loopback such as 127.0.0.1"
    )]
    Exposed {
        /// The key or flag.
        key: &'static str,
        /// The key of its token.
        token: &'static str,
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
            None => FromFile::default(),
        };
        let FromFile {
            given: from_file,
            hosts,
            tokens,
            webhooks,
        } = from_file;
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
            hosts,
            tokens,
            webhooks,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Error> {
        for (key, address, token, given) in [
            ("listen", self.listen, "events", &self.tokens.events),
            ("admin", self.admin, "admin", &self.tokens.admin),
        ] {
            if !address.ip().is_loopback() && given.is_none() {
                return Err(Error::Exposed {
                    key,
                    token,
                    address,
                });
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<FromFile, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, folder).map_err(|mistakes| Error::Mistakes {
        path: path.to_owned(),
        mistakes,
    })
}

/// Reads the text of a file in a folder; its paths are relative to that.
fn parse(text: &str, folder: &Path) -> Result<FromFile, document::Mistakes> {
    document::read(text, |root| {
        let (retention_age, retention_size) =
            root.table("retention", retention).unwrap_or_default();
        FromFile {
            given: Given {
                handlers: root.key("handlers", path).map(|path| folder.join(path)),
                data: root.key("data", path).map(|path| folder.join(path)),
                listen: root.key("listen", address_value),
                admin: root.key("admin", address_value),
                retention_age,
                retention_size,
            },
            hosts: root
                .list("hosts", 0..=limits::HOSTS_MAX, host)
                .unwrap_or_default(),
            tokens: root
                .table("tokens", |table| tokens(table, folder))
                .unwrap_or_default(),
            webhooks: source::webhooks(root, folder),
        }
    })
}

fn retention(table: &mut document::Table<'_>) -> (Option<Duration>, Option<usize>) {
    let age = table.key("age", |value| value.duration(RETENTION_AGES));
    let size = table.key("size", |value| value.bytes(RETENTION_SIZES));
    (age, size)
}

fn tokens(table: &mut document::Table<'_>, folder: &Path) -> Tokens {
    let mut token = |key| {
        let token = table.table(key, |table| secret::token(table, folder));
        token.flatten()
    };
    Tokens {
        events: token("events"),
        admin: token("admin"),
    }
}

fn host(value: document::Value<'_>) -> Result<String, String> {
    let name = value.string()?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if !name.is_empty() && name.bytes().all(is_name) {
        return Ok(name);
    }
    Err("must be the name of a host without a port, such as `events.example.com`".to_owned())
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

    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// What a file in a folder with these secrets gives.
    fn parse_beside(files: &[(&str, &str)], text: &str) -> Result<FromFile, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        parse(text, folder.path()).map_err(|mistakes| mistakes.to_string())
    }

    fn refused(text: &str, expected: &[&str]) {
        let files = [
            ("short", "0123456789\n"),
            ("key", KEY),
            ("bad", "whsec_AAAA"),
        ];
        let mistakes = parse_beside(&files, text).unwrap_err();
        for expected in expected {
            assert!(
                mistakes.contains(expected),
                "`{expected}` is missing in: {mistakes}"
            );
        }
        for (_, secret) in files {
            assert!(!mistakes.contains(secret.trim()), "{mistakes}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        refused(
            "handler = 'x'\nlisten = 8080\nadmin = 'here'\nhosts = ['a:1']",
            &[
                "line 1: `handler`: no such key; did you mean `handlers`?",
                "line 2: `listen`",
                "line 3: `admin`: must be an IP address",
                "line 4: `hosts[0]`: must be the name of a host without a port",
            ],
        );
    }

    #[test]
    fn a_token_is_referred_to_and_not_weak() {
        let file = parse_beside(
            &[("token", "0123456789abcdef\n")],
            "[tokens]\nevents = { file = 'token' }\nadmin = { sha256 = \
             '9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f' }",
        );
        let tokens = file.unwrap().tokens;
        for token in [tokens.events, tokens.admin] {
            assert!(token.unwrap().matches(b"0123456789abcdef"));
        }
        for (table, expected) in [
            (
                "{ file = 'short' }",
                "`tokens.events.file`: the token is shorter than 16",
            ),
            (
                "{ file = 'nowhere' }",
                "nowhere` cannot be read: No such file",
            ),
            (
                "{ env = 'WAYSTATION_NO_SUCH' }",
                "variable `WAYSTATION_NO_SUCH` is not set",
            ),
            ("{ sha256 = '9f' }", "64 hexadecimal digits"),
            (
                "{ file = 'token', env = 'X' }",
                "a secret has one place: `env` or `file`",
            ),
            (
                "{ file = 'token', sha256 = '9f' }",
                "give one of `env`, `file` and `sha256`",
            ),
            ("{}", "write here `env` or `file`"),
            (
                "'0123456789'",
                "`tokens.events`: write a table, not a string",
            ),
        ] {
            refused(
                &format!("[tokens]\nevents = {table}"),
                &["line 2", expected],
            );
        }
    }

    #[test]
    fn a_webhook_has_a_name_a_type_and_keys() {
        let file = parse_beside(
            &[("key", KEY), ("next", &format!("{KEY}\n"))],
            "[[source]]\nkind = 'webhook'\nname = 'crm'\ntype = 'com.example.crm.changed.v1'\n\
             secrets = [{ file = 'key' }, { file = 'next' }]",
        );
        let [webhook] = &file.unwrap().webhooks[..] else {
            panic!("one webhook")
        };
        assert_eq!(webhook.name, "crm");
        assert_eq!(webhook.event_type, "com.example.crm.changed.v1");
        assert_eq!(webhook.source, "/webhooks/crm");
        assert_eq!(webhook.keys.len(), 2);
    }

    #[test]
    fn all_mistakes_of_a_webhook_are_told_at_once() {
        refused(
            "[[source]]\nkind = 'web'\nname = 'a/b'\npath = '/x'",
            &[
                "`source[0].kind`",
                "`source[0].name`: must be up to 64",
                "`source[0].type`: is missing",
                "`source[0].secrets`: is missing",
                "`source[0].path`: no such key",
            ],
        );
        let webhook = |more: &str| format!("[[source]]\nkind = 'webhook'\nname = 'crm'\n{more}\n");
        let keys = "secrets = [{ file = 'key' }]";
        for (more, expected) in [
            (format!("type = ''\n{keys}"), "`source[0].type`"),
            (
                format!("type = 'a'\nsource = 'no uri'\n{keys}"),
                "`source[0].source`",
            ),
            (
                format!("type = 'a'\nsource = '/waystation/handlers/x'\n{keys}"),
                "handlers publish there",
            ),
            (
                "type = 'a'\nsecrets = [{ file = 'bad' }]".to_owned(),
                "`source[0].secrets[0].file`: the key must have 24 to 64 bytes",
            ),
            (
                "type = 'a'\nsecrets = []".to_owned(),
                "must have between 1 and 2 items",
            ),
        ] {
            refused(&webhook(&more), &[expected]);
        }
        let twice = webhook(&format!("type = 'a'\n{keys}")).repeat(2);
        refused(&twice, &["two of them have the name `crm`"]);
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
        let mistakes = parse(
            "retention = { age = '5m', size = '10 GB', bytes = 5 }",
            Path::new(""),
        )
        .unwrap_err();
        let text = mistakes.to_string();
        for expected in [
            "`retention.age`: must be between 10m and ",
            "`retention.size`: write a number and a unit (B, KiB, MiB, GiB or TiB)",
            "`retention.bytes`: no such key; known are age, size",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(retention_age("1y").is_err() && retention_size("1MiB").is_err());
    }

    #[test]
    fn an_address_that_others_can_reach_needs_a_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.toml");
        std::fs::write(folder.path().join("token"), "0123456789abcdef").unwrap();
        let everywhere = |key: &str| match key {
            "events" => "listen = '0.0.0.0:0'",
            _ => "admin = '[::]:0'",
        };
        for (key, other) in [("events", "admin"), ("admin", "events")] {
            let load = |token: &str| {
                let address = everywhere(key);
                let text = format!("{address}\n[tokens]\n{token} = {{ file = 'token' }}");
                std::fs::write(&file, text).unwrap();
                Config::load(Given::default(), Some(&file))
            };
            assert!(load(key).is_ok());
            let error = load(other).unwrap_err().to_string();
            let hint = format!("give `[tokens] {key} = {{ env = \"NAME\" }}`");
            assert!(error.contains(&hint), "{error}");
        }
    }
}
