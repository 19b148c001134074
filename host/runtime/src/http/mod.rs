//! Outbound HTTP: `wasi:http/outgoing-handler`, to the hosts that were granted.
//!
//! A request goes to the address that was checked, and nowhere else: a name is
//! looked up once, no redirect is followed, and no proxy is asked.

mod address;
mod body;
mod calls;
mod destination;
mod exchange;
mod failure;
mod hearing;
mod lookup;
mod tls;

use std::sync::Arc;

use tokio::sync::Semaphore;
use waystation_core::limits;

pub(crate) use calls::{Caller, Calls};
pub use lookup::Lookup;

use lookup::System;
use tls::Tls;

/// The way of outbound HTTP out of the host, which all handlers share. Cheap to
/// clone.
#[derive(Clone)]
pub struct Outbound {
    lookup: Arc<dyn Lookup>,
    tls: Arc<Tls>,
    connections: Arc<Semaphore>,
}

impl Outbound {
    /// Looks names up as the operating system does, and trusts the certificates
    /// that it trusts. They are read once, when the first connection needs them.
    pub fn new() -> Self {
        Self::with_lookup(Arc::new(System::new()))
    }

    /// The same with names looked up in another way.
    pub fn with_lookup(lookup: Arc<dyn Lookup>) -> Self {
        Self {
            lookup,
            tls: Arc::new(Tls::new()),
            connections: Arc::new(Semaphore::new(limits::OUTBOUND_CONNECTIONS_MAX)),
        }
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
