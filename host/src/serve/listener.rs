//! A TCP port that carries a router.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use waystation_core::limits;

/// A port that was bound. Clients may connect; they are served once
/// [`serve`](Self::serve) runs.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// Why a port was not bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", hint(option, source))]
pub struct BindError {
    /// The option of the command line that gave the address.
    option: &'static str,
    address: SocketAddr,
    source: io::Error,
}

fn hint(option: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program listens there. Stop it, or choose another address with {option}; \
             port 0 takes a free one"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address. Choose another with {option}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("not permitted. Choose a port from 1024 on with {option}")
        }
        _ => format!("{error}. Choose another address with {option}"),
    }
}

impl Listener {
    /// Binds an address; port 0 takes a free one. `option` is the option of the
    /// command line that the address came from, for the error.
    pub async fn bind(option: &'static str, address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError {
            option,
            address,
            source,
        };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// The address with the port that was bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is true or its sender is gone. Then it takes no
    /// further connection, answers the requests that have come, and waits for
    /// that, but no longer than [`DRAIN_TIMEOUT`](limits::DRAIN_TIMEOUT).
    pub async fn serve(self, router: Router, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            let stream = tokio::select! {
                stream = next(&self.socket, &mut connections) => stream,
                () = stopped(&mut stop) => break,
            };
            connections.spawn(converse(stream, router.clone(), stop.clone()));
        }
        drop(self.socket);
        let done = async { while connections.join_next().await.is_some() {} };
        if timeout(limits::DRAIN_TIMEOUT, done).await.is_err() {
            let left = connections.len();
            tracing::warn!(address = %self.address, left, "clients did not finish in time and were cut off");
        }
    }
}

/// The next connection, once there is room for it.
async fn next(socket: &TcpListener, connections: &mut JoinSet<()>) -> TcpStream {
    /// What the system refuses now it may grant in a moment; nothing tells when.
    const PAUSE: Duration = Duration::from_millis(100);

    loop {
        while connections.try_join_next().is_some() {}
        while connections.len() >= limits::HTTP_CONNECTIONS_MAX {
            connections.join_next().await;
        }
        match socket.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection until either side ends it.
async fn converse(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    // Answers are small and whole: waiting for more only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its small packets back");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HTTP_HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left to ask for more: that is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests;
