//! A request to another host.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{HttpError, HttpFault, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, Response, Url};
use crate::outside::Outside;

/// What a value in a query may hold as it is (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A request to another host, which [`send`](Self::send) sends.
///
/// ```
/// # use waystation_sdk::{Context, HandlerError};
/// # fn example(ctx: &Context, token: &str) -> Result<(), HandlerError> {
/// use std::time::Duration;
///
/// let response = ctx
///     .http()
///     .post("https://api.mail.example/send")
///     .query("template", "welcome")
///     .bearer(token)
///     .json(&["ada@example.com"])
///     .timeout(Duration::from_secs(2))
///     .send()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a request is made by `send`"]
pub struct Request {
    outside: Outside,
    method: String,
    /// As the handler gave it, for errors.
    given: String,
    url: Result<Url, String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
    /// The first mistake in building it.
    mistake: Option<String>,
}

/// A request that can be sent.
#[derive(Debug)]
pub struct Parts<'a> {
    pub method: &'a str,
    pub url: &'a Url,
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
    #[cfg_attr(
        not(target_family = "wasm"),
        expect(dead_code, reason = "no time passes")
    )]
    pub timeout: Option<Duration>,
}

impl Request {
    pub(super) fn new(outside: Outside, method: &str, url: &str) -> Self {
        let is_token = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let mistake = (!is_token(method))
            .then(|| format!("expected a method such as `GET`, found `{method}`"));
        Self {
            outside,
            method: method.to_ascii_uppercase(),
            given: url.to_owned(),
            url: Url::parse(url),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            mistake,
        }
    }

    /// Adds `name=value` to the query of the URL, encoded.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let encoded = |text| utf8_percent_encode(text, ENCODED);
        let pair = format!("{}={}", encoded(name), encoded(value));
        if let Ok(url) = &mut self.url {
            url.push_query(&pair);
        }
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let is_name = |b: u8| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&b);
        if name.is_empty() || !name.bytes().all(is_name) {
            self.fail(format!("expected the name of a header, found `{name}`"));
        } else if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            // The value may be a secret, so it is not shown.
            self.fail(format!(
                "the value of the header `{name}` has a line break or another control character"
            ));
        } else {
            self.headers
                .push((name.to_ascii_lowercase(), value.to_owned()));
        }
        self
    }

    /// Adds `Authorization: Bearer TOKEN`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sets the body to a value as JSON.
    pub fn json(mut self, data: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(data) {
            Ok(bytes) => self.body("application/json", bytes),
            Err(error) => {
                self.fail(format!("its body cannot be written as JSON: {error}"));
                self
            }
        }
    }

    /// Sets the body, of a media type (RFC 2046): 4 MiB at most.
    pub fn body(mut self, content_type: &str, bytes: Vec<u8>) -> Self {
        if bytes.len() > REQUEST_BYTES_MAX {
            self.fail(format!(
                "its body has {} bytes; it may have {REQUEST_BYTES_MAX}",
                bytes.len()
            ));
        }
        self.body = bytes;
        self.header("content-type", content_type)
    }

    /// How long to wait for a connection, then for the answer to begin, then for
    /// each next part of it. The host waits no longer than it would without.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it and waits for the whole response, whatever its status:
    /// [`Response::error_for_status`] makes an error of a failure.
    ///
    /// # Errors
    /// When there is no response, or it is larger than 8 MiB.
    pub fn send(self) -> Result<Response, HttpError> {
        let error = |fault| HttpError::new(&self.method, &self.given, fault);
        let url = match (&self.mistake, &self.url) {
            (None, Ok(url)) => url,
            (Some(mistake), _) | (None, Err(mistake)) => {
                return Err(error(HttpFault::Request(mistake.clone())));
            }
        };
        let parts = Parts {
            method: &self.method,
            url,
            headers: &self.headers,
            body: &self.body,
            timeout: self.timeout,
        };
        let response = self.outside.send(&parts).map_err(error)?;
        if response.body.len() > RESPONSE_BYTES_MAX {
            let why = format!("it has more than {RESPONSE_BYTES_MAX} bytes");
            return Err(error(HttpFault::Response(why)));
        }
        Ok(Response::new(response, self.method, self.given))
    }

    /// Keeps the first mistake, which `send` reports.
    fn fail(&mut self, mistake: String) {
        self.mistake.get_or_insert(mistake);
    }
}
