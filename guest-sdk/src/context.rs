//! What a handler knows of its attempt, and where it leaves its effects.

use std::time::SystemTime;

use serde::Serialize;

use crate::outside::Outside;
use crate::{ConfigError, Draft, EncodeError, Http, State, StateError};

/// One attempt, as the handler sees it.
#[derive(Debug)]
pub struct Context {
    delivery_id: String,
    attempt: u32,
    sequence: u64,
    drafts: Vec<Draft>,
    outside: Outside,
}

impl Context {
    pub(crate) fn new(delivery_id: String, attempt: u32, sequence: u64, outside: Outside) -> Self {
        Self {
            delivery_id,
            attempt,
            sequence,
            drafts: Vec::new(),
            outside,
        }
    }

    pub(crate) fn into_drafts(self) -> Vec<Draft> {
        self.drafts
    }

    /// Publishes an event whose data is JSON, once the handler returns `Ok`. The
    /// draft can be given a subject, extensions and a schema.
    ///
    /// # Errors
    /// When serde cannot write the data as JSON.
    pub fn publish(
        &mut self,
        event_type: &str,
        data: &impl Serialize,
    ) -> Result<&mut Draft, EncodeError> {
        Ok(self.publish_draft(Draft::json(event_type, data)?))
    }

    /// Publishes an event, once the handler returns `Ok`.
    pub fn publish_draft(&mut self, draft: Draft) -> &mut Draft {
        self.drafts.push_mut(draft)
    }

    /// The durable state of a namespace, which the attribute must name:
    /// `state = "..."`. Handlers that name the same share it.
    ///
    /// # Errors
    /// When the handler was not granted the namespace.
    pub fn state(&self, namespace: &str) -> Result<State, StateError> {
        self.outside.open(namespace).map(State::new)
    }

    /// What the operator set for a key that the attribute names:
    /// `config = "..."`.
    ///
    /// # Errors
    /// When it is not set.
    pub fn config(&self, key: &str) -> Result<String, ConfigError> {
        let value = self.outside.config(key).map_err(ConfigError::Host)?;
        value.ok_or_else(|| ConfigError::Missing(key.to_owned()))
    }

    /// A secret that the attribute names: `secrets = "..."`. Keep it out of
    /// events and log lines.
    ///
    /// # Errors
    /// When it is not set.
    pub fn secret(&self, name: &str) -> Result<String, ConfigError> {
        self.config(name)
    }

    /// Calls other hosts, which the attribute must name: `http = "..."`.
    pub fn http(&self) -> Http {
        Http::new(self.outside.clone())
    }

    /// The time. A test sets it: [`World::with_now`](crate::testing::World::with_now).
    pub fn now(&self) -> SystemTime {
        self.outside.now()
    }

    /// Random bytes, fit for secrets: others in each attempt. A test sets them:
    /// [`World::with_random`](crate::testing::World::with_random).
    ///
    /// What must be the same in every attempt comes from
    /// [`idempotency_key`](Self::idempotency_key) instead.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.outside.random_bytes(&mut bytes);
        bytes
    }

    /// The number of this attempt: 1 for the first.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The same for every attempt at this event and for no other: what to call
    /// the outside with, so that a repeated call is known as one.
    pub fn idempotency_key(&self) -> &str {
        &self.delivery_id
    }

    /// The position of the event in the host's journal.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}
