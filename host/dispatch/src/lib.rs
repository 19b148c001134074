//! Subscriptions, lanes, attempts and retries.
//!
//! Dispatch takes events from the journal, finds who asked for them, has their
//! handlers invoked within bounds, and settles what comes out. It knows the
//! journal and the trait [`Invoke`]; it does not know wasmtime, HTTP or files.

mod invoke;

pub use invoke::{Completion, Invocation, Invoke};
