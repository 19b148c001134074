//! What surrounds one instance.

use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use waystation_core::limits;

use crate::bindings::{Handler, logging, types};
use crate::guest_log::{GuestLog, Output, Speaker, Stream};
use crate::limiter::Limiter;

/// The host's side of one instance: all that its imports can reach.
pub(crate) struct Sandbox {
    wasi: WasiCtx,
    table: ResourceTable,
    limiter: Limiter,
    log: GuestLog,
}

impl Sandbox {
    /// A sandbox without files, network, arguments or environment.
    pub(crate) fn new(speaker: Speaker, memory_bytes_max: usize) -> Self {
        let log = GuestLog::new(speaker);
        let mut wasi = WasiCtx::builder();
        wasi.stdout(Output {
            log: log.clone(),
            stream: Stream::Stdout,
        })
        .stderr(Output {
            log: log.clone(),
            stream: Stream::Stderr,
        })
        .max_random_size(limits::RANDOM_BYTES_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::RESOURCES_MAX);
        Self {
            wasi: wasi.build(),
            table,
            limiter: Limiter::new(memory_bytes_max),
            log,
        }
    }

    pub(crate) fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    pub(crate) fn log(&self) -> &GuestLog {
        &self.log
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl types::Host for Sandbox {}

impl logging::Host for Sandbox {
    fn log(&mut self, level: logging::Level, context: String, message: String) {
        self.log.message(level, &context, &message);
    }
}

/// An instance with the store that it lives in.
pub(crate) struct Instance {
    pub(crate) store: Store<Sandbox>,
    pub(crate) handler: Handler,
    /// The attempts that it served.
    pub(crate) served: u32,
}

/// A store in which nothing was instantiated yet.
pub(crate) fn store(engine: &wasmtime::Engine, sandbox: Sandbox) -> Store<Sandbox> {
    let mut store = Store::new(engine, sandbox);
    store.limiter(|sandbox| &mut sandbox.limiter);
    // The table of the sandbox holds the host's resources; a guest's own are counted here.
    store.set_max_component_handles(limits::RESOURCES_MAX);
    // At each tick the guest gives way, so that its deadline and others get their turn.
    store.epoch_deadline_async_yield_and_update(1);
    rearm(&mut store);
    store
}

/// Gives a store the bounds of one more attempt.
pub(crate) fn rearm(store: &mut Store<Sandbox>) {
    store.set_hostcall_fuel(limits::HOSTCALL_BYTES_MAX);
    store.set_epoch_deadline(1);
    store.data_mut().limiter.begin();
}
