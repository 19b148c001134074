//! Subscriptions, lanes, attempts and retries.
//!
//! Dispatch takes events from the journal, finds who asked for them, has their
//! handlers invoked within bounds, and settles what comes out. It knows the
//! journal and the trait [`Invoke`]; it does not know wasmtime, HTTP or files.
//!
//! One task, the pump, owns all state; [`Dispatch`] is a cheap handle to it.
//! Attempts run on workers of their own.

mod dispatch;
mod effects;
mod invoke;
mod lanes;
mod notice;
mod pump;
mod subscription;
#[cfg(test)]
mod testing;
mod window;

pub use dispatch::{Dispatch, Error, Options, Stop, SubscriptionView};
pub use effects::{SOURCE_PREFIX, published};
pub use invoke::{Completion, Invocation, Invoke};
pub use notice::{Notice, Settled};
