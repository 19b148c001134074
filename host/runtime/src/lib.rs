//! The sandbox: compiles handlers and runs attempts.
//!
//! The only crate that names wasmtime. It turns the bytes of a component into a
//! [`Component`], asks it for its descriptor, and makes attempts on a
//! [`Generation`], each within its limits. It does not know where the bytes
//! come from, what a journal is, or when an attempt should be made.

mod attempt;
mod bindings;
mod cache;
mod compile;
mod component;
mod config;
mod convert;
mod deadline;
mod engine;
mod generation;
mod guest_log;
mod http;
mod limiter;
mod memory_reset;
mod offer;
mod rehearsal;
mod sandbox;
mod scrub;
mod state;
mod surface;
mod trap;
mod witness;

pub use attempt::{Ended, Request, Seen};
pub use cache::{Cache, CacheError};
pub use compile::{Budget, Compiler, Excess, compile_process};
pub use component::{Component, LoadError};
pub use engine::{Engine, EngineError};
pub use generation::Generation;
pub use http::{Lookup, Outbound};
pub use memory_reset::MemoryReset;
pub use rehearsal::{Rehearsal, StateChange, World};
pub use state::{State, StateError};
pub use surface::Surface;
