//! A generation: a component under settings, ready for attempts.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
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
use crate::http::Caller;
use crate::sandbox::{self, Instance, Reach, Sandbox};

/// A component under settings, ready for attempts.
pub struct Generation {
    engine: Engine,
    name: HandlerName,
    component: Component,
    settings: Settings,
    reach: Arc<Reach>,
    /// Instances that served an attempt and may serve another, each with its
    /// place among those of all handlers. Always empty where each attempt gets a
    /// fresh one.
    idle: Mutex<Vec<(Instance, OwnedSemaphorePermit)>>,
}

/// The instance that answered, and its answer.
type Answered = (Handler, Result<Vec<types::Draft>, types::Failure>);

/// What a function of the host panicked with.
type Panic = Box<dyn Any + Send>;

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
            reach: Arc::new(Reach::new(&settings.grants, settings.memory_bytes)),
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
        let (answer, state) = self.run(request).await;
        let (outcome, drafts) = match answer {
            Ok(drafts) => (Outcome::Ack, drafts),
            Err(outcome) => (outcome, Vec::new()),
        };
        let state = match outcome {
            Outcome::Ack | Outcome::Reject(_) => state,
            // Whatever it saw, it will see again.
            Outcome::Retry(_) => StateAccess::default(),
        };
        Ended {
            outcome,
            drafts,
            state,
            took: begun.elapsed(),
        }
    }

    async fn run(&self, request: Request<'_>) -> (Result<Vec<Draft>, Outcome>, StateAccess) {
        let deadline = Instant::now() + self.settings.timeout;
        let (mut store, handler, served) = self.instance(&request, deadline);
        let called = {
            let call = AssertUnwindSafe(self.call(&mut store, handler, request)).catch_unwind();
            within(self.settings.timeout, call).await
        };
        store.data().log().finish();
        let state = store.data_mut().staging().take();
        (self.conclude(called, store, served), state)
    }

    /// What is to be published, or why nothing is.
    fn conclude(
        &self,
        called: Option<Result<wasmtime::Result<Answered>, Panic>>,
        store: Store<Sandbox>,
        served: u32,
    ) -> Result<Vec<Draft>, Outcome> {
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
        let drafts = answer.map_err(|failure| convert::failure(failure, store.data().scrub()))?;
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
    fn instance(
        &self,
        request: &Request<'_>,
        deadline: Instant,
    ) -> (Store<Sandbox>, Option<Handler>, u32) {
        let speaker = Speaker {
            handler: self.name.clone(),
            generation: self.component.digest,
            event: request.event.id.clone(),
            attempt: request.attempt,
        };
        let caller = Caller {
            delivery: request.delivery.to_owned(),
            traceparent: request.event.extensions.get("traceparent").cloned(),
            deadline,
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
                store.data_mut().begin(speaker, caller);
                sandbox::arm(&mut store);
                (store, Some(handler), served)
            }
            None => {
                let sandbox = Sandbox::new(&self.engine, &self.reach, speaker, caller);
                (sandbox::store(&self.engine.wasmtime, sandbox), None, 0)
            }
        }
    }

    async fn call(
        &self,
        store: &mut Store<Sandbox>,
        handler: Option<Handler>,
        request: Request<'_>,
    ) -> wasmtime::Result<Answered> {
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
    /// place for it. One that left a request under way may not: what the attempt
    /// began ends with it.
    fn keep(&self, instance: Instance) {
        if self.settings.instances == Instances::Reused
            && instance.served < limits::INSTANCE_REUSES_MAX
            && !instance.store.data().calls().are_open()
            && let Ok(place) = self.engine.idle.clone().try_acquire_owned()
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < self.settings.concurrency as usize {
                idle.push((instance, place));
            }
        }
    }
}
