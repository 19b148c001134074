//! What surrounds a handler under test.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::outside::{Outside, States};
use super::{Attempt, Outcome, attempt, fail};
use crate::{Event, Handler, RawData};

/// The state and the settings that a handler finds. State stays from one
/// delivery to the next, as in a host.
#[derive(Clone, Debug, Default)]
pub struct World {
    states: States,
    settings: BTreeMap<String, String>,
}

impl World {
    /// A world without state and settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a value of state, as JSON.
    ///
    /// # Panics
    /// When the value cannot be written as JSON.
    #[must_use]
    #[track_caller]
    pub fn with_state(mut self, namespace: &str, key: &str, value: &impl Serialize) -> Self {
        let bytes = match serde_json::to_vec(value) {
            Ok(bytes) => bytes,
            Err(error) => fail(format!("the state `{key}` cannot be written: {error}")),
        };
        let keys = self.states.entry(namespace.to_owned()).or_default();
        keys.insert(key.to_owned(), bytes);
        self
    }

    /// The same with a value of configuration or a secret.
    #[must_use]
    pub fn with_config(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
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
            Err(error) => fail(format!("the state `{key}` is another value: {error}")),
        }
    }

    /// Makes a first attempt at an event.
    ///
    /// # Panics
    /// As [`deliver`](super::deliver) does.
    #[track_caller]
    pub fn deliver<H: Handler>(&mut self, event: Event<RawData>) -> Attempt {
        self.deliver_again::<H>(event, 1)
    }

    /// Makes an attempt of the given number, from 1.
    ///
    /// # Panics
    /// As [`deliver`](super::deliver) does.
    #[track_caller]
    pub fn deliver_again<H: Handler>(&mut self, event: Event<RawData>, number: u32) -> Attempt {
        let staged = Rc::new(RefCell::new(self.states.clone()));
        let outside = Outside::new(&H::DESCRIPTOR, Rc::clone(&staged), &self.settings);
        let attempt = attempt::<H>(event, number, outside);
        if attempt.outcome == Outcome::Ack {
            self.states = staged.take();
        }
        attempt
    }
}
