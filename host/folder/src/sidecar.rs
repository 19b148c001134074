//! The operator's word on a handler: `NAME.toml` beside `NAME.wasm`.

use std::collections::BTreeSet;
use std::time::Duration;

use waystation_core::limits;
use waystation_core::{
    Ask, Descriptor, Filter, Instances, Order, RetryPolicy, Settings, Start, Timestamp, TypePattern,
};

use crate::document::{self, Mistake, Mistakes, Table, Value};
use crate::grants::SidecarGrants;

const ORDERS: [(&str, Order); 2] = [("none", Order::None), ("key", Order::Key)];

const INSTANCES: [(&str, Instances); 2] =
    [("fresh", Instances::Fresh), ("reused", Instances::Reused)];

/// What an operator says about a handler. What is not said is left to the
/// handler's descriptor and to the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    subscriptions: Option<Vec<Filter>>,
    start: Option<Start>,
    order: Option<Order>,
    instances: Option<Instances>,
    concurrency: Option<u32>,
    timeout: Option<Duration>,
    memory_bytes: Option<usize>,
    retry: Option<RetryPolicy>,
    grants: SidecarGrants,
}

impl Sidecar {
    /// Reads a sidecar.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        document::read(text, |root| Self {
            subscriptions: subscriptions(root),
            start: root.key("start", start),
            order: root.key("order", |value| value.choice(&ORDERS)),
            instances: root.key("instances", |value| value.choice(&INSTANCES)),
            concurrency: root.key("concurrency", |value| {
                value.integer(1..=limits::CONCURRENCY_MAX)
            }),
            timeout: root.key("timeout", |value| {
                value.duration(limits::SIDECAR_DURATION_MIN..=limits::ATTEMPT_TIMEOUT_MAX)
            }),
            memory_bytes: root.key("memory", |value| {
                value.bytes(limits::MEMORY_BYTES_MIN..=limits::MEMORY_BYTES_MAX)
            }),
            retry: root.table("retry", retry),
            grants: SidecarGrants::parse(root),
        })
    }

    /// What the sidecar grants.
    /// Whether it grants this secret.
    pub fn grants_secret(&self, name: &str) -> bool {
        self.grants.has_secret(name)
    }

    pub(crate) fn grants(&self) -> &SidecarGrants {
        &self.grants
    }

    /// What holds for a handler that says this of itself, asks for this and was
    /// let in. Its secrets are not read yet.
    ///
    /// # Errors
    /// Grants that are wider than what the handler asks for, or no subscription
    /// from either side.
    pub fn apply(
        &self,
        descriptor: &Descriptor,
        asks: &BTreeSet<Ask>,
    ) -> Result<Settings, Mistakes> {
        let mut mistakes = Vec::new();
        let mut settings = Settings::of(descriptor);
        if let Some(subscriptions) = &self.subscriptions {
            settings.subscriptions.clone_from(subscriptions);
        }
        if settings.subscriptions.is_empty() {
            mistakes.push(no_subscriptions());
        }
        mistakes.extend(self.grants.too_wide(asks));
        self.grants.narrow(asks, &mut settings);
        settings.start = self.start.unwrap_or(settings.start);
        settings.order = self.order.unwrap_or(settings.order);
        settings.instances = self.instances.unwrap_or(settings.instances);
        settings.concurrency = self.concurrency.unwrap_or(settings.concurrency);
        settings.timeout = self.timeout.unwrap_or(settings.timeout);
        settings.memory_bytes = self.memory_bytes.unwrap_or(settings.memory_bytes);
        settings.retry = self.retry.clone().unwrap_or(settings.retry);
        Mistakes::check(mistakes)?;
        Ok(settings)
    }
}

fn no_subscriptions() -> Mistake {
    Mistake {
        line: None,
        key: "subscriptions".to_owned(),
        problem: "the handler itself asks for no events, so name here which it gets, such as \
                  [{ types = [\"com.example.orders.*\"] }]"
            .to_owned(),
    }
}

fn subscriptions(root: &mut Table<'_>) -> Option<Vec<Filter>> {
    root.tables("subscriptions", 1..=limits::SUBSCRIPTIONS_MAX, |table| {
        table.require("types");
        let types = table.list("types", 1..=limits::SUBSCRIPTIONS_MAX, pattern);
        Filter {
            types: types.unwrap_or_default(),
            source: table.key("source", attribute),
            subject: table.key("subject", attribute),
        }
    })
}

fn pattern(value: Value<'_>) -> Result<TypePattern, String> {
    TypePattern::try_from(value.string()?).map_err(|error| error.to_string())
}

fn attribute(value: Value<'_>) -> Result<String, String> {
    let text = value.string()?;
    if text.is_empty() || text.len() > limits::ATTRIBUTE_BYTES_MAX {
        return Err(format!(
            "must have between 1 and {} bytes; leave the key out to get all",
            limits::ATTRIBUTE_BYTES_MAX
        ));
    }
    Ok(text)
}

fn start(value: Value<'_>) -> Result<Start, String> {
    if value.is("next") {
        return Ok(Start::Next);
    }
    if value.is("earliest") {
        return Ok(Start::Earliest);
    }
    let shape = "\"next\", \"earliest\", or a time such as \"2026-01-31T12:00:00Z\"";
    let moment = value.moment().map_err(|_| value.expected(shape))?;
    let millis =
        u64::try_from(moment.as_millisecond()).map_err(|_| "must not be before 1970".to_owned())?;
    Ok(Start::At(Timestamp::from_millis(millis)))
}

fn retry(table: &mut Table<'_>) -> RetryPolicy {
    let pauses = limits::SIDECAR_DURATION_MIN..=limits::RETRY_PAUSE_MAX;
    let ages = limits::SIDECAR_DURATION_MIN..=limits::RETRY_AGE_MAX;
    let attempts = table.key("attempts", |value| {
        value.integer(1..=limits::RETRY_ATTEMPTS_MAX)
    });
    let first = table.key("first", |value| value.duration(pauses.clone()));
    let max = table.key("max", |value| value.duration(pauses));
    let max_age = table.key("max_age", |value| value.duration(ages));
    if first.zip(max).is_some_and(|(first, max)| first > max) {
        table.mistake("first", "the first pause must not be longer than `max`");
    }
    let default = RetryPolicy::default();
    RetryPolicy {
        attempts: attempts.unwrap_or(default.attempts),
        first: first.unwrap_or(default.first),
        max: max.unwrap_or(default.max),
        max_age: max_age.unwrap_or(default.max_age),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> Descriptor {
        Descriptor {
            description: "Ships.".into(),
            subscriptions: vec![filter("orders.paid", None)],
            publishes: vec![types("shipping.*"), types("mail.wanted")],
            capabilities: Vec::new(),
            order: Order::Key,
            instances: Instances::Reused,
        }
    }

    fn types(text: &str) -> TypePattern {
        TypePattern::try_from(text.to_owned()).unwrap()
    }

    fn filter(pattern: &str, source: Option<&str>) -> Filter {
        Filter {
            types: vec![types(pattern)],
            source: source.map(str::to_owned),
            subject: None,
        }
    }

    fn settings(text: &str) -> Settings {
        applied(text, &descriptor()).unwrap()
    }

    fn applied(text: &str, descriptor: &Descriptor) -> Result<Settings, Mistakes> {
        let asks = Ask::all_of(descriptor).unwrap();
        Sidecar::parse(text)?.apply(descriptor, &asks)
    }

    #[test]
    fn without_a_word_the_descriptor_holds() {
        assert_eq!(settings(""), Settings::of(&descriptor()));
    }

    #[test]
    fn every_key_has_its_effect() {
        let text = r#"
            subscriptions = [{ types = ["a.*"], source = "/orders" }, { types = ["b"] }]
            start = "earliest"
            order = "none"
            instances = "fresh"
            concurrency = 4
            timeout = "250ms"
            memory = "32MiB"
            [retry]
            attempts = 3
            first = "2s"
            max = "1m"
            max_age = "2d"
            [grants]
            publish = ["shipping.parcels.*"]
        "#;
        let expected = Settings {
            description: "Ships.".into(),
            subscriptions: vec![filter("a.*", Some("/orders")), filter("b", None)],
            publishes: vec![types("shipping.parcels.*")],
            grants: waystation_core::Grants::default(),
            start: Start::Earliest,
            order: Order::None,
            instances: Instances::Fresh,
            concurrency: 4,
            timeout: Duration::from_millis(250),
            memory_bytes: 32 << 20,
            retry: RetryPolicy {
                attempts: 3,
                first: Duration::from_secs(2),
                max: Duration::from_secs(60),
                max_age: Duration::from_secs(2 * 24 * 60 * 60),
            },
        };
        assert_eq!(settings(text), expected);
    }

    #[test]
    fn a_start_is_a_word_or_a_time() {
        let check = |text: &str, start| assert_eq!(settings(text).start, start, "{text}");
        let noon = Start::At(Timestamp::from_millis(1_769_860_800_000));
        check("start = 'next'", Start::Next);
        check("start = '2026-01-31T12:00:00Z'", noon);
        check("start = '2026-01-31T13:00:00+01:00'", noon);
        check("start = 2026-01-31T12:00:00Z", noon);
    }

    #[test]
    fn every_mistake_is_named_with_its_line_and_key() {
        let check = |text: &str, expected: &[&str]| {
            let mistakes = Sidecar::parse(text).unwrap_err().to_string();
            assert_eq!(mistakes.lines().collect::<Vec<_>>(), expected, "{text}");
        };
        check(
            "timeot = '5s'\n\n[retry]\natempts = 3\nfirst = '5'\n[grant]",
            &[
                "line 1: `timeot`: no such key; did you mean `timeout`?",
                "line 4: `retry.atempts`: no such key; did you mean `attempts`?",
                "line 5: `retry.first`: write a number and a unit (ms, s, m, h or d), such as \"5s\", not \"5\"",
                "line 6: `grant`: no such key; did you mean `grants`?",
            ],
        );
        check(
            "frobnicate = 1",
            &[
                "line 1: `frobnicate`: no such key; known are subscriptions, start, order, instances, concurrency, timeout, memory, retry, grants, config, secrets",
            ],
        );
        check(
            "concurrency = 0\ntimeout = '1h'\nmemory = '1GiB'",
            &[
                "line 1: `concurrency`: must be between 1 and 256, not 0",
                "line 2: `timeout`: must be between 1ms and 15m, not 1h",
                "line 3: `memory`: must be between 64KiB and 512MiB, not 1GiB",
            ],
        );
        check(
            "concurrency = '4'\nmemory = '64MB'\ntimeout = 5",
            &[
                "line 1: `concurrency`: write an integer, not \"4\"",
                "line 2: `memory`: write a number and a unit (B, KiB, MiB, GiB or TiB), such as \"64MiB\", not \"64MB\"",
                "line 3: `timeout`: write a number and a unit (ms, s, m, h or d), such as \"5s\", not 5",
            ],
        );
        check(
            "order = 'keys'\ninstances = 'none'\nstart = 'soon'",
            &[
                "line 1: `order`: `keys`: did you mean \"key\"?",
                "line 2: `instances`: write \"fresh\" or \"reused\", not \"none\"",
                "line 3: `start`: write \"next\", \"earliest\", or a time such as \"2026-01-31T12:00:00Z\", not \"soon\"",
            ],
        );
        check(
            "start = 1969-01-01T00:00:00Z",
            &["line 1: `start`: must not be before 1970"],
        );
        check(
            "subscriptions = [{ types = ['a', '*.b'] }, { type = ['a'] },\n { types = [], source = '' }, 'a']",
            &[
                "line 1: `subscriptions[0].types[1]`: `*.b`: a `*` may stand only at the end, after a dot, as in `com.example.orders.*`",
                "line 1: `subscriptions[1].types`: is missing",
                "line 1: `subscriptions[1].type`: no such key; did you mean `types`?",
                "line 2: `subscriptions[2].types`: must have between 1 and 256 items, not 0",
                "line 2: `subscriptions[2].source`: must have between 1 and 8192 bytes; leave the key out to get all",
                "line 2: `subscriptions[3]`: write a table, not a string",
            ],
        );
        check(
            "subscriptions = []",
            &["line 1: `subscriptions`: must have between 1 and 256 items, not 0"],
        );
        check(
            "[retry]\nfirst = '2m'\nmax = '1m'\nattempts = 0",
            &[
                "line 2: `retry.first`: the first pause must not be longer than `max`",
                "line 4: `retry.attempts`: must be between 1 and 1000, not 0",
            ],
        );
        check("retry = 3", &["line 1: `retry`: write a table, not 3"]);
    }

    #[test]
    fn text_that_is_no_toml_names_the_line() {
        let mistakes = Sidecar::parse("order = 'key'\ntimeout 5s\n").unwrap_err();
        assert_eq!(mistakes.iter().next().unwrap().line, Some(2), "{mistakes}");
    }

    #[test]
    fn somebody_must_name_a_subscription() {
        let silent = Descriptor {
            subscriptions: Vec::new(),
            ..descriptor()
        };
        let mistakes = applied("", &silent).unwrap_err();
        assert!(
            mistakes.to_string().contains("asks for no events"),
            "{mistakes}"
        );
        let settings = applied("subscriptions = [{ types = ['a'] }]", &silent).unwrap();
        assert_eq!(settings.subscriptions, [filter("a", None)]);
    }
}
