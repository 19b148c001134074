//! From the name of a host to its addresses.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use waystation_core::limits;

/// Finds the addresses of names.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// The addresses of a name, best first.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The lookup of the operating system.
pub(super) struct System {
    /// The places for lookups. Each keeps its own until the system answers, even
    /// if nobody waits any more.
    places: Arc<Semaphore>,
}

impl System {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits::OUTBOUND_LOOKUPS_MAX)),
        }
    }
}

#[async_trait]
impl Lookup for System {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let place = self.places.clone().acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let name = name.to_owned();
        let found = spawn_blocking(move || {
            let found = (name.as_str(), 0).to_socket_addrs();
            drop(place);
            found
        });
        Ok(found
            .await??
            .map(|address: SocketAddr| address.ip())
            .collect())
    }
}
