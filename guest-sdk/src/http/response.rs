//! The response of another host.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{HttpError, HttpFault, RETRY_AFTER_MAX};
use crate::data;

/// The response of another host, as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    received: Received,
    method: String,
    url: String,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub status: u16,
    /// The names are in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub(super) fn new(received: Received, method: String, url: String) -> Self {
        Self {
            received,
            method,
            url,
        }
    }

    /// The status, such as 200.
    pub fn status(&self) -> u16 {
        self.received.status
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status())
    }

    /// The first header of a name, in which case does not count.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.received.headers.iter();
        let (_, value) = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// All headers; the names are in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.received.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same response, unless its status is 400 or more. With `?` the event is
    /// then tried again, not before the `Retry-After` of the response (an hour at most). A status that
    /// no repetition can change is the handler's to reject:
    ///
    /// ```
    /// # use waystation_sdk::{Context, HandlerError, ResultExt};
    /// # fn example(ctx: &Context) -> Result<(), HandlerError> {
    /// let mut response = ctx.http().get("https://rates.example/usd").send()?;
    /// if response.status() == 404 {
    ///     response = response.error_for_status().reject()?;
    /// }
    /// let response = response.error_for_status()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the status is 400 or more.
    pub fn error_for_status(self) -> Result<Self, HttpError> {
        if self.status() < 400 {
            return Ok(self);
        }
        let seconds = self
            .header("retry-after")
            .and_then(|text| text.trim().parse().ok());
        Err(self.error(HttpFault::Status {
            status: self.status(),
            retry_after: seconds.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
        }))
    }

    /// The body, from JSON.
    ///
    /// # Errors
    /// When it is no such value. The error names the place in the JSON, never the
    /// value.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        data::from_json(&self.received.body, "body")
            .map_err(|why| self.error(HttpFault::Response(why)))
    }

    /// The body as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str, HttpError> {
        std::str::from_utf8(&self.received.body)
            .map_err(|error| self.error(HttpFault::Response(format!("body: {error}"))))
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.received.body
    }

    fn error(&self, fault: HttpFault) -> HttpError {
        HttpError::new(&self.method, &self.url, fault)
    }
}
