//! The body of a request that changes something.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use waystation_core::{MediaType, limits};

use crate::serve::body::Bodies;
use crate::serve::problem::{Kind, Rejection};

/// Reads a body that must be JSON and say that it is; `form` shows what is
/// expected.
pub async fn read<T: DeserializeOwned>(
    bodies: &Bodies,
    headers: &HeaderMap,
    body: Body,
    form: &str,
) -> Result<T, Rejection> {
    require(headers)?;
    let body = bodies.read(body, limits::ADMIN_BODY_BYTES_MAX).await?;
    serde_json::from_slice(&body.bytes)
        .map_err(|error| Rejection::new(Kind::Body, format!("{error}; send {form}")))
}

fn require(headers: &HeaderMap) -> Result<(), Rejection> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if content_type
        .and_then(MediaType::parse)
        .is_some_and(|media_type| media_type.is("application", "json"))
    {
        return Ok(());
    }
    let detail = "send the request as JSON with `Content-Type: application/json`";
    Err(Rejection::new(Kind::MediaType, detail))
}
