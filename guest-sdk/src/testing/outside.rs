//! What a handler reaches beyond its event, in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::{Descriptor, StateError};

/// Namespaces, their keys, and the values.
pub type States = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// What an attempt reaches. Changes count only if it is handled.
#[derive(Debug)]
pub struct Outside {
    granted: &'static [&'static str],
    states: Rc<RefCell<States>>,
    settings: BTreeMap<String, String>,
}

/// A namespace of state.
#[derive(Debug)]
pub struct Bucket {
    namespace: String,
    states: Rc<RefCell<States>>,
}

impl Outside {
    /// What a handler that says this of itself reaches, if the operator grants
    /// all of it.
    pub fn new(
        descriptor: &Descriptor,
        states: Rc<RefCell<States>>,
        settings: &BTreeMap<String, String>,
    ) -> Self {
        let asked =
            |key: &str| descriptor.config.contains(&key) || descriptor.secrets.contains(&key);
        Self {
            granted: descriptor.state,
            states,
            settings: settings
                .iter()
                .filter(|(key, _)| asked(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        }
    }

    pub fn open(&self, namespace: &str) -> Result<Bucket, StateError> {
        if !self.granted.contains(&namespace) {
            return Err(StateError::Denied(namespace.to_owned()));
        }
        Ok(Bucket {
            namespace: namespace.to_owned(),
            states: Rc::clone(&self.states),
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "a host may fail, memory cannot")]
    pub fn config(&self, key: &str) -> Result<Option<String>, String> {
        Ok(self.settings.get(key).cloned())
    }
}

impl Bucket {
    fn keys_of<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
        let mut states = self.states.borrow_mut();
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
