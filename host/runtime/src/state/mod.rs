//! Durable state, as a guest sees it: a few interfaces of `wasi:keyvalue` over
//! what the host keeps.
//!
//! Nothing is written while an attempt runs: it stages its writes, remembers at
//! which versions it read, and both end up in what is settled with its outcome.

mod kept;
mod keyvalue;
mod staging;

use async_trait::async_trait;
use waystation_core::{StateKeys, StateValue};

pub use keyvalue::Bucket;
pub(crate) use staging::{Staged, Staging};

/// Where attempts read durable state.
#[async_trait]
pub trait State: Send + Sync {
    /// The value of a key, with its version.
    async fn get(&self, namespace: &str, key: &str) -> Result<Option<StateValue>, StateError>;

    /// The keys of a namespace after a key (none: from the first), in the order
    /// of their bytes, at most `limit`.
    async fn keys(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StateKeys, StateError>;
}

/// State cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state cannot be read: {0}")]
pub struct StateError(pub String);

/// The state of a host that keeps none.
pub(crate) struct NoState;

#[async_trait]
impl State for NoState {
    async fn get(&self, _: &str, _: &str) -> Result<Option<StateValue>, StateError> {
        Err(StateError("this host keeps none".into()))
    }

    async fn keys(&self, _: &str, _: Option<&str>, _: usize) -> Result<StateKeys, StateError> {
        Err(StateError("this host keeps none".into()))
    }
}
