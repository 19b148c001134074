//! The engine that all handlers share.

use std::sync::Arc;
use std::thread;

use tokio::sync::Semaphore;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy,
};
use waystation_core::limits;

use crate::cache::Cache;
use crate::http::Outbound;
use crate::state::{NoState, State};
use crate::{Compiler, MemoryReset};

/// Compiles components and holds the pool that their instances come from. Cheap
/// to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) cache: Option<Arc<Cache>>,
    /// Where components are compiled, if not in this process.
    pub(crate) compiler: Option<Arc<Compiler>>,
    pub(crate) compiles: Arc<Semaphore>,
    /// The places for instances that wait for another attempt.
    pub(crate) idle: Arc<Semaphore>,
    pub(crate) state: Arc<dyn State>,
    pub(crate) outbound: Outbound,
}

/// The engine cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The pool of instances could not be reserved.
    #[error(
        "cannot reserve address space for {} instances: {reason}; is `ulimit -v` set?",
        limits::INSTANCES_MAX
    )]
    Pool {
        /// What wasmtime says.
        reason: String,
    },
    /// The thread that interrupts guests could not be started.
    #[error("cannot start the thread that keeps guests' time: {0}")]
    Ticker(std::io::Error),
}

impl Engine {
    /// Starts the engine. Compiled code is kept in `cache`, if given. It compiles in
    /// this process, which is for components that can be trusted.
    pub fn new(cache: Option<Cache>) -> Result<Self, EngineError> {
        let (memory_reset, _) = MemoryReset::probe();
        Self::with_memory_reset(cache, memory_reset)
    }

    /// Starts the engine with a given way to clean memory.
    pub fn with_memory_reset(
        cache: Option<Cache>,
        memory_reset: MemoryReset,
    ) -> Result<Self, EngineError> {
        let wasmtime =
            wasmtime::Engine::new(&pooled(memory_reset)).map_err(|error| EngineError::Pool {
                reason: format!("{error:#}"),
            })?;
        start_ticker(&wasmtime).map_err(EngineError::Ticker)?;
        Ok(Self {
            wasmtime,
            cache: cache.map(Arc::new),
            compiler: None,
            compiles: Arc::new(Semaphore::new(limits::COMPILES_MAX)),
            idle: Arc::new(Semaphore::new(limits::IDLE_INSTANCES_MAX)),
            state: Arc::new(NoState),
            outbound: Outbound::new(),
        })
    }

    /// What it is made of: a measurement of the host begins with the same engine and
    /// nothing around it.
    #[doc(hidden)]
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// The same engine, which has another process compile each component.
    #[must_use]
    pub fn compile_with(mut self, compiler: Compiler) -> Self {
        self.compiler = Some(Arc::new(compiler));
        self
    }

    /// The same engine, whose handlers read their state here. Without it there is
    /// none.
    #[must_use]
    pub fn with_state(mut self, state: Arc<dyn State>) -> Self {
        self.state = state;
        self
    }

    /// The same engine with another way of outbound HTTP out of the host.
    #[must_use]
    pub fn with_outbound(mut self, outbound: Outbound) -> Self {
        self.outbound = outbound;
        self
    }
}

/// An engine that only compiles: what it makes runs on every [`Engine`], and it
/// reserves no pool.
pub(crate) fn for_compiling() -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&settings())
}

/// The instances of handlers that live at once: in an attempt or between two.
const LIVE: u32 = (limits::ATTEMPTS_IN_FLIGHT_MAX + limits::IDLE_INSTANCES_MAX) as u32;

/// The settings of an engine that runs handlers.
fn pooled(memory_reset: MemoryReset) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    // There is as much of each as all live instances may have, so that handlers
    // with many memories cannot leave others without.
    pool.total_component_instances(limits::INSTANCES_MAX)
        .total_core_instances(LIVE * limits::CORE_INSTANCES_MAX)
        .total_memories(LIVE * limits::MEMORIES_MAX)
        .total_tables(LIVE * limits::TABLES_MAX)
        .total_stacks(limits::INSTANCES_MAX)
        .max_core_instances_per_component(limits::CORE_INSTANCES_MAX)
        .max_memories_per_component(limits::MEMORIES_MAX)
        // A module may use those of others, and each is counted where it is defined.
        .max_memories_per_module(1)
        .max_tables_per_component(limits::TABLES_MAX)
        .max_memory_size(limits::MEMORY_BYTES_MAX)
        .table_elements(limits::TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(2 * 1024 * 1024)
        .table_keep_resident(64 * 1024);
    match memory_reset {
        MemoryReset::Scan => pool.pagemap_scan(Enabled::Yes),
        MemoryReset::Decommit => pool.pagemap_scan(Enabled::No).decommit_batch_size(16),
    };

    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// The settings that compiled code depends on.
fn settings() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_init_cow(true)
        .epoch_interruption(true)
        .consume_fuel(false)
        .concurrency_support(false)
        .max_wasm_stack(limits::WASM_STACK_BYTES)
        .async_stack_size(limits::WASM_STACK_BYTES * 4)
        .wasm_component_model(true)
        .wasm_memory64(false)
        // A component of several modules joins their memories, as those in JavaScript do.
        .wasm_multi_memory(true);
    config
}

/// Ends the running time slice of every guest at each tick. The thread ends with
/// the engine.
fn start_ticker(engine: &wasmtime::Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("epoch".into()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::park_timeout(limits::EPOCH_TICK);
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::fingerprint;

    #[test]
    fn what_is_compiled_without_a_pool_runs_with_one() {
        let hash = |engine: &wasmtime::Engine| fingerprint(engine.precompile_compatibility_hash());
        let compiling = hash(&for_compiling().unwrap());
        for memory_reset in [MemoryReset::Scan, MemoryReset::Decommit] {
            let running = wasmtime::Engine::new(&pooled(memory_reset));
            assert_eq!(hash(&running.unwrap()), compiling);
        }
    }
}
