//! Requests to a running host.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::uri::Authority;
use ureq::http::{HeaderMap, Response, header};
use ureq::{Agent, Body, RequestBuilder};
use waystation_core::limits;

use super::credentials::{self, Bearer, Credentials};
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::api::Problem;

/// Which host to ask, and how to show its answer.
#[derive(Clone, Debug, clap::Args)]
pub struct Asking {
    /// The admin address of the host
    #[arg(
        long,
        value_name = "ADDR",
        env = "WAYSTATION_ADMIN",
        default_value = "127.0.0.1:8081",
        hide_env_values = true
    )]
    admin: Address,
    #[command(flatten)]
    credentials: Credentials,
    /// The form of the answer
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    pub output: Output,
}

impl Asking {
    /// A client of the host's admin API.
    pub fn client(&self) -> Result<Client, Failure> {
        let token = self.credentials.token()?;
        Ok(Client::new(self.admin.clone(), "--admin").with_token(token))
    }
}

/// Where a host listens: `127.0.0.1:8081` or `http://127.0.0.1:8081`, or with the
/// path of the ingest, as `waystation run` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Authority);

/// A text that is no address of a host.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// HTTP over TLS.
    #[error("a host speaks plain http; write `http://HOST:PORT`")]
    Https,
    /// Anything else.
    #[error("an address is `HOST:PORT` or `http://HOST:PORT`, such as 127.0.0.1:8081")]
    Syntax,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.starts_with("https://") {
            return Err(AddressError::Https);
        }
        let text = text.strip_prefix("http://").unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        // The path with which `waystation run` shows where events come in.
        let text = text.strip_suffix("/events").unwrap_or(text);
        let authority: Authority = text.parse().map_err(|_| AddressError::Syntax)?;
        // A name or a password before an `@` would be sent to nobody.
        if authority.port_u16().is_none()
            || authority.host().is_empty()
            || authority.as_str().contains('@')
        {
            return Err(AddressError::Syntax);
        }
        Ok(Self(authority))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// Why a request brought no answer of the kind that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("no host answers at {address}")]
    Unreachable {
        /// Where.
        address: Address,
        /// The flag that gives another address.
        flag: &'static str,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// The host has too much to do and says when to come back.
    #[error("the host at {address} is busy: {}", problem.detail)]
    Busy {
        /// Where.
        address: Address,
        /// When to come back.
        after: Duration,
        /// What it says.
        problem: Box<Problem>,
    },
    /// The host says no.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// What answered is no host of this version.
    #[error("what answers at {address} is no Waystation host of this version: status {status}")]
    Unexpected {
        /// Where.
        address: Address,
        /// The flag that gives another address.
        flag: &'static str,
        /// The HTTP status of the answer.
        status: u16,
        /// Why its body is not understood.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Unreachable { flag, .. } => {
                let hint = format!("is `waystation run` running? give another address with {flag}");
                Self::new(Exit::Unreachable, error).with_hint(hint)
            }
            Error::Unexpected { flag, .. } => {
                let hint = format!("give the address of the host with {flag}");
                Self::new(Exit::Unreachable, error).with_hint(hint)
            }
            Error::Problem(problem) if problem.status == 401 => {
                Self::new(Exit::Negative, error).with_hint(credentials::HINT)
            }
            Error::Problem(problem) if problem.status < 500 => Self::new(Exit::Negative, error),
            Error::Busy { .. } | Error::Problem(_) => Self::new(Exit::Unreachable, error),
        }
    }
}

/// A client of one listener of a host.
pub struct Client {
    agent: Agent,
    address: Address,
    /// The flag that gives another address.
    flag: &'static str,
    token: Option<Bearer>,
}

impl Client {
    /// A client of the listener at this address, which the flag gave.
    pub fn new(address: Address, flag: &'static str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A host is asked directly, whatever the environment says of proxies.
            .proxy(None)
            .timeout_connect(Some(limits::CLIENT_CONNECT_TIMEOUT))
            .timeout_global(Some(limits::CLIENT_TIMEOUT))
            .user_agent(concat!("waystation/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.new_agent(),
            address,
            flag,
            token: None,
        }
    }

    /// The same client, which shows a token.
    #[must_use]
    pub fn with_token(mut self, token: Option<Bearer>) -> Self {
        self.token = token;
        self
    }

    /// Asks for what is at a path. What has no value is left out of the query.
    pub fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, Option<String>)],
    ) -> Result<T, Error> {
        let query = query
            .iter()
            .filter_map(|(key, value)| Some((*key, value.as_ref()?)));
        let request = self.agent.get(self.url(path)).query_pairs(query);
        self.read(self.with_credentials(request).call())
    }

    /// Posts a value as JSON.
    pub fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let request = self.agent.post(self.url(path));
        self.read(self.with_credentials(request).send_json(body))
    }

    /// Posts a body of a media type.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        media_type: &str,
        body: &[u8],
    ) -> Result<T, Error> {
        let request = self.agent.post(self.url(path)).content_type(media_type);
        self.read(self.with_credentials(request).send(body))
    }

    /// The request with the token, if there is one.
    fn with_credentials<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, token.header()),
            None => request,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, Error> {
        let mut answer = answer.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        let after = retry_after(answer.headers());
        let body = answer
            .body_mut()
            .with_config()
            .limit(limits::CLIENT_ANSWER_BYTES_MAX as u64)
            .read_to_vec();
        let body = match body {
            Ok(body) => body,
            Err(error @ ureq::Error::BodyExceedsLimit(_)) => {
                return Err(self.unexpected(status.as_u16(), error));
            }
            Err(error) => return Err(self.unreachable(error)),
        };
        let not_understood = |error| self.unexpected(status.as_u16(), error);
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(not_understood);
        }
        let problem: Box<Problem> = serde_json::from_slice(&body).map_err(not_understood)?;
        Err(match after {
            Some(after) => Error::Busy {
                address: self.address.clone(),
                after,
                problem,
            },
            None => Error::Problem(problem),
        })
    }

    fn unreachable(&self, error: ureq::Error) -> Error {
        let address = self.address.clone();
        Error::Unreachable {
            address,
            flag: self.flag,
            source: Box::new(error),
        }
    }

    fn unexpected(
        &self,
        status: u16,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        let address = self.address.clone();
        Error::Unexpected {
            address,
            flag: self.flag,
            status,
            source: Box::new(source),
        }
    }
}

/// The header Retry-After in seconds (RFC 9110, section 10.2.3). A host never
/// sends the form with a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
pub mod tests;
