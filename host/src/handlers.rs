//! Joins the handlers folder, the runtime and dispatch, which do not know each
//! other.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use waystation_core::{Descriptor, Digest, HandlerName, Settings};
use waystation_dispatch::{Completion, Dispatch, Invocation, Invoke};
use waystation_folder::{LoadError, Loader};
use waystation_runtime::{Component, Engine, Generation, Request};

/// Compiles what the folder holds and puts it into service.
pub struct Handlers {
    /// Compiles and runs.
    pub engine: Engine,
    /// Gives work.
    pub dispatch: Dispatch,
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
        Component::load(&self.engine, handler, bytes)
            .await
            .map_err(|error| {
                if error.may_pass() {
                    LoadError::passing(error.to_string())
                } else {
                    LoadError::new(error.to_string())
                }
            })
    }

    async fn install(
        &self,
        handler: &HandlerName,
        _digest: Digest,
        component: &Component,
        settings: Settings,
    ) -> Result<(), LoadError> {
        let generation = Generation::new(
            &self.engine,
            handler.clone(),
            component.clone(),
            settings.clone(),
        );
        self.dispatch
            .install(handler.clone(), settings, Arc::new(Sandboxed(generation)))
            .await
            .map_err(|error| LoadError::passing(error.to_string()))
    }

    async fn retire(&self, handler: &HandlerName) {
        if let Err(error) = self.dispatch.retire(handler.clone()).await {
            tracing::warn!(%handler, "cannot be retired: {error}");
        }
    }
}

/// A generation as dispatch sees it.
struct Sandboxed(Generation);

#[async_trait]
impl Invoke for Sandboxed {
    fn generation(&self) -> Digest {
        self.0.digest()
    }

    async fn invoke(&self, invocation: Invocation) -> Completion {
        let delivery = invocation.delivery.to_string();
        let request = Request {
            event: &invocation.entry.event,
            delivery: &delivery,
            attempt: invocation.attempt,
            sequence: invocation.entry.sequence,
        };
        let ended = self.0.attempt(request).await;
        Completion {
            outcome: ended.outcome,
            drafts: ended.drafts,
            state: ended.state,
            took: ended.took,
        }
    }
}
