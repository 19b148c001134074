//! What a sidecar grants: its tables `grants`, `config` and `secrets`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use waystation_core::{Ask, AskKind, Grants, Network, Secret, Settings, did_you_mean, limits};

use crate::document::{Mistake, Mistakes, Table, Value};
use crate::secret::SecretSource;

/// What a sidecar grants. About a kind of which it says nothing, what was
/// approved holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SidecarGrants {
    grants: Vec<Grant>,
    /// The kinds of which it says something, and be it that there is nothing.
    decided: Vec<AskKind>,
    networks: Vec<Network>,
    config: BTreeMap<String, String>,
    secrets: BTreeMap<String, SecretSource>,
}

/// Something that is granted, and where the sidecar says so.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    ask: Ask,
    key: String,
    line: usize,
}

impl SidecarGrants {
    /// Reads the three tables.
    pub fn parse(root: &mut Table<'_>) -> Self {
        let mut all = Self::default();
        root.table("grants", |table| all.parse_lists(table));
        root.table("config", |table| all.parse_config(table));
        root.table("secrets", |table| all.parse_secrets(table));
        all
    }

    fn parse_lists(&mut self, table: &mut Table<'_>) {
        for kind in [AskKind::Http, AskKind::State, AskKind::Publish] {
            let key = format!("grants.{}", kind.as_str());
            let grants = table.list(kind.as_str(), 0..=limits::GRANTS_MAX, |value| {
                let ask = ask(kind, &value.string()?)?;
                let (key, line) = (key.clone(), value.line());
                Ok(Grant { ask, key, line })
            });
            if let Some(grants) = grants {
                self.grants.extend(grants);
                self.decided.push(kind);
            }
        }
        let networks = table.list("networks", 0..=limits::GRANTS_MAX, |value| {
            let network = value.string()?.parse::<Network>();
            network.map_err(|error| error.to_string())
        });
        self.networks = networks.unwrap_or_default();
    }

    fn parse_config(&mut self, table: &mut Table<'_>) {
        for name in names(table) {
            let value = table.key(name, |value| {
                let grant = named("config", AskKind::Config, name, value.line())?;
                let text = value.text()?;
                if text.len() > limits::GRANT_VALUE_BYTES_MAX {
                    let max = limits::GRANT_VALUE_BYTES_MAX;
                    return Err(format!("must have at most {max} bytes"));
                }
                Ok((grant, text))
            });
            if let Some((grant, value)) = value {
                self.grants.push(grant);
                self.config.insert(name.to_owned(), value);
            }
        }
    }

    fn parse_secrets(&mut self, table: &mut Table<'_>) {
        for name in names(table) {
            // Whoever writes the secret itself must not find it in the log.
            let grant = table.key(name, |value: Value<'_>| {
                if !value.is_table() {
                    return Err("write { env = \"VARIABLE\" } or { file = \"PATH\" }; \
                                the secret itself does not belong here"
                        .to_owned());
                }
                named("secrets", AskKind::Secret, name, value.line())
            });
            let Some(grant) = grant else { continue };
            if let Some(source) = table.table(name, SecretSource::parse).flatten() {
                self.grants.push(grant);
                self.secrets.insert(name.to_owned(), source);
            }
        }
    }

    /// Whether this is granted.
    pub fn grants(&self, ask: &Ask) -> bool {
        self.grants.iter().any(|grant| grant.ask.covers(ask))
    }

    /// What is granted beyond what the handler asks for: mistakes, all of it.
    pub fn too_wide(&self, asks: &BTreeSet<Ask>) -> impl Iterator<Item = Mistake> {
        let too_wide = |grant: &&Grant| !asks.iter().any(|ask| ask.covers(&grant.ask));
        self.grants
            .iter()
            .filter(too_wide)
            .map(|grant| grant.mistake(asks))
    }

    /// Narrows the settings of a handler that was let in to what it may do: of
    /// what it asks for, what the sidecar says; where the sidecar says nothing,
    /// all, since all was approved. Its secrets are left out: see
    /// [`secrets`](Self::secrets).
    pub fn narrow(&self, asks: &BTreeSet<Ask>, settings: &mut Settings) {
        let mut grants = Grants {
            networks: self.networks.clone(),
            config: self.config.clone(),
            ..Grants::default()
        };
        let mut publishes = Vec::new();
        for ask in self.allowed(asks) {
            match ask {
                Ask::Http(authority) => grants.http.push(authority),
                Ask::State(namespace) => grants.state.push(namespace),
                Ask::Publish(pattern) => publishes.push(pattern),
                // Their values are there already, or come later.
                Ask::Config(_) | Ask::Secret(_) => {}
            }
        }
        settings.grants = grants;
        if self.decides(AskKind::Publish) {
            settings.publishes = publishes;
        }
    }

    /// What the handler asks for and does not get, though it was let in.
    pub fn withheld(&self, asks: &BTreeSet<Ask>) -> Vec<Ask> {
        let allowed = self.allowed(asks);
        let withheld = |ask: &&Ask| !allowed.iter().any(|allowed| allowed.covers(ask));
        asks.iter().filter(withheld).cloned().collect()
    }

    /// The secrets as they are now, or what is wrong with their places. Blocks.
    pub fn secrets(&self, handlers: &Path) -> Result<BTreeMap<String, Secret>, Mistakes> {
        let mut secrets = BTreeMap::new();
        let mut mistakes = Vec::new();
        for (name, source) in &self.secrets {
            match source.read(handlers) {
                Ok(secret) => {
                    secrets.insert(name.clone(), secret);
                }
                Err(problem) => {
                    let ask = Ask::Secret(name.clone());
                    let grant = self.grants.iter().find(|grant| grant.ask == ask);
                    let line = grant.map(|grant| grant.line);
                    let key = format!("secrets.{name}");
                    mistakes.push(Mistake { line, key, problem });
                }
            }
        }
        Mistakes::check(mistakes)?;
        Ok(secrets)
    }

    /// Whether this secret is granted.
    pub fn has_secret(&self, name: &str) -> bool {
        self.secrets.contains_key(name)
    }

    fn allowed(&self, asks: &BTreeSet<Ask>) -> Vec<Ask> {
        let granted = self.grants.iter().map(|grant| &grant.ask);
        let open = asks.iter().filter(|ask| !self.decides(ask.kind()));
        granted.chain(open).cloned().collect()
    }

    /// Whether the sidecar has the last word on this kind. Values come from
    /// nowhere else.
    fn decides(&self, kind: AskKind) -> bool {
        matches!(kind, AskKind::Config | AskKind::Secret) || self.decided.contains(&kind)
    }
}

impl Grant {
    fn mistake(&self, asks: &BTreeSet<Ask>) -> Mistake {
        let kind = self.ask.kind();
        let asked = asks.iter().filter(|ask| ask.kind() == kind);
        let asked: Vec<String> = asked.map(Ask::value).collect();
        let value = self.ask.value();
        let mut problem = format!("`{value}` is wider than what the handler asks for, which is ");
        match asked.as_slice() {
            [] => problem.push_str("nothing of the kind: its code must ask first"),
            asked => problem.push_str(&asked.join(", ")),
        }
        if let Some(meant) = did_you_mean(&value, asked.iter().map(String::as_str)) {
            problem.push_str(&format!("; did you mean `{meant}`?"));
        }
        Mistake {
            line: Some(self.line),
            key: self.key.clone(),
            problem,
        }
    }
}

/// The names in a table that the operator chose, if there are not too many.
fn names<'a>(table: &mut Table<'a>) -> Vec<&'a str> {
    let names = table.keys();
    if let Some(name) = names.get(limits::GRANTS_MAX) {
        let max = limits::GRANTS_MAX;
        table.mistake(name, format!("is one too many; there may be {max}"));
    }
    names
}

fn named(table: &str, kind: AskKind, name: &str, line: usize) -> Result<Grant, String> {
    let (ask, key) = (ask(kind, name)?, format!("{table}.{name}"));
    Ok(Grant { ask, key, line })
}

fn ask(kind: AskKind, value: &str) -> Result<Ask, String> {
    Ask::new(kind, value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    fn asks() -> BTreeSet<Ask> {
        let texts = [
            "http api.example.com",
            "http mail.example.com",
            "state orders",
            "config region",
            "config retries",
            "secret token",
            "publish out.*",
        ];
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn parse(text: &str) -> Result<SidecarGrants, Mistakes> {
        document::read(text, SidecarGrants::parse)
    }

    fn texts(asks: Vec<Ask>) -> Vec<String> {
        asks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_sidecar_has_the_last_word_on_each_kind_that_it_names() {
        let check = |text: &str, expected: &[&str]| {
            let withheld = texts(parse(text).unwrap().withheld(&asks()));
            assert_eq!(withheld, expected, "{text}");
        };
        // Values come from the sidecar alone.
        let values = ["config region", "config retries", "secret token"];
        check("", &values);
        check("[grants]", &values);
        check(
            "[config]\nregion = 'eu'",
            &["config retries", "secret token"],
        );
        let narrow = "[grants]\nhttp = ['mail.example.com']\nstate = []\npublish = ['out.a']";
        let narrowed = ["http api.example.com:443", "state orders"];
        check(
            narrow,
            &[&narrowed, &values[..], &["publish out.*"]].concat(),
        );
    }

    #[test]
    fn a_handler_may_do_what_is_left_of_what_it_asks_for() {
        let text = r#"
            [grants]
            http = ["API.example.com"]
            networks = ["10.0.0.0/8"]
            publish = ["out.a", "out.b.*"]
            [config]
            region = "eu"
            retries = 3
            [secrets]
            token = { file = "token" }
        "#;
        let handlers = tempfile::tempdir().unwrap();
        std::fs::write(handlers.path().join("token"), "hunter2\n").unwrap();
        let sidecar = parse(text).unwrap();
        let mut settings = settings();
        sidecar.narrow(&asks(), &mut settings);
        let expected = Grants {
            http: vec!["api.example.com".parse().unwrap()],
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            // Approved, and the sidecar says nothing of it.
            state: vec!["orders".to_owned()],
            config: [("region", "eu"), ("retries", "3")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            secrets: BTreeMap::new(),
        };
        assert_eq!(settings.grants, expected);
        let publishes = settings.publishes.iter().map(ToString::to_string);
        assert_eq!(publishes.collect::<Vec<_>>(), ["out.a", "out.b.*"]);
        let secrets = sidecar.secrets(handlers.path()).unwrap();
        assert_eq!(
            secrets,
            [("token".to_owned(), Secret::new("hunter2"))].into()
        );
    }

    fn settings() -> Settings {
        Settings::of(&waystation_core::Descriptor {
            description: String::new(),
            subscriptions: Vec::new(),
            publishes: Vec::new(),
            capabilities: Vec::new(),
            order: waystation_core::Order::None,
            instances: waystation_core::Instances::Fresh,
        })
    }

    #[test]
    fn a_grant_is_never_wider_than_what_the_handler_asks_for() {
        let text = "[grants]\nhttp = [\n'api.exmaple.com', 'api.example.com:80']\n\
                    publish = ['out.x', 'in.*']\nstate = ['orders']\n\
                    [config]\nregoin = 'eu'\n[secrets]\npassword = { env = 'P' }";
        let check = |asks: &BTreeSet<Ask>, text: &str, expected: &[&str]| {
            let mistakes = parse(text).unwrap();
            let mistakes: Vec<_> = mistakes.too_wide(asks).map(|m| m.to_string()).collect();
            assert_eq!(mistakes, expected);
        };
        let hosts = "api.example.com:443, mail.example.com:443";
        check(
            &asks(),
            text,
            &[
                &format!(
                    "line 3: `grants.http`: `api.exmaple.com:443` is wider than what the handler \
                     asks for, which is {hosts}; did you mean `api.example.com:443`?"
                ),
                &format!(
                    "line 3: `grants.http`: `api.example.com:80` is wider than what the handler \
                     asks for, which is {hosts}; did you mean `api.example.com:443`?"
                ),
                "line 4: `grants.publish`: `in.*` is wider than what the handler asks for, which \
                 is out.*",
                "line 7: `config.regoin`: `regoin` is wider than what the handler asks for, which \
                 is region, retries; did you mean `region`?",
                "line 9: `secrets.password`: `password` is wider than what the handler asks for, \
                 which is token",
            ],
        );
        check(
            &BTreeSet::new(),
            "[grants]\nstate = ['orders']",
            &[
                "line 2: `grants.state`: `orders` is wider than what the handler asks for, which \
                 is nothing of the kind: its code must ask first",
            ],
        );
    }

    #[test]
    fn every_mistake_is_named_and_no_secret_shown() {
        let check = |text: &str, expected: &[&str]| {
            let mistakes = parse(text).unwrap_err().to_string();
            assert_eq!(mistakes.lines().collect::<Vec<_>>(), expected, "{text}");
        };
        check(
            "[grants]\nhttp = ['https://a']\nstate = ['a b', 3]\nnetworks = ['10.0.0.1']\nhtp = []",
            &[
                "line 2: `grants.http[0]`: `https://a` is no host; write a name or an address, \
                 with a port unless it is 443, such as `api.example.com` or `10.0.0.5:8080`",
                "line 3: `grants.state[0]`: `a b` is no name: it has between 1 and 128 letters, \
                 digits and signs of ASCII and no space",
                "line 3: `grants.state[1]`: write a string, not 3",
                "line 4: `grants.networks[0]`: `10.0.0.1` is no network; write it like \
                 `10.1.0.0/16` or `fd00::/8`",
                "line 5: `grants.htp`: no such key; did you mean `http`?",
            ],
        );
        check(
            "[config]\nlist = []\n'a b' = 'c'",
            &[
                "line 2: `config.list`: write a string, not a list",
                "line 3: `config.a b`: `a b` is no name: it has between 1 and 128 letters, digits and \
                 signs of ASCII and no space",
            ],
        );
        let form = "write { env = \"VARIABLE\" } or { file = \"PATH\" }; the secret itself does \
                    not belong here";
        check(
            "[secrets]\na = 'hunter2'\nb = {}\nc = { env = 'C', file = 'c' }\nd = { fil = 'd' }\n\
             e = { env = '' }",
            &[
                &format!("line 2: `secrets.a`: {form}"),
                "line 3: `secrets.b.env`: is missing; write here `env` or `file`",
                "line 4: `secrets.c.file`: a secret has one place: `env` or `file`",
                "line 5: `secrets.d.env`: is missing; write here `env` or `file`",
                "line 5: `secrets.d.fil`: no such key; did you mean `file`?",
                "line 6: `secrets.e.env`: must not be empty",
            ],
        );
        let long = "x".repeat(limits::GRANT_VALUE_BYTES_MAX + 1);
        check(
            &format!("[config]\na = '{long}'"),
            &["line 2: `config.a`: must have at most 65536 bytes"],
        );
    }

    #[test]
    fn there_are_only_so_many_of_a_kind() {
        let lines = |count: usize| {
            let lines = (0..count).map(|number| format!("k{number:03} = 1\n"));
            format!("[config]\n{}", lines.collect::<String>())
        };
        assert!(parse(&lines(limits::GRANTS_MAX)).is_ok());
        let error = parse(&lines(limits::GRANTS_MAX + 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 258: `config.k256`: is one too many; there may be 256"
        );
    }

    #[test]
    fn a_secret_that_is_not_there_is_named_by_its_line() {
        let grants = parse("[secrets]\ntoken = { file = 'gone' }").unwrap();
        let error = grants.secrets(Path::new("/handlers")).unwrap_err();
        let expected = "line 2: `secrets.token`: `/handlers/gone` cannot be read: ";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
