//! Who may come in through a listener.
//!
//! Everything is refused before a byte of a body is read, in this order: what is
//! meant for another host, what lacks the token, what a page in a browser sends
//! from elsewhere. Nothing is allowed across origins: no answer carries a header
//! of CORS.

mod host;
mod origin;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::{Kind, Rejection};
use crate::token::Token;

pub use host::Names;

/// What a request must have.
#[derive(Clone, Debug)]
pub struct Door {
    /// The names that its Host must be one of; any if there are none.
    pub names: Option<Names>,
    /// The token that it must carry.
    pub token: Option<Token>,
    /// The paths that need no token.
    pub open: &'static [&'static str],
}

/// Lets a request through if it has what it must have.
pub async fn check(
    State(door): State<Arc<Door>>,
    request: Request,
    next: Next,
) -> Result<Response, Rejection> {
    door.admit(&request)?;
    Ok(next.run(request).await)
}

impl Door {
    /// Whether a request has what it must have.
    pub fn admit(&self, request: &Request) -> Result<(), Rejection> {
        let headers = request.headers();
        if let Some(names) = &self.names {
            names.check(headers)?;
        }
        if !self.open.contains(&request.uri().path()) {
            self.check_token(headers)?;
            origin::check(request.method(), headers)?;
        }
        Ok(())
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        let detail = match bearer(headers) {
            Some(presented) if token.matches(presented) => return Ok(()),
            Some(_) => "the token is not the one that this listener asks for",
            None => "this listener asks for a token: send one `Authorization: Bearer TOKEN`",
        };
        Err(Rejection::new(Kind::Token, detail))
    }
}

/// The token of the one header Authorization (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

#[cfg(test)]
mod tests;
