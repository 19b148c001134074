//! What surrounds a handler under test.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::http::Answers;
use super::outside::{Outside, States, Surroundings};
use super::{Attempt, Change, Outcome, fail, log, panics};
use crate::{Context, Descriptor, Draft, Event, Handler, HandlerError, RawData};

/// What a handler finds: state, settings, the time, chance, and the answers of
/// other hosts. It stays from one delivery to the next, and so do the changes of
/// state of those that were handled, as in a host.
#[derive(Clone, Debug)]
pub struct World {
    states: States,
    settings: BTreeMap<String, String>,
    now: SystemTime,
    random: Vec<u8>,
    drawn: usize,
    answers: Vec<Answers>,
}

/// 2026-01-01T00:00:00Z, so that a test does not depend on when it runs.
const NOW: Duration = Duration::from_secs(1_767_225_600);

impl Default for World {
    fn default() -> Self {
        Self {
            states: States::new(),
            settings: BTreeMap::new(),
            now: SystemTime::UNIX_EPOCH + NOW,
            random: (0..=u8::MAX).collect(),
            drawn: 0,
            answers: Vec::new(),
        }
    }
}

impl World {
    /// A world without state, settings and other hosts, at the beginning of 2026.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a value of state, as JSON.
    ///
    /// # Panics
    /// When the value cannot be written as JSON.
    #[must_use]
    #[track_caller]
    pub fn with_state(
        mut self,
        namespace: &str,
        key: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Self {
        let bytes = match serde_json::to_vec(value) {
            Ok(bytes) => bytes,
            Err(error) => fail(&format!("the state `{key}` cannot be written: {error}")),
        };
        let keys = self.states.entry(namespace.to_owned()).or_default();
        keys.insert(key.to_owned(), bytes);
        self
    }

    /// The same with a value of configuration.
    #[must_use]
    pub fn with_config(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The same with a secret.
    #[must_use]
    pub fn with_secret(self, name: &str, value: &str) -> Self {
        self.with_config(name, value)
    }

    /// The same at a time, such as `2026-03-14T10:00:00Z` (RFC 3339, in UTC).
    ///
    /// # Panics
    /// When the text is no such time.
    #[must_use]
    #[track_caller]
    pub fn with_now(mut self, time: &str) -> Self {
        self.now = match humantime::parse_rfc3339(time) {
            Ok(now) => now,
            Err(_) => fail(&format!(
                "expected a time such as `2026-03-14T10:00:00Z`, found `{time}`"
            )),
        };
        self
    }

    /// The same with these random bytes, which are drawn in turn, again and again.
    /// Without, they are 0, 1, 2 and so on.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    #[track_caller]
    pub fn with_random(mut self, bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            fail("expected random bytes, found none");
        }
        bytes.clone_into(&mut self.random);
        self.drawn = 0;
        self
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    /// What another host answers to requests of this method and exactly this URL.
    ///
    /// # Panics
    /// When the URL is none that a handler can call.
    #[track_caller]
    pub fn http(&mut self, method: &str, url: &str) -> &mut Answers {
        let new = Answers::new(method, url);
        let known = self.answers.iter().position(|known| known.are_for(&new));
        let index = known.unwrap_or_else(|| {
            self.answers.push(new);
            self.answers.len() - 1
        });
        match self.answers.get_mut(index) {
            Some(answers) => answers,
            None => fail("the answers that were just set are gone"),
        }
    }

    /// A value of state, from JSON.
    ///
    /// # Panics
    /// When it is there and is no such value.
    #[track_caller]
    pub fn state<T: DeserializeOwned>(&self, namespace: &str, key: &str) -> Option<T> {
        let bytes = self.states.get(namespace)?.get(key)?;
        match serde_json::from_slice(bytes) {
            Ok(value) => Some(value),
            Err(error) => fail(&format!("the state `{key}` is another value: {error}")),
        }
    }

    /// Makes a first attempt at an event.
    ///
    /// # Panics
    /// As [`deliver`](super::deliver) does, and when the handler makes a call to
    /// which the world has no answer.
    #[track_caller]
    pub fn deliver<H: Handler>(&mut self, event: Event<RawData>) -> Attempt {
        self.deliver_again::<H>(event, 1)
    }

    /// Makes an attempt of the given number, from 1.
    ///
    /// # Panics
    /// As [`deliver`](Self::deliver) does.
    #[track_caller]
    pub fn deliver_again<H: Handler>(&mut self, event: Event<RawData>, number: u32) -> Attempt {
        check_wanted(&H::DESCRIPTOR, &event);
        let surroundings = Rc::new(self.lend(H::DESCRIPTOR));
        let outside = Outside::new(&surroundings);
        let mut ctx = Context::new(format!("test-{}", event.id), number, 1, outside);
        let (ended, log) = log::collect(|| panics::catch(|| H::handle(event, &mut ctx)));
        self.take_back(&surroundings);
        if let Some(mistake) = surroundings.mistake.take() {
            fail(&mistake);
        }
        let outcome = outcome(ended);
        let mut attempt = Attempt {
            outcome,
            drafts: Vec::new(),
            changes: Vec::new(),
            log,
            calls: surroundings.calls.take(),
        };
        if attempt.outcome == Outcome::Ack {
            attempt.drafts = ctx.into_drafts();
            check_published(&H::DESCRIPTOR, &attempt.drafts);
            let states = surroundings.states.take();
            attempt.changes = changes(&self.states, &states);
            self.states = states;
        }
        attempt
    }

    fn lend(&mut self, descriptor: Descriptor) -> Surroundings {
        Surroundings {
            descriptor,
            states: RefCell::new(self.states.clone()),
            settings: self.settings.clone(),
            now: self.now,
            random: self.random.clone(),
            drawn: Cell::new(self.drawn),
            answers: RefCell::new(std::mem::take(&mut self.answers)),
            calls: RefCell::default(),
            mistake: RefCell::default(),
        }
    }

    fn take_back(&mut self, surroundings: &Surroundings) {
        self.drawn = surroundings.drawn.get();
        self.answers = surroundings.answers.take();
    }
}

fn outcome(ended: Result<Result<(), HandlerError>, String>) -> Outcome {
    match ended {
        Ok(Ok(())) => Outcome::Ack,
        Ok(Err(error)) if error.is_reject() => Outcome::Reject {
            reason: error.reason().to_owned(),
        },
        Ok(Err(error)) => Outcome::Retry {
            reason: error.reason().to_owned(),
            after: error.delay(),
        },
        Err(reason) => Outcome::Retry {
            reason,
            after: None,
        },
    }
}

/// What is another value now, was added or was deleted.
fn changes(before: &States, after: &States) -> Vec<Change> {
    let mut keys: Vec<(&String, &String)> = before
        .iter()
        .chain(after)
        .flat_map(|(namespace, keys)| keys.keys().map(move |key| (namespace, key)))
        .collect();
    keys.sort();
    keys.dedup();
    let value = |states: &States, namespace: &str, key: &str| -> Option<Vec<u8>> {
        states.get(namespace)?.get(key).cloned()
    };
    let changed = keys.into_iter().filter_map(|(namespace, key)| {
        let now = value(after, namespace, key);
        (now != value(before, namespace, key)).then(|| Change {
            namespace: namespace.clone(),
            key: key.clone(),
            value: now,
        })
    });
    changed.collect()
}

/// The host would not deliver an event that nobody asked for.
#[track_caller]
fn check_wanted(descriptor: &Descriptor, event: &Event<RawData>) {
    let same = |wanted: Option<&str>, given: Option<&str>| wanted.is_none() || wanted == given;
    let Event {
        event_type, source, ..
    } = event;
    if !matches_any(descriptor.on, event_type) {
        fail(&format!(
            "the handler does not subscribe to `{event_type}`, only to {}{}",
            list(descriptor.on),
            hint(event_type, descriptor.on.iter().copied())
        ));
    }
    if !same(descriptor.source, Some(source)) {
        fail(&format!(
            "the handler wants only events of the source `{}`, not of `{source}`",
            descriptor.source.unwrap_or_default()
        ));
    }
    if !same(descriptor.subject, event.subject.as_deref()) {
        fail(&format!(
            "the handler wants only events about the subject `{}`, not about `{}`",
            descriptor.subject.unwrap_or_default(),
            event.subject.as_deref().unwrap_or_default()
        ));
    }
}

/// The host would refuse what the attribute does not name.
#[track_caller]
fn check_published(descriptor: &Descriptor, drafts: &[Draft]) {
    for Draft { event_type, .. } in drafts {
        if !matches_any(descriptor.publishes, event_type) {
            fail(&format!(
                "the handler publishes `{event_type}`, but `publishes` in its attribute names {}{}",
                list(descriptor.publishes),
                hint(event_type, descriptor.publishes.iter().copied())
            ));
        }
    }
}

fn matches_any(patterns: &[&str], event_type: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| crate::handler::matches(pattern, event_type))
}

fn list(types: &[&str]) -> String {
    if types.is_empty() {
        return "nothing".to_owned();
    }
    let types: Vec<String> = types.iter().map(|it| format!("`{it}`")).collect();
    types.join(", ")
}

/// `; did you mean ...` where a third of the letters differ at most.
pub fn hint<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> String {
    let bound = (unknown.chars().count() / 3).max(2);
    known
        .map(|word| (strsim::osa_distance(unknown, word), word))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map_or(String::new(), |(_, word)| {
            format!("; did you mean `{word}`?")
        })
}
