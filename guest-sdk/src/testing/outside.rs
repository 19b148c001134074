//! What a handler reaches beyond its event, in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::SystemTime;

use super::http::{Answers, Call, answer_to, missing};
use crate::http::{HttpFault, Parts, Received, without_default_port};
use crate::{Descriptor, StateError};

/// Namespaces, their keys, and the values.
pub type States = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// What an attempt reaches.
#[derive(Clone, Debug)]
pub struct Outside(Rc<Surroundings>);

/// What surrounds an attempt, and what came of it. Changes of state count only if
/// the event is handled.
#[derive(Debug)]
pub struct Surroundings {
    pub descriptor: Descriptor,
    pub states: RefCell<States>,
    pub settings: BTreeMap<String, String>,
    pub now: SystemTime,
    pub random: Vec<u8>,
    /// How many of them were drawn.
    pub drawn: Cell<usize>,
    pub answers: RefCell<Vec<Answers>>,
    pub calls: RefCell<Vec<Call>>,
    /// What the test forgot, for when the attempt is over.
    pub mistake: RefCell<Option<String>>,
}

/// A namespace of state.
#[derive(Debug)]
pub struct Bucket {
    namespace: String,
    surroundings: Rc<Surroundings>,
}

impl Outside {
    pub fn new(surroundings: &Rc<Surroundings>) -> Self {
        Self(Rc::clone(surroundings))
    }

    pub fn open(&self, namespace: &str) -> Result<Bucket, StateError> {
        if !self.0.descriptor.state.contains(&namespace) {
            return Err(StateError::Denied(namespace.to_owned()));
        }
        Ok(Bucket {
            namespace: namespace.to_owned(),
            surroundings: Rc::clone(&self.0),
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "a host may fail, memory cannot")]
    pub fn config(&self, key: &str) -> Result<Option<String>, String> {
        let Descriptor {
            config, secrets, ..
        } = self.0.descriptor;
        let is_asked = config.contains(&key) || secrets.contains(&key);
        let value = self.0.settings.get(key).filter(|_| is_asked);
        Ok(value.cloned())
    }

    pub fn send(&self, parts: &Parts<'_>) -> Result<Received, HttpFault> {
        let call = Call::of(parts);
        self.0.calls.borrow_mut().push(call.clone());
        let grant = parts.url.grant();
        let asked = self.0.descriptor.http.iter();
        let mut asked = asked.map(|host| host.to_ascii_lowercase());
        if !asked.any(|host| without_default_port(&host) == grant) {
            return Err(HttpFault::Denied(grant));
        }
        let answer = answer_to(&call, &mut self.0.answers.borrow_mut());
        answer.unwrap_or_else(|| {
            let text = missing(&call, &self.0.answers.borrow());
            self.0.mistake.borrow_mut().get_or_insert(text);
            Err(HttpFault::Unreachable("the test has no answer".to_owned()))
        })
    }

    pub fn now(&self) -> SystemTime {
        self.0.now
    }

    pub fn random_bytes(&self, bytes: &mut [u8]) {
        let drawn = self.0.drawn.get();
        self.0.drawn.set(drawn + bytes.len());
        let source = self.0.random.iter().cycle();
        let skipped = drawn % self.0.random.len().max(1);
        for (byte, random) in bytes.iter_mut().zip(source.skip(skipped)) {
            *byte = *random;
        }
    }
}

impl Bucket {
    fn keys_of<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
        let mut states = self.surroundings.states.borrow_mut();
        act(states.entry(self.namespace.clone()).or_default())
    }

    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.keys_of(|keys| keys.get(key).cloned()))
    }

    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.keys_of(|keys| keys.insert(key.to_owned(), value.to_vec()));
        Ok(())
    }

    pub fn delete(&self, key: &str) -> Result<(), StateError> {
        self.keys_of(|keys| keys.remove(key));
        Ok(())
    }

    pub fn increment(&self, key: &str, by: u64) -> Result<u64, StateError> {
        let now = match self.get(key)? {
            None => Some(0),
            Some(bytes) => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|t| t.parse().ok()),
        };
        let sum = now
            .and_then(|now: u64| now.checked_add(by))
            .ok_or_else(|| {
                StateError::Host(format!(
                    "the value of `{key}` is no number that can grow by {by}"
                ))
            })?;
        self.set(key, sum.to_string().as_bytes())?;
        Ok(sum)
    }

    pub fn keys(&self) -> Result<Vec<String>, StateError> {
        Ok(self.keys_of(|keys| keys.keys().cloned().collect()))
    }
}
