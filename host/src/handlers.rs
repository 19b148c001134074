//! Joins the handlers folder, the runtime and dispatch, which do not know each
//! other.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime;
use waystation_core::{
    Descriptor, Digest, Draft, Failure, HandlerName, Outcome, Settings, StateKeys, StateValue,
    Timestamp,
};
use waystation_dispatch::{Completion, Dispatch, Invocation, Invoke, published};
use waystation_folder::{LoadError, Loader};
use waystation_journal::Journal;
use waystation_runtime::{Component, Engine, Generation, Request, State, StateError};

use crate::capsules::{Capsules, FailedAttempt};

/// Compiles what the folder holds and puts it into service.
pub struct Handlers {
    /// Compiles and runs.
    pub engine: Engine,
    /// Gives work.
    pub dispatch: Dispatch,
    /// Where failed attempts are kept.
    pub capsules: Capsules,
    /// Where the code of handlers runs, and nothing else.
    pub workers: runtime::Handle,
}

#[async_trait]
impl Loader for Handlers {
    type Component = Component;

    async fn load(
        &self,
        handler: &HandlerName,
        _digest: Digest,
        bytes: Bytes,
    ) -> Result<(Component, Descriptor), LoadError> {
        load(&self.workers, &self.engine, handler, bytes).await
    }

    async fn install(
        &self,
        handler: &HandlerName,
        _digest: Digest,
        component: &Component,
        settings: Settings,
    ) -> Result<(), LoadError> {
        let sandboxed = Sandboxed {
            generation: Generation::new(
                &self.engine,
                handler.clone(),
                component.clone(),
                settings.clone(),
            ),
            settings: Arc::new(settings.clone()),
            capsules: self.capsules.clone(),
        };
        self.dispatch
            .install(handler.clone(), settings, Arc::new(sandboxed))
            .await
            .map_err(|error| LoadError::passing(error.to_string()))
    }

    async fn retire(&self, handler: &HandlerName) {
        if let Err(error) = self.dispatch.retire(handler.clone()).await {
            tracing::warn!(%handler, "cannot be retired: {error}");
        }
    }
}

/// Loads a component on the workers: it describes itself with code of its own.
async fn load(
    workers: &runtime::Handle,
    engine: &Engine,
    handler: &HandlerName,
    bytes: Bytes,
) -> Result<(Component, Descriptor), LoadError> {
    let (engine, handler) = (engine.clone(), handler.clone());
    let loading = workers.spawn(async move { Component::load(&engine, &handler, bytes).await });
    match loading.await {
        Ok(Ok(loaded)) => Ok(loaded),
        Ok(Err(error)) if error.may_pass() => Err(LoadError::passing(error.to_string())),
        Ok(Err(error)) => Err(LoadError::new(error.to_string())),
        Err(error) => Err(LoadError::passing(error.to_string())),
    }
}

/// The journal's durable state as handlers read it.
pub struct JournalState(pub Arc<dyn Journal>);

#[async_trait]
impl State for JournalState {
    async fn get(&self, namespace: &str, key: &str) -> Result<Option<StateValue>, StateError> {
        let value = self.0.state(namespace, key).await;
        value.map_err(|error| StateError(error.to_string()))
    }

    async fn keys(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StateKeys, StateError> {
        let keys = self.0.state_keys(namespace, after, limit).await;
        keys.map_err(|error| StateError(error.to_string()))
    }
}

/// A generation as dispatch sees it.
struct Sandboxed {
    generation: Generation,
    settings: Arc<Settings>,
    capsules: Capsules,
}

impl Sandboxed {
    /// What dispatch will find when it settles these drafts.
    fn refusal(&self, invocation: &Invocation, drafts: &[Draft]) -> Option<Failure> {
        if drafts.is_empty() {
            return None;
        }
        let (entry, delivery) = (&invocation.entry, &invocation.delivery);
        let now = Timestamp::default();
        published(drafts.to_vec(), entry, delivery, &self.settings, now).err()
    }
}

#[async_trait]
impl Invoke for Sandboxed {
    fn generation(&self) -> Digest {
        self.generation.digest()
    }

    async fn invoke(&self, invocation: Invocation) -> Completion {
        let delivery = invocation.delivery.to_string();
        let request = Request {
            event: &invocation.entry.event,
            delivery: &delivery,
            attempt: invocation.attempt,
            sequence: invocation.entry.sequence,
        };
        let mut refused = None;
        let judge = |drafts: &[Draft]| {
            refused = self.refusal(&invocation, drafts);
            refused.is_none()
        };
        let mut ended = self.generation.attempt_judged(request, judge).await;
        if let Some(seen) = ended.seen.take() {
            self.capsules.keep(FailedAttempt {
                digest: self.generation.digest(),
                settings: Arc::clone(&self.settings),
                outcome: refused.map_or_else(|| ended.outcome.clone(), Outcome::Reject),
                seen: *seen,
                invocation,
            });
        }
        Completion {
            outcome: ended.outcome,
            drafts: ended.drafts,
            state: ended.state,
            took: ended.took,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;
    use tokio::runtime::Builder;

    use super::*;

    /// Nothing of it happens until the workers run.
    #[test]
    fn a_component_is_loaded_by_the_workers_alone() {
        let workers = Builder::new_current_thread().build().unwrap();
        let engine = Engine::new(None).unwrap();
        let name = HandlerName::new("test").unwrap();
        let bytes = Bytes::from_static(b"no component");
        let mut loading = pin!(load(workers.handle(), &engine, &name, bytes));
        assert!(loading.as_mut().now_or_never().is_none());
        assert_eq!(workers.metrics().num_alive_tasks(), 1);
        let refused = workers.block_on(loading).err().unwrap();
        assert_eq!(refused.to_string(), "this is no WebAssembly file");
    }
}
