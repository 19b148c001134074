//! A generation: a component under settings, ready for attempts.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures_util::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;
use waystation_core::{
    Code, Digest, Draft, Failure, HandlerName, Instances, Outcome, Settings, StateAccess, limits,
};

use crate::attempt::{Ended, Request, explain};
use crate::bindings::{Handler, types};
use crate::component::Component;
use crate::convert;
use crate::deadline::within;
use crate::engine::Engine;
use crate::guest_log::Speaker;
use crate::sandbox::{self, Instance, Sandbox};

/// A component under settings, ready for attempts.
pub struct Generation {
    engine: Engine,
    name: HandlerName,
    component: Component,
    settings: Settings,
    /// Instances that served an attempt and may serve another, each with its
    /// place among those of all handlers. Always empty where each attempt gets a
    /// fresh one.
    idle: Mutex<Vec<(Instance, OwnedSemaphorePermit)>>,
}

impl Generation {
    /// Puts a component under settings.
    pub fn new(
        engine: &Engine,
        name: HandlerName,
        component: Component,
        settings: Settings,
    ) -> Self {
        Self {
            engine: engine.clone(),
            name,
            component,
            settings,
            idle: Mutex::default(),
        }
    }

    /// The digest of the component's bytes.
    pub fn digest(&self) -> Digest {
        self.component.digest
    }

    /// Makes one attempt. It ends within the handler's timeout, whatever the
    /// guest does, and never panics. Dropping it gives the attempt up.
    pub async fn attempt(&self, request: Request<'_>) -> Ended {
        let begun = Instant::now();
        let (outcome, drafts) = match self.run(request).await {
            Ok(drafts) => (Outcome::Ack, drafts),
            Err(outcome) => (outcome, Vec::new()),
        };
        Ended {
            outcome,
            drafts,
            state: StateAccess::default(),
            took: begun.elapsed(),
        }
    }

    async fn run(&self, request: Request<'_>) -> Result<Vec<Draft>, Outcome> {
        let (mut store, handler, served) = self.instance(&request);
        let called = {
            let call = AssertUnwindSafe(self.call(&mut store, handler, request)).catch_unwind();
            within(self.settings.timeout, call).await
        };
        store.data().log().finish();
        let (handler, answer) = match called {
            None => {
                let reason = format!("it took longer than {:?}", self.settings.timeout);
                return Err(Outcome::Retry(Failure::new(Code::Timeout, reason)));
            }
            Some(Err(_)) => {
                let reason = "a function of the host panicked during the attempt";
                return Err(Outcome::Retry(Failure::new(Code::Host, reason)));
            }
            Some(Ok(Err(error))) => return Err(Outcome::Retry(explain(&error, store.data()))),
            Some(Ok(Ok(done))) => done,
        };
        let drafts = answer.map_err(convert::failure)?;
        let drafts = convert::drafts(drafts).map_err(Outcome::Reject)?;
        self.keep(Instance {
            store,
            handler,
            served: served + 1,
        });
        Ok(drafts)
    }

    /// A store with the instance in it that served before, if there is one, and
    /// the attempts that it served.
    fn instance(&self, request: &Request<'_>) -> (Store<Sandbox>, Option<Handler>, u32) {
        let speaker = Speaker {
            handler: self.name.clone(),
            generation: self.component.digest,
            event: request.event.id.clone(),
            attempt: request.attempt,
        };
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some((instance, _place)) => {
                let Instance {
                    mut store,
                    handler,
                    served,
                } = instance;
                store.data().log().begin(speaker);
                sandbox::rearm(&mut store);
                (store, Some(handler), served)
            }
            None => {
                let sandbox = Sandbox::new(speaker, self.settings.memory_bytes);
                (sandbox::store(&self.engine.wasmtime, sandbox), None, 0)
            }
        }
    }

    async fn call(
        &self,
        store: &mut Store<Sandbox>,
        handler: Option<Handler>,
        request: Request<'_>,
    ) -> wasmtime::Result<(Handler, Result<Vec<types::Draft>, types::Failure>)> {
        let handler = match handler {
            Some(handler) => handler,
            None => self.component.pre.instantiate_async(&mut *store).await?,
        };
        let extensions: Vec<(&str, &str)> = request
            .event
            .extensions
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let event = convert::event(request.event, &extensions);
        let delivery = types::Delivery {
            id: request.delivery,
            attempt: request.attempt,
            sequence: request.sequence.0,
        };
        let answer = handler
            .waystation_events_handler()
            .call_handle(store, event, delivery)
            .await?;
        Ok((handler, answer))
    }

    /// Keeps an instance for another attempt, if it may serve one and there is a
    /// place for it.
    fn keep(&self, instance: Instance) {
        if self.settings.instances == Instances::Reused
            && instance.served < limits::INSTANCE_REUSES_MAX
            && let Ok(place) = self.engine.idle.clone().try_acquire_owned()
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < self.settings.concurrency as usize {
                idle.push((instance, place));
            }
        }
    }
}
