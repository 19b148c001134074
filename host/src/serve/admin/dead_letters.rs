//! The dead letters, newest first, and their redrive.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use waystation_core::{DeliveryId, HandlerName};
use waystation_journal::{DeadLetter, DeliveryKey};

use super::history::History;
use super::json;
use super::query::{Limit, Query};
use super::{Admin, Shared, handlers};
use crate::api::{Delivery, Redrive, Redriven};
use crate::serve::problem::{Kind, Rejection};

/// The keys of a query for dead letters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    handler: Option<HandlerName>,
    #[serde(default)]
    limit: Limit,
}

/// The dead letters of a handler, or all.
pub async fn list(
    State(Shared { admin, .. }): State<Shared>,
    Query(Page { handler, limit }): Query<Page>,
) -> Result<Json<Vec<Delivery>>, Rejection> {
    handlers::require(&admin, handler.as_ref()).await?;
    let dead = admin
        .journal
        .dead_letters(handler.as_ref(), None, limit.0)
        .await?;
    Ok(Json(dead.into_iter().map(shown).collect()))
}

fn shown(dead: DeadLetter) -> Delivery {
    let (handler, entry) = (dead.key.handler.clone(), dead.entry.clone());
    History::dead(dead).delivery(&handler, &entry)
}

/// Tries dead letters again.
pub async fn redrive(
    State(Shared { admin, bodies }): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Redriven>, Rejection> {
    let form = r#"`{"delivery": ID}`, `{"handler": NAME}` or `{"all": {}}`"#;
    let request: Redrive = json::read(&bodies, &headers, body, form).await?;
    // A task of its own: a client that hangs up must not leave dispatch untold.
    let redriven = tokio::spawn(async move { run(&admin, request).await });
    let failed = |_| Rejection::new(Kind::Internal, "the redrive did not end");
    Ok(Json(redriven.await.map_err(failed)??))
}

async fn run(admin: &Admin, request: Redrive) -> Result<Redriven, Rejection> {
    if let Redrive::Handler(handler) = &request {
        handlers::require(admin, Some(handler)).await?;
    }
    let (handler, sequence) = match &request {
        Redrive::All {} => (None, None),
        Redrive::Handler(handler) => (Some(handler.clone()), None),
        Redrive::Delivery(text) => {
            let id = delivery(admin, text).await?;
            (Some(id.handler), Some(id.sequence))
        }
    };
    let keys = admin.journal.redrive(handler.as_ref(), sequence).await?;
    if keys.is_empty() {
        return Err(none(&request));
    }
    admin.dispatch.redriven(keys.clone()).await?;
    let mut deliveries = Vec::with_capacity(keys.len());
    for key in keys {
        deliveries.extend(id(admin, key).await?);
    }
    Ok(Redriven { deliveries })
}

/// The delivery with this id. Its fingerprint must be that of the event: after a
/// journal was put back, another event may stand at its sequence.
async fn delivery(admin: &Admin, text: &str) -> Result<DeliveryId, Rejection> {
    let wanted: DeliveryId = text
        .parse()
        .map_err(|error| Rejection::new(Kind::Body, format!("delivery: {error}")))?;
    match admin.journal.entry(wanted.sequence).await? {
        Some(entry)
            if DeliveryId::new(wanted.handler.clone(), wanted.sequence, &entry.event) == wanted =>
        {
            Ok(wanted)
        }
        _ => Err(none(&Redrive::Delivery(text.to_owned()))),
    }
}

async fn id(admin: &Admin, key: DeliveryKey) -> Result<Option<String>, Rejection> {
    let entry = admin.journal.entry(key.sequence).await?;
    Ok(entry.map(|entry| DeliveryId::new(key.handler, key.sequence, &entry.event).to_string()))
}

fn none(request: &Redrive) -> Rejection {
    let detail = match request {
        Redrive::Delivery(id) => format!("the delivery `{}` is no dead letter", id.escape_debug()),
        Redrive::Handler(handler) => format!("the handler `{handler}` has no dead letters"),
        Redrive::All {} => "there are no dead letters".to_owned(),
    };
    Rejection::new(Kind::NotFound, detail)
}
