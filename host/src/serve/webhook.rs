//! Webhooks in: `POST /webhooks/NAME`, signed by the rules of Standard Webhooks.
//!
//! A call becomes an event whose id is the `webhook-id`. The sender repeats a
//! call until it is answered with a 2xx, so the same call again is answered like
//! the first and is the same event; another body under a known id is refused.
//! Whoever has no key learns nothing but that the signature does not hold; the
//! log says why.

mod signature;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use waystation_core::{Clock, Event, limits};
use waystation_journal::Journal;

use super::body::Bodies;
use super::problem::{Kind, Rejection, no_such_method, no_such_path};
use crate::api::Accepted;

pub use signature::Key;
use signature::{Call, Refusal};

/// A source connector that takes webhooks in.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The last segment of its path.
    pub name: String,
    /// The type of its events.
    pub event_type: String,
    /// The source of its events.
    pub source: String,
    /// The keys of the sender: any of them will do.
    pub keys: Vec<Key>,
}

/// What takes webhooks in.
pub struct Webhooks {
    /// Where the events are stored.
    pub journal: Arc<dyn Journal>,
    /// What tells how old a call is: the system's clock, by which it was dated too.
    pub clock: Arc<dyn Clock>,
    /// All of them, with names of their own.
    pub webhooks: Vec<Webhook>,
}

#[derive(Clone)]
struct Shared {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    webhooks: Arc<BTreeMap<String, Webhook>>,
    bodies: Bodies,
}

/// The routes for senders of webhooks.
pub fn router(webhooks: Webhooks) -> Router {
    let by_name = webhooks.webhooks.into_iter();
    let by_name = by_name.map(|webhook| (webhook.name.clone(), webhook));
    let shared = Shared {
        journal: webhooks.journal,
        clock: webhooks.clock,
        webhooks: Arc::new(by_name.collect()),
        bodies: Bodies::new(limits::WEBHOOK_BODIES_BYTES_MAX),
    };
    Router::new()
        .route("/webhooks/{name}", post(receive))
        .method_not_allowed_fallback(no_such_method)
        .with_state(shared)
}

async fn receive(
    State(shared): State<Shared>,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), Rejection> {
    let webhook = name.ok().and_then(|Path(name)| shared.webhooks.get(&name));
    let Some(webhook) = webhook else {
        return Err(no_such_path(uri).await);
    };
    let refused = |refusal| webhook.refused(refusal);
    let call = Call::of(&headers, shared.clock.now()).map_err(refused)?;
    let body = shared.bodies.read(body, limits::EVENT_BYTES_MAX).await?;
    call.verify(&webhook.keys, &body.bytes).map_err(refused)?;
    let event = webhook.event(&call, &headers, body.bytes.clone())?;
    let accepted = store(shared.journal.as_ref(), event).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

impl Webhook {
    fn refused(&self, refusal: Refusal) -> Rejection {
        tracing::warn!(webhook = %self.name, "a call was refused: {refusal}");
        let detail = "the call is not signed as this webhook asks for it; the log of the host says \
                      what is wrong";
        Rejection::new(Kind::Signature, detail)
    }

    fn event(&self, call: &Call, headers: &HeaderMap, body: Bytes) -> Result<Event, Rejection> {
        let content_type = headers.get(header::CONTENT_TYPE);
        let event = Event {
            id: call.id.to_owned(),
            source: self.source.clone(),
            event_type: self.event_type.clone(),
            time: Some(call.sent.to_string()),
            data_content_type: content_type
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            // HTTP cannot tell data of no bytes from no data.
            data: (!body.is_empty()).then_some(body),
            ..Event::default()
        };
        event.check()?;
        Ok(event)
    }
}

/// Stores an event, unless it is known. The attempts of a sender differ in their
/// time only; what differs in its data is no repetition.
async fn store(journal: &dyn Journal, event: Event) -> Result<Accepted, Rejection> {
    let data = event.data.clone();
    let appended = journal.append(vec![event]).await?;
    for known in appended.iter().filter(|appended| appended.duplicate) {
        let known = journal.entry(known.sequence).await?;
        if known.is_some_and(|known| known.event.data != data) {
            let detail = "another body was received under this `webhook-id`, so this one was not \
                          stored; a new message needs an id of its own";
            return Err(Rejection::new(Kind::Conflict, detail));
        }
    }
    let duplicates = appended.iter().filter(|event| event.duplicate).count();
    Ok(Accepted {
        accepted: appended.len() - duplicates,
        duplicates,
        sequences: appended.iter().map(|event| event.sequence).collect(),
    })
}

#[cfg(test)]
mod tests;
