//! Sends a request through the host.

use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme,
};
use super::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::http::{HttpFault, Parts, RESPONSE_BYTES_MAX, Received};

/// The bytes that are read of a body at once.
const CHUNK_BYTES: u64 = 64 * 1024;

/// Sends it and waits for the whole response.
pub fn send(parts: &Parts<'_>) -> Result<Received, HttpFault> {
    let fault = |code| fault(code, &parts.url.grant());
    let request = request(parts)?;
    let body = match parts.body {
        [] => None,
        _ => Some(request.body().map_err(|()| unexpected("a body"))?),
    };
    let options = parts.timeout.map(options).transpose()?;
    let future = outgoing_handler::handle(request, options).map_err(fault)?;
    if let Some(body) = body {
        write(body, parts.body).map_err(fault)?;
    }
    future.subscribe().block();
    let response = match future.get() {
        Some(Ok(response)) => response.map_err(fault)?,
        // It is ready once, and taken once.
        _ => return Err(unexpected("a response")),
    };
    let headers = response.headers().entries();
    Ok(Received {
        status: response.status(),
        headers: headers.into_iter().map(header).collect(),
        body: read(&response, &fault)?,
    })
}

fn request(parts: &Parts<'_>) -> Result<OutgoingRequest, HttpFault> {
    let headers = Fields::new();
    let add = |name: &str, value: &str| {
        headers
            .append(name, value.as_bytes())
            .map_err(|_| HttpFault::Request(format!("a handler may not set the header `{name}`")))
    };
    for (name, value) in parts.headers {
        add(name, value)?;
    }
    if !parts.body.is_empty() {
        add("content-length", &parts.body.len().to_string())?;
    }
    let request = OutgoingRequest::new(headers);
    let scheme = if parts.url.is_secure {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let url = |()| HttpFault::Request("the host does not take its URL".to_owned());
    request.set_scheme(Some(&scheme)).map_err(url)?;
    request
        .set_authority(Some(&parts.url.authority))
        .map_err(url)?;
    request
        .set_path_with_query(Some(&parts.url.path_and_query))
        .map_err(url)?;
    request
        .set_method(&method(parts.method))
        .map_err(|()| HttpFault::Request("the host does not take its method".to_owned()))?;
    Ok(request)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn options(timeout: std::time::Duration) -> Result<RequestOptions, HttpFault> {
    let options = RequestOptions::new();
    let nanos = Some(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    options
        .set_connect_timeout(nanos)
        .and_then(|()| options.set_first_byte_timeout(nanos))
        .and_then(|()| options.set_between_bytes_timeout(nanos))
        .map_err(|()| HttpFault::Request("the host knows no timeouts".to_owned()))?;
    Ok(options)
}

/// A field's value is bytes; what is no UTF-8 in it is replaced.
fn header((name, value): (String, Vec<u8>)) -> (String, String) {
    let value = String::from_utf8_lossy(&value).into_owned();
    (name.to_ascii_lowercase(), value)
}

/// A host that refuses the request, or another side that does not read it to its
/// end, ends the stream: the response tells what came of it.
fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), ErrorCode> {
    let written = match body.write() {
        Ok(stream) => fill(&stream, bytes),
        Err(()) => Err(StreamError::Closed),
    };
    match written {
        Ok(()) => OutgoingBody::finish(body, None),
        Err(_) => Ok(()),
    }
}

fn fill(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    let ready = stream.subscribe();
    while !bytes.is_empty() {
        ready.block();
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        stream.write(now)?;
        bytes = later;
    }
    stream.blocking_flush()
}

fn read(
    response: &IncomingResponse,
    fault: &impl Fn(ErrorCode) -> HttpFault,
) -> Result<Vec<u8>, HttpFault> {
    let body = response.consume().map_err(|()| unexpected("a body"))?;
    let stream = body.stream().map_err(|()| unexpected("a stream"))?;
    drain(&stream, fault)
}

fn drain(
    stream: &InputStream,
    fault: &impl Fn(ErrorCode) -> HttpFault,
) -> Result<Vec<u8>, HttpFault> {
    let mut bytes = Vec::new();
    while bytes.len() <= RESPONSE_BYTES_MAX {
        match stream.blocking_read(CHUNK_BYTES) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                let code = super::bindings::wasi::http::types::http_error_code(&error);
                return Err(match code {
                    Some(code) => fault(code),
                    None => HttpFault::Unreachable(error.to_debug_string()),
                });
            }
        }
    }
    Ok(bytes)
}

/// What the host says, in the words of whoever wrote the handler.
fn fault(code: ErrorCode, grant: &str) -> HttpFault {
    let because = |why: &str| HttpFault::Unreachable(why.to_owned());
    match code {
        ErrorCode::HttpRequestDenied => HttpFault::Denied(grant.to_owned()),
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => HttpFault::TimedOut,
        ErrorCode::DnsTimeout => because("looking its name up took too long"),
        ErrorCode::DnsError(error) => because(&format!(
            "its name has no address: {}",
            error.rcode.unwrap_or_default()
        )),
        ErrorCode::DestinationIpProhibited => {
            because("its name leads to no public address; the operator may grant its network")
        }
        ErrorCode::ConnectionRefused => because("it refused the connection"),
        ErrorCode::ConnectionLimitReached => because("the attempt made too many requests"),
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => {
            because("the connection ended before the whole response was there")
        }
        ErrorCode::TlsCertificateError => because("its certificate is not trusted"),
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => {
            because("there is no agreement on TLS")
        }
        ErrorCode::HttpProtocolError => because("what it says is not HTTP"),
        ErrorCode::HttpResponseBodySize(_) => {
            HttpFault::Response(format!("it has more than {RESPONSE_BYTES_MAX} bytes"))
        }
        ErrorCode::HttpRequestUriInvalid => {
            HttpFault::Request("the host does not take its URL".to_owned())
        }
        ErrorCode::InternalError(Some(why)) => because(&why),
        other => {
            let name = format!("{other:?}");
            because(name.trim_start_matches("ErrorCode::"))
        }
    }
}

fn unexpected(what: &str) -> HttpFault {
    HttpFault::Unreachable(format!("the host has {what} missing"))
}
