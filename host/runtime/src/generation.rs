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

use crate::attempt::{Ended, Request, Seen, explain};
use crate::bindings::{Handler, types};
use crate::component::Component;
use crate::convert;
use crate::deadline::within;
use crate::engine::Engine;
use crate::guest_log::Speaker;
use crate::http::Caller;
use crate::rehearsal::{Given, GivenState, Rehearsal, Remarks, StateChange, World, restored};
use crate::sandbox::{self, Instance, Reach, Remains, Sandbox};

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

/// A store, the instance in it if it has one, and the attempts that that served.
struct Placed {
    store: Store<Sandbox>,
    handler: Option<Handler>,
    served: u32,
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

    /// What holds for the handler.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The digest of the component's bytes.
    pub fn digest(&self) -> Digest {
        self.component.digest
    }

    /// Makes one attempt. It ends within the handler's timeout, whatever the
    /// guest does, and never panics. Dropping it gives the attempt up.
    pub async fn attempt(&self, request: Request<'_>) -> Ended {
        self.attempt_judged(request, |_| true).await
    }

    /// The same, with a judge of what is to be published: what an attempt saw is
    /// there, too, if that may not be.
    pub async fn attempt_judged(
        &self,
        request: Request<'_>,
        may_be_published: impl FnOnce(&[Draft]) -> bool,
    ) -> Ended {
        let begun = Instant::now();
        let (speaker, caller) = self.identity(&request, begun + self.settings.timeout);
        let placed = self.instance(speaker, caller);
        let served_before = placed.served;
        let (answer, mut remains) = self.run(request, placed).await;
        let (outcome, drafts) = match answer {
            Ok(drafts) => (Outcome::Ack, drafts),
            Err(outcome) => (outcome, Vec::new()),
        };
        let failed = outcome != Outcome::Ack || !may_be_published(&drafts);
        let seen = failed.then(|| {
            Box::new(Seen {
                log: std::mem::take(&mut remains.log),
                served_before,
                surroundings: remains.surroundings(&self.reach.scrub),
            })
        });
        let state = match outcome {
            Outcome::Ack | Outcome::Reject(_) => remains.staged.into_access(),
            // Whatever it saw, it will see again.
            Outcome::Retry(_) => StateAccess::default(),
        };
        Ended {
            outcome,
            drafts,
            state,
            took: begun.elapsed(),
            seen,
        }
    }

    /// Makes one attempt in a given world, with a fresh instance. Nothing of it is
    /// kept, and unless the world lets HTTP out it reaches no other host.
    pub async fn rehearse(&self, request: Request<'_>, world: &World) -> Rehearsal {
        let remarks = Remarks::default();
        let image = restored(&world.state, &self.settings.grants.secrets);
        let state = GivenState {
            image: image.clone(),
            is_recorded: world.is_recorded,
            remarks: remarks.clone(),
            scrub: self.reach.scrub.clone(),
        };
        let engine = self.engine.clone().with_state(Arc::new(state));
        let begun = Instant::now();
        let (speaker, caller) = self.identity(&request, begun + self.settings.timeout);
        let given = Given::new(world, &remarks);
        let sandbox = Sandbox::new(&engine, &self.reach, speaker, caller, Some(given));
        let placed = Placed {
            store: sandbox::store(&self.engine.wasmtime, sandbox),
            handler: None,
            served: 0,
        };
        let (answer, mut remains) = self.run(request, placed).await;
        let took = begun.elapsed();
        let (outcome, drafts) = match answer {
            Ok(drafts) => (Outcome::Ack, drafts),
            Err(outcome) => (outcome, Vec::new()),
        };
        let changes = remains
            .staged
            .writes()
            .map(|(namespace, key, after)| StateChange {
                namespace: namespace.to_owned(),
                key: key.to_owned(),
                before: image.value(namespace, key).cloned(),
                after: after.cloned(),
            });
        Rehearsal {
            outcome,
            drafts,
            changes: changes.collect(),
            log: std::mem::take(&mut remains.log),
            took,
            memory_bytes: remains.memory_bytes,
            is_http_cut: remains.is_http_cut(),
            surroundings: remains.surroundings(&self.reach.scrub),
            remarks: remarks.list(),
        }
    }

    async fn run(
        &self,
        request: Request<'_>,
        placed: Placed,
    ) -> (Result<Vec<Draft>, Outcome>, Remains) {
        let Placed {
            mut store,
            handler,
            served,
        } = placed;
        let called = {
            let call = AssertUnwindSafe(self.call(&mut store, handler, request)).catch_unwind();
            within(self.settings.timeout, call).await
        };
        let remains = store.data_mut().finish();
        (self.conclude(called, store, served), remains)
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

    /// Who speaks and calls in an attempt.
    fn identity(&self, request: &Request<'_>, deadline: Instant) -> (Speaker, Caller) {
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
        (speaker, caller)
    }

    /// An instance that served before, or the place for a new one.
    fn instance(&self, speaker: Speaker, caller: Caller) -> Placed {
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
                Placed {
                    store,
                    handler: Some(handler),
                    served,
                }
            }
            None => {
                let sandbox = Sandbox::new(&self.engine, &self.reach, speaker, caller, None);
                Placed {
                    store: sandbox::store(&self.engine.wasmtime, sandbox),
                    handler: None,
                    served: 0,
                }
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
            && !instance.store.data().is_rehearsal()
            && let Ok(place) = self.engine.idle.clone().try_acquire_owned()
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < self.settings.concurrency as usize {
                idle.push((instance, place));
            }
        }
    }
}
