//! Why a call of another host failed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::url::shown;

/// A call of another host that failed. With `?` the event is tried again, not
/// before the time that the other side asked for with `Retry-After`.
///
/// It tells the method and the URL, but neither the query nor what was sent or
/// received, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    method: String,
    url: String,
    fault: HttpFault,
}

/// What went wrong with a call of another host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpFault {
    /// The handler was not granted the host; what it must ask for.
    Denied(String),
    /// The other side was not reached, or the connection broke.
    Unreachable(String),
    /// The other side took longer than it may.
    TimedOut,
    /// The other side answered with a status that is a failure.
    Status {
        /// The status, from 400.
        status: u16,
        /// The `Retry-After` of the answer, if it is in seconds.
        retry_after: Option<Duration>,
    },
    /// The request is none that can be sent.
    Request(String),
    /// The response cannot be read as what was asked for; where it is not, but
    /// never the value.
    Response(String),
}

impl HttpError {
    pub(crate) fn new(method: &str, url: &str, fault: HttpFault) -> Self {
        Self {
            method: method.to_owned(),
            url: shown(url).to_owned(),
            fault,
        }
    }

    /// What went wrong.
    pub fn fault(&self) -> &HttpFault {
        &self.fault
    }

    /// The status that the other side answered with, if that is the failure.
    pub fn status(&self) -> Option<u16> {
        match self.fault {
            HttpFault::Status { status, .. } => Some(status),
            _ => None,
        }
    }

    /// How long the other side asked to be left alone: an hour at most.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.fault {
            HttpFault::Status { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.method, self.url)?;
        match &self.fault {
            HttpFault::Denied(host) => write!(
                f,
                "was refused: this handler may not call `{host}`; it needs `http = \"{host}\"` in \
                 its attribute and the operator's grant"
            ),
            HttpFault::Unreachable(why) => write!(f, "got no answer: {why}"),
            HttpFault::TimedOut => f.write_str("got no answer in time"),
            HttpFault::Status { status, .. } => write!(f, "answered {status}"),
            HttpFault::Request(why) => write!(f, "was not sent: {why}"),
            HttpFault::Response(why) => write!(f, "answered what cannot be read: {why}"),
        }
    }
}

impl Error for HttpError {}
