//! Wasmtime with the host's own engine and nothing of the host around it.

use std::thread;

use tokio::runtime::Builder;
use wasmtime::Store;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use waystation_core::{Event, Instances};
use waystation_runtime::Engine;

use crate::cpu::{Took, Whose};

mod plain {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "event-handler",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

mod fiber {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "event-handler",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// How the guest is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// On the caller's stack. Nothing can interrupt it.
    Plain,
    /// On a stack of its own, as the host does it: it gives way at each tick.
    Fiber,
}

/// A component that can be instantiated.
pub struct Bare {
    engine: Engine,
    plain: plain::EventHandlerPre<Wasi>,
    fiber: fiber::EventHandlerPre<Wasi>,
}

/// All that the imports from WASI need: an empty table and a context that knows no
/// file, no argument and no output. The other imports trap; no event calls them.
struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Wasi {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.context,
            table: &mut self.table,
        }
    }
}

/// The generated types of both ways have the same fields.
macro_rules! event {
    ($types:path, $event:expr) => {{
        use $types as types;
        types::Event {
            id: &$event.id,
            source: &$event.source,
            type_: &$event.event_type,
            subject: $event.subject.as_deref(),
            time: $event.time.as_deref(),
            data_content_type: $event.data_content_type.as_deref(),
            data_schema: $event.data_schema.as_deref(),
            extensions: &[],
            data: $event.data.as_deref(),
        }
    }};
}

macro_rules! delivery {
    ($types:path) => {{
        use $types as types;
        types::Delivery {
            id: "measured.1.0123456789ab",
            attempt: 1,
            sequence: 1,
        }
    }};
}

/// What guests import beside WASI. None logs here.
fn ignore_logs(linker: &mut Linker<Wasi>) {
    let mut logging = linker.instance("wasi:logging/logging@0.1.0-draft").unwrap();
    logging.func_new("log", |_, _, _, _| Ok(())).unwrap();
}

impl Bare {
    pub fn new(engine: &Engine, component: &[u8]) -> Self {
        let wasmtime = engine.wasmtime();
        let component = Component::new(wasmtime, component).unwrap();
        let mut linker = Linker::new(wasmtime);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
        ignore_logs(&mut linker);
        let plain = linker.instantiate_pre(&component).unwrap();
        let mut linker = Linker::new(wasmtime);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        ignore_logs(&mut linker);
        let fiber = linker.instantiate_pre(&component).unwrap();
        Self {
            engine: engine.clone(),
            plain: plain::EventHandlerPre::new(plain).unwrap(),
            fiber: fiber::EventHandlerPre::new(fiber).unwrap(),
        }
    }

    /// Has an event handled so many times on each of some threads.
    pub fn measure(
        &self,
        call: Call,
        instances: Instances,
        event: &Event,
        threads: u64,
        each: u64,
    ) -> Took {
        let span = Whose::Ours.begin();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| match call {
                    Call::Plain => self.plain(instances, event, each),
                    Call::Fiber => {
                        let runtime = Builder::new_current_thread().build().unwrap();
                        runtime.block_on(self.fiber(instances, event, each));
                    }
                });
            }
        });
        span.end()
    }

    fn store(&self) -> Store<Wasi> {
        let wasi = Wasi {
            context: WasiCtx::builder().build(),
            table: ResourceTable::new(),
        };
        Store::new(self.engine.wasmtime(), wasi)
    }

    fn plain(&self, instances: Instances, event: &Event, times: u64) {
        let new = || {
            let mut store = self.store();
            store.set_epoch_deadline(u64::MAX / 2);
            let handler = self.plain.instantiate(&mut store).unwrap();
            (store, handler)
        };
        let mut kept = (instances == Instances::Reused).then(new);
        for _ in 0..times {
            let mut fresh = kept.is_none().then(new);
            let (store, handler) = fresh.as_mut().or(kept.as_mut()).unwrap();
            let event = event!(plain::waystation::events::types, event);
            let delivery = delivery!(plain::waystation::events::types);
            let guest = handler.waystation_events_handler();
            let answer = guest.call_handle(store, event, delivery).unwrap();
            assert!(answer.unwrap().is_empty());
        }
    }

    async fn fiber(&self, instances: Instances, event: &Event, times: u64) {
        let new = async || {
            let mut store = self.store();
            store.epoch_deadline_async_yield_and_update(1);
            store.set_epoch_deadline(1);
            let handler = self.fiber.instantiate_async(&mut store).await.unwrap();
            (store, handler)
        };
        let mut kept = match instances {
            Instances::Fresh => None,
            Instances::Reused => Some(new().await),
        };
        for _ in 0..times {
            let mut fresh = match kept {
                Some(_) => None,
                None => Some(new().await),
            };
            let (store, handler) = fresh.as_mut().or(kept.as_mut()).unwrap();
            let event = event!(fiber::waystation::events::types, event);
            let delivery = delivery!(fiber::waystation::events::types);
            let guest = handler.waystation_events_handler();
            let answer = guest.call_handle(store, event, delivery).await.unwrap();
            assert!(answer.unwrap().is_empty());
        }
    }
}
