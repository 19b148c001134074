//! A TCP port that carries a router.
//!
//! It serves a bounded number of connections. Clients that stall cannot keep
//! others out: who does not get on with its request makes room for who comes.

mod crowd;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use waystation_core::limits;

use crowd::{Crowd, Seat};

/// A port that was bound. Clients may connect; they are served once
/// [`serve`](Self::serve) runs.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    connections_max: usize,
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
        Ok(Self {
            socket,
            address,
            connections_max: limits::HTTP_CONNECTIONS_MAX,
        })
    }

    /// The same listener with another bound on the connections that it serves at
    /// once.
    #[must_use]
    pub fn with_connections_max(mut self, connections_max: usize) -> Self {
        self.connections_max = connections_max;
        self
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
        let crowd = Arc::new(Crowd::default());
        loop {
            let stream = tokio::select! {
                stream = self.next(&mut connections, &crowd) => stream,
                () = stopped(&mut stop) => break,
            };
            let seat = Crowd::seat(&crowd);
            connections.spawn(converse(stream, router.clone(), seat, stop.clone()));
        }
        drop(self.socket);
        let done = async { while connections.join_next().await.is_some() {} };
        if timeout(limits::DRAIN_TIMEOUT, done).await.is_err() {
            let left = connections.len();
            tracing::warn!(address = %self.address, left, "clients did not finish in time and were cut off");
        }
    }

    /// The next connection, and room for it.
    async fn next(&self, connections: &mut JoinSet<()>, crowd: &Crowd) -> TcpStream {
        let stream = accept(&self.socket).await;
        while connections.try_join_next().is_some() {}
        while connections.len() >= self.connections_max {
            tokio::select! {
                _ = connections.join_next() => {}
                () = crowd.close_oldest() => {
                    connections.join_next().await;
                }
            }
        }
        stream
    }
}

async fn accept(socket: &TcpListener) -> TcpStream {
    /// What the system refuses now it may grant in a moment; nothing tells when.
    const PAUSE: Duration = Duration::from_millis(100);

    loop {
        match socket.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection until either side ends it or its seat
/// is given to another.
async fn converse(
    stream: TcpStream,
    router: Router,
    seat: Arc<Seat>,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are small and whole: waiting for more only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its small packets back");
    }
    let router = TowerToHyperService::new(router);
    let seated = service_fn(|request: Request<Incoming>| {
        let answer = router.call(request.map(|body| Body::new(Seat::watch(&seat, body))));
        let seat = Arc::clone(&seat);
        async move {
            let answer = answer.await;
            seat.rest();
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HTTP_HEADER_TIMEOUT)
        .max_buf_size(limits::HTTP_BUFFER_BYTES)
        .max_header_size(limits::HTTP_HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), seated);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = seat.taken() => return,
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
