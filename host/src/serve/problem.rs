//! Errors as RFC 9457 has them: `application/problem+json`.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use waystation_core::formats::{self, ParseError, UnsupportedMediaType};
use waystation_core::{EventError, limits};
use waystation_journal as journal;

use crate::api::Problem;

/// A request that is answered with a problem.
#[derive(Debug)]
pub struct Rejection {
    problem: Box<Problem>,
    /// Whether the same request may succeed soon.
    retry_after: Option<Duration>,
    /// How to authenticate, if that is what is missing.
    challenge: Option<&'static str>,
}

/// The kinds of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An attribute of an event breaks a rule.
    Attribute,
    /// The body of the request cannot be read as what it should be.
    Body,
    /// The query of the request asks for something that there is not.
    Query,
    /// There is no such thing.
    NotFound,
    /// The request contradicts what is there.
    Conflict,
    /// The path does not take this method.
    Method,
    /// The body came too slowly.
    Slow,
    /// The body, a batch or an event is too large.
    TooLarge,
    /// The body is of a media type that is not understood.
    MediaType,
    /// The request was meant for another host.
    Host,
    /// The request lacks the token.
    Token,
    /// The request was not signed by whom it should be.
    Signature,
    /// A page of another origin sent the request.
    Origin,
    /// Something failed in the host.
    Internal,
    /// The host has more to do than it takes on.
    Busy,
    /// The host cannot do it until an operator helps, or is about to stop.
    Unavailable,
    /// The disk is full.
    NoSpace,
}

impl Kind {
    /// The last segment of its `type`, its title and its status.
    fn parts(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::Attribute => (
                "attribute",
                "An attribute breaks a rule",
                StatusCode::BAD_REQUEST,
            ),
            Self::Body => ("body", "The body cannot be read", StatusCode::BAD_REQUEST),
            Self::Query => ("query", "The query is wrong", StatusCode::BAD_REQUEST),
            Self::NotFound => ("not-found", "There is no such thing", StatusCode::NOT_FOUND),
            Self::Method => (
                "method",
                "The method is not allowed",
                StatusCode::METHOD_NOT_ALLOWED,
            ),
            Self::Slow => (
                "slow",
                "The body came too slowly",
                StatusCode::REQUEST_TIMEOUT,
            ),
            Self::TooLarge => ("too-large", "Too large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::MediaType => (
                "media-type",
                "The media type is not understood",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::Host => (
                "host",
                "Not the host that was asked for",
                StatusCode::MISDIRECTED_REQUEST,
            ),
            Self::Token => ("token", "A token is asked for", StatusCode::UNAUTHORIZED),
            Self::Signature => (
                "signature",
                "The signature does not hold",
                StatusCode::UNAUTHORIZED,
            ),
            Self::Origin => ("origin", "Another origin", StatusCode::FORBIDDEN),
            Self::Conflict => (
                "conflict",
                "It contradicts what is there",
                StatusCode::CONFLICT,
            ),
            Self::Internal => (
                "internal",
                "The host failed",
                StatusCode::INTERNAL_SERVER_ERROR,
            ),
            Self::Busy => ("busy", "The host is busy", StatusCode::SERVICE_UNAVAILABLE),
            Self::Unavailable => (
                "unavailable",
                "The host is not available",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::NoSpace => (
                "no-space",
                "The disk is full",
                StatusCode::INSUFFICIENT_STORAGE,
            ),
        }
    }

    /// How to authenticate (RFC 9110, section 11.6.1: every 401 says so).
    fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Token => Some("Bearer realm=\"waystation\""),
            Self::Signature => Some("Standard-Webhooks"),
            _ => None,
        }
    }
}

impl Rejection {
    /// A problem of this kind; `detail` says what is wrong with this request and
    /// what to do.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (slug, title, status) = kind.parts();
        let problem = Problem {
            kind: format!("/problems/{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            attribute: None,
            rule: None,
            index: None,
        };
        Self {
            problem: Box::new(problem),
            retry_after: (kind == Kind::Busy).then_some(limits::HTTP_RETRY_AFTER),
            challenge: kind.challenge(),
        }
    }

    /// The same problem, caused by an attribute or a rule.
    #[must_use]
    pub fn about(mut self, attribute: Option<&str>, rule: &str) -> Self {
        self.problem.attribute = attribute.map(str::to_owned);
        self.problem.rule = Some(rule.to_owned());
        self
    }

    /// The same problem, at a place in a batch.
    #[must_use]
    pub fn at(mut self, index: Option<usize>) -> Self {
        self.problem.index = index;
        self
    }
}

impl From<ParseError> for Rejection {
    fn from(error: ParseError) -> Self {
        let kind = match &error.problem {
            formats::Problem::BodyTooLarge { .. }
            | formats::Problem::BatchTooLong { .. }
            | formats::Problem::Event(EventError::TooLarge { .. }) => Kind::TooLarge,
            formats::Problem::Event(_) => Kind::Attribute,
            _ => Kind::Body,
        };
        let mut rejection =
            Self::new(kind, error.to_string()).about(error.attribute(), error.rule());
        rejection.problem.index = error.index;
        rejection
    }
}

impl From<EventError> for Rejection {
    fn from(error: EventError) -> Self {
        let kind = match &error {
            EventError::TooLarge { .. } => Kind::TooLarge,
            _ => Kind::Attribute,
        };
        Self::new(kind, error.to_string()).about(error.attribute(), error.rule())
    }
}

impl From<UnsupportedMediaType> for Rejection {
    fn from(error: UnsupportedMediaType) -> Self {
        Self::new(Kind::MediaType, error.to_string())
    }
}

impl From<journal::Error> for Rejection {
    fn from(error: journal::Error) -> Self {
        let kind = match &error {
            journal::Error::Full => Kind::Busy,
            journal::Error::NoSpace(_) => Kind::NoSpace,
            journal::Error::Poisoned(_) | journal::Error::Closed => Kind::Unavailable,
            _ => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<waystation_dispatch::Error> for Rejection {
    fn from(error: waystation_dispatch::Error) -> Self {
        match error {
            waystation_dispatch::Error::Journal(error) => error.into(),
            waystation_dispatch::Error::Stopped => {
                Self::new(Kind::Unavailable, "the host is stopping")
            }
            other => Self::new(Kind::Internal, other.to_string()),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status);
        if self.problem.status == 500 {
            tracing::error!(detail = %self.problem.detail, "a request failed");
        }
        let mut response = Json(self.problem).into_response();
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem);
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, after.as_secs().into());
        }
        if let Some(challenge) = self.challenge {
            let challenge = HeaderValue::from_static(challenge);
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The answer to a path that is none.
pub async fn no_such_path(uri: Uri) -> Rejection {
    Rejection::new(Kind::NotFound, format!("there is no `{}` here", uri.path()))
}

/// The answer to a method that the path does not take. The header Allow is added
/// by the router.
pub async fn no_such_method(method: Method, uri: Uri) -> Rejection {
    let detail = format!(
        "`{}` does not take {method}; the header Allow names what it takes",
        uri.path()
    );
    Rejection::new(Kind::Method, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: journal::Error, status: u16, retry_after: Option<&str>) {
        let message = error.to_string();
        let rejection = Rejection::from(error);
        assert_eq!(rejection.problem.detail, message);
        let response = rejection.into_response();
        assert_eq!(response.status(), status, "{message}");
        let found = response.headers().get(header::RETRY_AFTER);
        assert_eq!(
            found.map(|value| value.to_str().unwrap()),
            retry_after,
            "{message}"
        );
    }

    #[test]
    fn only_what_may_soon_succeed_is_to_be_tried_again() {
        check(journal::Error::Full, 503, Some("1"));
        check(journal::Error::NoSpace("no".into()), 507, None);
        check(journal::Error::Poisoned("no".into()), 503, None);
        check(journal::Error::Closed, 503, None);
        check(journal::Error::Store("no".into()), 500, None);
    }
}
