//! The outbound HTTP of one attempt.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};
use waystation_core::{Exchange, Grants, HandlerName, limits};

use super::Outbound;
use super::destination::{Destination, Unreachable};
use super::exchange::{Driver, Waits, connect, exchange};
use super::failure;
use super::hearing::heard;
use crate::bindings::logging::Level;
use crate::guest_log::GuestLog;
use crate::scrub::Scrub;
use crate::witness::{Side, Witness};

/// On whose behalf requests are made.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The id of the delivery.
    pub(crate) delivery: String,
    /// The trace that the event belongs to (W3C Trace Context).
    pub(crate) traceparent: Option<String>,
    /// When the attempt must have ended.
    pub(crate) deadline: Instant,
}

/// The outbound HTTP of one attempt: what it may reach, and what it used of its
/// bounds.
pub(crate) struct Calls {
    outbound: Outbound,
    grants: Arc<Grants>,
    handler: HandlerName,
    scrub: Arc<Scrub>,
    log: GuestLog,
    caller: Caller,
    witness: Witness,
    /// The requests that were made.
    made: usize,
    /// The requests of those that may change something at the other side.
    unsafe_made: usize,
    /// What the operator was told already.
    told: BTreeSet<String>,
    at_once: Arc<Semaphore>,
    /// Each request that is not over holds a copy.
    open: Arc<()>,
}

/// What a request needs on its way.
struct Errand {
    outbound: Outbound,
    grants: Arc<Grants>,
    destination: Destination,
    waits: Waits,
    at_once: Arc<Semaphore>,
    open: Arc<()>,
    log: GuestLog,
    handler: HandlerName,
    scrub: Arc<Scrub>,
    witness: Witness,
}

/// The places that a request takes.
struct Places {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
    _open: Arc<()>,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

impl Calls {
    pub(crate) fn new(
        outbound: Outbound,
        grants: Arc<Grants>,
        handler: HandlerName,
        scrub: Arc<Scrub>,
        log: GuestLog,
        caller: Caller,
        witness: Witness,
    ) -> Self {
        Self {
            outbound,
            grants,
            handler,
            scrub,
            log,
            caller,
            witness,
            made: 0,
            unsafe_made: 0,
            told: BTreeSet::new(),
            at_once: Arc::new(Semaphore::new(limits::OUTBOUND_AT_ONCE_MAX)),
            open: Arc::new(()),
        }
    }

    /// Begins another attempt with fresh bounds.
    pub(crate) fn begin(&mut self, caller: Caller) {
        self.caller = caller;
        self.made = 0;
        self.unsafe_made = 0;
        self.told.clear();
    }

    /// Whether a request is still under way.
    pub(crate) fn are_open(&self) -> bool {
        Arc::strong_count(&self.open) > 1
    }

    fn accept(
        &mut self,
        request: &mut Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<Errand, Error> {
        if self.made == limits::OUTBOUND_REQUESTS_MAX {
            let max = limits::OUTBOUND_REQUESTS_MAX;
            self.tell(format!("an attempt may make {max} outbound HTTP requests"));
            return Err(Error::ConnectionLimitReached);
        }
        self.made += 1;
        if request.method() == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let destination = Destination::of(request.uri()).ok_or(Error::HttpRequestUriInvalid)?;
        let authority = &destination.authority;
        if !self.grants.http.contains(authority) {
            self.tell(format!(
                "outbound HTTP to {authority} is not granted; if the handler asks for it, add it to \
                 [grants] http in {}.toml",
                self.handler
            ));
            return Err(Error::HttpRequestDenied);
        }
        self.mark(request, &destination)?;
        Ok(Errand {
            outbound: self.outbound.clone(),
            grants: Arc::clone(&self.grants),
            destination,
            waits: self.waits(options),
            at_once: Arc::clone(&self.at_once),
            open: Arc::clone(&self.open),
            log: self.log.clone(),
            handler: self.handler.clone(),
            scrub: Arc::clone(&self.scrub),
            witness: self.witness.clone(),
        })
    }

    /// Says it in the handler's log, once.
    fn tell(&mut self, text: String) {
        if !self.told.contains(&text) {
            self.log.message(Level::Warn, "http", &text);
            self.told.insert(text);
        }
    }

    /// Adds what the host says in a request, unless the guest said it.
    fn mark(
        &mut self,
        request: &mut Request<WasiBody>,
        destination: &Destination,
    ) -> Result<(), Error> {
        let is_safe = matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS
        );
        self.unsafe_made += usize::from(!is_safe);
        let headers = request.headers_mut();
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|e| Error::InternalError(Some(e.to_string())))
        };
        headers.insert(HOST, value(&destination.host())?);
        if !headers.contains_key(IDEMPOTENCY_KEY) {
            // Two requests of one attempt are two, not a repetition.
            let key = match self.unsafe_made {
                0 | 1 => self.caller.delivery.clone(),
                number => format!("{}-{number}", self.caller.delivery),
            };
            headers.insert(IDEMPOTENCY_KEY, value(&key)?);
        }
        // An extension attribute may hold what no header field can.
        let trace = self
            .caller
            .traceparent
            .as_deref()
            .map(HeaderValue::from_str);
        if let Some(Ok(trace)) = trace {
            headers.entry(TRACEPARENT).or_insert(trace);
        }
        Ok(())
    }

    /// How long each part may take: what the guest asks for, but no longer than
    /// it may, and so that it has a moment left to answer.
    fn waits(&self, options: RequestOptions) -> Waits {
        let left = self
            .caller
            .deadline
            .saturating_duration_since(Instant::now());
        let left = left - left / 10;
        let wait = |asked: Option<Duration>, max: Duration| asked.unwrap_or(max).min(max).min(left);
        Waits {
            connect: wait(options.connect_timeout, limits::OUTBOUND_CONNECT_TIMEOUT),
            head: wait(options.first_byte_timeout, limits::OUTBOUND_HEAD_TIMEOUT),
            idle: wait(options.between_bytes_timeout, limits::OUTBOUND_IDLE_TIMEOUT),
        }
    }
}

impl Errand {
    /// Brings the response, from there or, in a rehearsal, from what was given.
    async fn run(self, request: Request<WasiBody>) -> Result<(Response<WasiBody>, Driver), Error> {
        let (method, url) = (request.method().clone(), request.uri().clone());
        let hearing = self.witness.hear(&method, &url);
        let request = request.map(|body| heard(body, &hearing, Side::Request));
        let brought = match self.witness.answer(&method, &url, &self.scrub) {
            Some(given) => rehearse(request, given).await,
            None => self.fetch(request).await,
        };
        match brought {
            Ok((response, driver)) => {
                let (head, body) = response.into_parts();
                hearing.head(&head);
                let body = heard(body, &hearing, Side::Answer);
                Ok((Response::from_parts(head, body), driver))
            }
            Err(error) => {
                hearing.failed(&failure::name(&error));
                Err(error)
            }
        }
    }

    /// Takes a request there and brings the response.
    async fn fetch(
        self,
        request: Request<WasiBody>,
    ) -> Result<(Response<WasiBody>, Driver), Error> {
        let until = Instant::now() + self.waits.connect;
        let connected = async {
            let places = self.places().await?;
            let addresses = self.addresses().await?;
            let tls = &self.outbound.tls;
            let stream = connect(&self.destination, &addresses, tls, until).await?;
            Ok::<_, Error>((places, stream))
        };
        let (places, stream) = timeout_at(until, connected)
            .await
            .map_err(|_| Error::ConnectionTimeout)??;
        let (response, driver) = exchange(request, stream, self.waits).await?;
        let driver = Box::pin(async move {
            let _places = places;
            // Whoever reads the body is told, too.
            if let Err(error) = driver.await {
                tracing::debug!("a connection of outbound HTTP ended early: {error}");
            }
            Ok(())
        });
        Ok((response, driver))
    }

    async fn places(&self) -> Result<Places, Error> {
        let closed = |_| Error::ConnectionLimitReached;
        let of_all = self.outbound.connections.clone();
        Ok(Places {
            _own: self.at_once.clone().acquire_owned().await.map_err(closed)?,
            _of_all: of_all.acquire_owned().await.map_err(closed)?,
            _open: Arc::clone(&self.open),
        })
    }

    async fn addresses(&self) -> Result<Vec<std::net::SocketAddr>, Error> {
        let lookup = &*self.outbound.lookup;
        let found = self.destination.addresses(&self.grants, lookup).await;
        if let Err(Unreachable::Prohibited(address)) = &found {
            let text = format!(
                "{} leads to {address}, which is no public address; if it may, add its network to \
                 [grants] networks in {}.toml",
                self.destination.authority, self.handler
            );
            self.log.message(Level::Warn, "http", &text);
        }
        Ok(found?)
    }
}

/// Reads a request to its end, as another host would, and gives it this answer.
async fn rehearse(
    request: Request<WasiBody>,
    given: Result<Exchange, String>,
) -> Result<(Response<WasiBody>, Driver), Error> {
    request.into_body().collect().await?;
    let given = given.map_err(|why| Error::InternalError(Some(why)))?;
    let error = given.error.as_deref().map(failure::named);
    let Some(answer) = given.answer else {
        return Err(error.unwrap_or(Error::HttpResponseIncomplete));
    };
    let odd = |error: http::Error| Error::InternalError(Some(error.to_string()));
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let pieces = [Ok(Frame::data(answer.body.0))]
        .into_iter()
        .chain(error.map(Err));
    let body = StreamBody::new(futures_util::stream::iter(pieces));
    let response = response.body(body.boxed_unsync()).map_err(odd)?;
    Ok((response, Box::pin(async { Ok(()) })))
}

type Sent = Result<
    (
        Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for Calls {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let errand = self.accept(&mut request, options.unwrap_or_default());
        Box::new(async move {
            let (response, driver) = errand?.run(request).await?;
            Ok((response, Box::new(driver) as Box<_>))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        limits::OUTBOUND_CHUNK_BYTES
    }

    // What another side does wrong is the guest's to tell, not the host's.

    fn p2_error_from_hyper(&mut self, _: &hyper::Error) -> ErrorCode {
        ErrorCode::HttpProtocolError
    }

    fn p2_error_from_connect(&mut self, error: &io::Error) -> ErrorCode {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
            _ => ErrorCode::DestinationUnavailable,
        }
    }

    fn p2_error_from_tls(&mut self, error: &io::Error) -> ErrorCode {
        if failure::is_certificate(error) {
            ErrorCode::TlsCertificateError
        } else {
            ErrorCode::TlsProtocolError
        }
    }
}
