//! Where events come in: `POST /events`, by the HTTP binding of CloudEvents.
//!
//! It answers 202 only when the events are durable. It knows the journal, and of
//! handlers and webhooks only in whose name nobody else may publish: whoever
//! publishes never learns who listens.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use waystation_core::formats::{Mode, ParseError, http, json};
use waystation_core::{Event, limits};
use waystation_dispatch::SOURCE_PREFIX;
use waystation_journal::Journal;

use super::body::Bodies;
use super::door::Door;
use super::problem::{Kind, Rejection, no_such_method, no_such_path};
use crate::api::Accepted;

/// What takes events in.
#[derive(Clone)]
pub struct Ingest {
    /// Where they are stored.
    pub journal: Arc<dyn Journal>,
    /// Who may publish.
    pub door: Door,
    /// The sources that are somebody else's, beside those of handlers.
    pub reserved: Vec<String>,
}

struct Shared {
    journal: Arc<dyn Journal>,
    door: Arc<Door>,
    reserved: Arc<[String]>,
    bodies: Bodies,
}

/// The routes for publishers.
pub fn router(ingest: Ingest) -> Router {
    let shared = Shared {
        journal: ingest.journal,
        door: Arc::new(ingest.door),
        reserved: ingest.reserved.into(),
        bodies: Bodies::new(limits::HTTP_BODIES_BYTES_MAX),
    };
    Router::new()
        .route("/events", post(publish))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(Arc::new(shared))
}

/// The door is here and not a layer around it, which would cost each event a tenth
/// of its way.
async fn publish(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<(StatusCode, Json<Accepted>), Rejection> {
    shared.door.admit(&request)?;
    let (head, body) = request.into_parts();
    let headers = head.headers;
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.as_bytes());
    let mode = Mode::of(content_type)?;
    if mode == Mode::Binary && !headers.keys().any(|name| name.as_str().starts_with("ce-")) {
        return Err(no_event());
    }
    let body = shared.bodies.read(body, limits::BODY_BYTES_MAX).await?;
    let events = parse(mode, &headers, body.bytes.clone())?;
    if let Some(index) = events
        .iter()
        .position(|event| shared.reserves(&event.source))
    {
        return Err(reserved_source((mode == Mode::Batch).then_some(index)));
    }
    let appended = shared.journal.append(events).await?;
    let duplicates = appended.iter().filter(|event| event.duplicate).count();
    let accepted = Accepted {
        accepted: appended.len() - duplicates,
        duplicates,
        sequences: appended.iter().map(|event| event.sequence).collect(),
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

impl Shared {
    fn reserves(&self, source: &str) -> bool {
        source.starts_with(SOURCE_PREFIX) || self.reserved.iter().any(|other| other == source)
    }
}

/// Whoever could publish in the name of a handler or a webhook could take the
/// place of what it publishes.
fn reserved_source(index: Option<usize>) -> Rejection {
    let detail = format!(
        "`source` must not begin with `{SOURCE_PREFIX}`, where handlers publish, nor be the source \
         of a webhook"
    );
    Rejection::new(Kind::Attribute, detail)
        .about(Some("source"), "reserved")
        .at(index)
}

fn parse(mode: Mode, headers: &HeaderMap, body: Bytes) -> Result<Vec<Event>, ParseError> {
    match mode {
        Mode::Binary => {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes()));
            Ok(vec![http::parse(headers, body)?])
        }
        Mode::Structured => Ok(vec![json::parse(&body)?]),
        Mode::Batch => json::parse_batch(&body),
    }
}

/// The answer to what is, most likely, plain JSON.
fn no_event() -> Rejection {
    let detail = "this is no CloudEvent: it has no header that begins with `ce-`. Send the event as \
                  JSON with `Content-Type: application/cloudevents+json`, several of them with \
                  `application/cloudevents-batch+json`, or its data in the body and its attributes \
                  in the headers `ce-specversion`, `ce-id`, `ce-source` and `ce-type`";
    Rejection::new(Kind::Attribute, detail).about(Some("specversion"), "required")
}

#[cfg(test)]
mod tests;
