//! One request and its response, over a connection of their own.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use wasmtime_wasi_http::{Error, WasiBody};
use waystation_core::limits;

use super::body::{Incoming, Outgoing};
use super::destination::Destination;
use super::tls::{Stream, Tls};

/// Moves the bytes of a connection until it is done with.
pub(super) type Driver = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// How long each part of an exchange may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// Until the connection stands.
    pub(super) connect: Duration,
    /// From there to the head of the response.
    pub(super) head: Duration,
    /// Between two pieces of its body.
    pub(super) idle: Duration,
}

/// Connects to the first of these addresses that answers. They share the time.
pub(super) async fn connect(
    destination: &Destination,
    addresses: &[SocketAddr],
    tls: &Tls,
    until: Instant,
) -> Result<Box<dyn Stream>, Error> {
    let mut failure = Error::ConnectionTimeout;
    for (index, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - index) as u32;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) if destination.is_secure => {
                return tls.connect(&destination.authority, stream).await;
            }
            Ok(Ok(stream)) => return Ok(Box::new(stream)),
            Ok(Err(error)) => failure = Error::Connect(error),
            Err(_) => failure = Error::ConnectionTimeout,
        }
    }
    Err(failure)
}

/// Sends a request and waits for the head of the response. Its body comes while
/// the driver runs.
pub(super) async fn exchange(
    mut request: Request<WasiBody>,
    stream: Box<dyn Stream>,
    waits: Waits,
) -> Result<(Response<WasiBody>, Driver), Error> {
    // The request line holds the path alone, unless it goes to a proxy.
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    let request = request.map(Outgoing::new);

    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(limits::OUTBOUND_HEAD_BYTES_MAX)
        .max_headers(limits::OUTBOUND_HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(error)?;
    let driver: Driver = Box::pin(async move { connection.await.map_err(error) });
    let send = async move { sender.send_request(request).await };
    let (response, driver) = timeout(waits.head, drive(send, driver))
        .await
        .map_err(|_| Error::ConnectionReadTimeout)??;
    let announced = response.headers().get(http::header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits::OUTBOUND_RESPONSE_BYTES_MAX) {
        return Err(Error::HttpResponseBodySize(announced));
    }
    let response = response.map(|body| Incoming::new(body, waits.idle).boxed_unsync());
    Ok((response, driver))
}

/// Waits for the response while the connection is driven.
async fn drive<R>(
    send: impl Future<Output = Result<R, hyper::Error>>,
    driver: Driver,
) -> Result<(R, Driver), Error> {
    match select(Box::pin(send), driver).await {
        Either::Left((Ok(response), driver)) => Ok((response, driver)),
        // The connection knows why it gave the request up.
        Either::Left((Err(canceled), driver)) if canceled.is_canceled() => {
            driver.await?;
            Err(error(canceled))
        }
        Either::Left((Err(failed), _)) => Err(error(failed)),
        Either::Right((ended, send)) => {
            ended?;
            let response = send.await.map_err(error)?;
            Ok((response, Box::pin(async { Ok(()) })))
        }
    }
}

/// What went wrong, as guests are told it.
pub(super) fn error(error: hyper::Error) -> Error {
    let cause = error.source();
    if let Some(Error::HttpRequestBodySize(size)) = cause.and_then(|it| it.downcast_ref()) {
        return Error::HttpRequestBodySize(*size);
    }
    let cause = cause.and_then(|it| it.downcast_ref::<io::Error>());
    let is_cut = cause.is_some_and(|it| it.kind() == io::ErrorKind::UnexpectedEof);
    if error.is_parse_too_large() {
        return Error::HttpResponseHeaderSectionSize(Some(limits::OUTBOUND_HEAD_BYTES_MAX as u32));
    }
    if is_cut || error.is_incomplete_message() {
        return Error::HttpResponseIncomplete;
    }
    Error::Hyper(error)
}
