//! What surrounds one instance.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use waystation_core::{Grants, LogLine, Surroundings, limits};

use crate::bindings::{Handler, logging, types};
use crate::engine::Engine;
use crate::guest_log::{GuestLog, Output, Speaker, Stream};
use crate::http::{Caller, Calls};
use crate::limiter::Limiter;
use crate::rehearsal::Given;
use crate::scrub::Scrub;
use crate::state::{Staged, Staging};
use crate::witness::{Sight, Witness};

/// The host's side of one instance: all that its imports can reach.
pub(crate) struct Sandbox {
    wasi: WasiCtx,
    table: ResourceTable,
    limiter: Limiter,
    log: GuestLog,
    reach: Arc<Reach>,
    staging: Staging,
    http: WasiHttpCtx,
    calls: Calls,
    witness: Witness,
}

/// What is left of an attempt.
pub(crate) struct Remains {
    pub(crate) staged: Staged,
    pub(crate) log: Vec<LogLine>,
    pub(crate) memory_bytes: usize,
    sight: Sight,
}

/// What a generation may reach beyond its own memory.
pub(crate) struct Reach {
    pub(crate) grants: Arc<Grants>,
    pub(crate) scrub: Arc<Scrub>,
    pub(crate) memory_bytes_max: usize,
}

impl Reach {
    pub(crate) fn new(grants: &Grants, memory_bytes_max: usize) -> Self {
        Self {
            scrub: Arc::new(Scrub::new(&grants.secrets)),
            grants: Arc::new(grants.clone()),
            memory_bytes_max,
        }
    }
}

impl Remains {
    /// Whether it saw more HTTP than is kept.
    pub(crate) fn is_http_cut(&self) -> bool {
        self.sight.is_http_cut()
    }

    /// What the attempt saw, without secrets.
    pub(crate) fn surroundings(&mut self, scrub: &Scrub) -> Surroundings {
        let (state, state_cut) = self.staged.image(scrub);
        let (clocks, random, http, cut) = std::mem::take(&mut self.sight).into_parts(scrub);
        Surroundings {
            state,
            http,
            clocks,
            random,
            truncated: cut || state_cut,
        }
    }
}

impl Sandbox {
    /// A sandbox without files, sockets, arguments or environment, and with
    /// nothing in reach that is not granted.
    pub(crate) fn new(
        engine: &Engine,
        reach: &Arc<Reach>,
        speaker: Speaker,
        caller: Caller,
        given: Option<Given>,
    ) -> Self {
        let handler = speaker.handler.clone();
        let log = GuestLog::new(speaker, reach.scrub.clone());
        let witness = Witness::new(given);
        let mut wasi = WasiCtx::builder();
        witness.surround(&mut wasi);
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
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits::OUTBOUND_FIELDS_BYTES_MAX);
        Self {
            wasi: wasi.build(),
            table,
            limiter: Limiter::new(reach.memory_bytes_max),
            staging: Staging::new(engine.state.clone()),
            http,
            calls: Calls::new(
                engine.outbound.clone(),
                reach.grants.clone(),
                handler,
                reach.scrub.clone(),
                log.clone(),
                caller,
                witness.clone(),
            ),
            witness,
            reach: reach.clone(),
            log,
        }
    }

    /// Begins another attempt: nothing of an earlier one counts.
    pub(crate) fn begin(&mut self, speaker: Speaker, caller: Caller) {
        self.log.begin(speaker);
        self.limiter.begin();
        self.calls.begin(caller);
        self.staging.take();
        self.witness.begin();
    }

    /// Ends the attempt: what is left of it.
    pub(crate) fn finish(&mut self) -> Remains {
        self.log.finish();
        Remains {
            staged: self.staging.take(),
            log: self.log.take_lines(),
            memory_bytes: self.limiter.memory_bytes(),
            sight: self.witness.take(),
        }
    }

    /// Whether what it sees is given to it.
    pub(crate) fn is_rehearsal(&self) -> bool {
        self.witness.is_rehearsal()
    }

    pub(crate) fn grants(&self) -> &Grants {
        &self.reach.grants
    }

    pub(crate) fn scrub(&self) -> &Scrub {
        &self.reach.scrub
    }

    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    pub(crate) fn staging(&mut self) -> &mut Staging {
        &mut self.staging
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
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

impl WasiHttpView for Sandbox {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.calls,
            table: &mut self.table,
            ctx: &mut self.http,
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
    arm(&mut store);
    store
}

/// Gives a store the bounds of one attempt.
pub(crate) fn arm(store: &mut Store<Sandbox>) {
    store.set_hostcall_fuel(limits::HOSTCALL_BYTES_MAX);
    store.set_epoch_deadline(1);
}
