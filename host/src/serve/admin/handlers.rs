//! The handlers: what serves, what was refused, and how far each has come.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract;
use axum::http::HeaderMap;
use waystation_core::{Ask, Grants, HandlerName, Sequence};
use waystation_folder::{ApproveError, Quarantine, Refusal, State};

use super::{Admin, Shared, json};
use crate::api::{Approve, Approved, Handler, HandlerState, Quarantined, Refused, Serving, Stray};
use crate::serve::problem::{Kind, Rejection};

/// Every handler that is in the folder or ever had a subscription, by name.
pub async fn list(
    extract::State(Shared { admin, .. }): extract::State<Shared>,
) -> Result<Json<Vec<Handler>>, Rejection> {
    let head = *admin.journal.head().borrow();
    let mut handlers = BTreeMap::new();
    for stored in admin.journal.subscriptions().await? {
        let handler = row(&mut handlers, stored.handler);
        handler.cursor = stored.cursor;
        handler.behind = head.0.saturating_sub(stored.cursor.0);
        handler.waiting = stored.waiting;
        handler.dead = stored.dead;
    }
    for live in admin.dispatch.view().await? {
        let handler = row(&mut handlers, live.handler);
        // The stored cursor follows a moment later.
        handler.cursor = handler.cursor.max(live.cursor);
        handler.running = live.running;
        handler.behind = live.behind;
    }
    for status in admin.folder.handlers() {
        let handler = row(&mut handlers, status.name.clone());
        handler.state = match status.state {
            State::Loading => HandlerState::Loading,
            State::Serving => HandlerState::Serving,
            State::Refused => HandlerState::Refused,
            State::Quarantined => HandlerState::Quarantined,
            State::Retired => HandlerState::Retired,
        };
        handler.serving = status.serving.map(serving);
        handler.refused = status.refused.map(refused);
        handler.quarantined = status.quarantined.map(quarantined);
    }
    Ok(Json(handlers.into_values().collect()))
}

/// Lets a quarantined generation in.
pub async fn approve(
    extract::State(Shared { admin, bodies }): extract::State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Approved>, Rejection> {
    let form = r#"`{"handler": NAME, "generation": DIGEST}`"#;
    let request: Approve = json::read(&bodies, &headers, body, form).await?;
    let Approve {
        handler,
        generation,
    } = request;
    let approved = admin.folder.approve(handler.clone(), generation).await;
    let asks = approved.map_err(|error| {
        let kind = match error {
            ApproveError::NotQuarantined(_) => Kind::NotFound,
            ApproveError::Stopped => Kind::Unavailable,
            _ => Kind::Conflict,
        };
        Rejection::new(kind, error.to_string())
    })?;
    Ok(Json(Approved {
        handler,
        generation,
        asks,
    }))
}

/// The files in the folder that are no handler's, by name.
pub async fn strays(
    extract::State(Shared { admin, .. }): extract::State<Shared>,
) -> Json<Vec<Stray>> {
    let strays = admin.folder.strays().into_iter();
    Json(
        strays
            .map(|stray| Stray {
                file: stray.file,
                reason: stray.reason,
            })
            .collect(),
    )
}

/// Refuses the name of a handler that was never there.
pub async fn require(admin: &Admin, name: Option<&HandlerName>) -> Result<(), Rejection> {
    let Some(name) = name else { return Ok(()) };
    let in_folder = admin.folder.handlers();
    if in_folder.iter().any(|status| &status.name == name) {
        return Ok(());
    }
    let stored = admin.journal.subscriptions().await?;
    if stored.iter().any(|stored| &stored.handler == name) {
        return Ok(());
    }
    let detail = format!("there is no handler `{name}`; `waystation handlers` lists them");
    Err(Rejection::new(Kind::NotFound, detail))
}

fn row(handlers: &mut BTreeMap<HandlerName, Handler>, name: HandlerName) -> &mut Handler {
    handlers.entry(name.clone()).or_insert(Handler {
        name,
        // What the folder does not know any more.
        state: HandlerState::Retired,
        serving: None,
        refused: None,
        quarantined: None,
        cursor: Sequence(0),
        behind: 0,
        running: 0,
        waiting: 0,
        dead: 0,
    })
}

fn serving(serving: waystation_folder::Serving) -> Serving {
    let settings = serving.settings;
    Serving {
        generation: serving.digest,
        bytes: serving.bytes,
        since: serving.since.to_string(),
        description: settings.description,
        subscriptions: settings.subscriptions,
        publishes: settings.publishes,
        networks: settings
            .grants
            .networks
            .iter()
            .map(ToString::to_string)
            .collect(),
        grants: granted(settings.grants),
        withheld: serving.withheld,
        order: settings.order,
        instances: settings.instances,
        concurrency: settings.concurrency,
        timeout_ms: u64::try_from(settings.timeout.as_millis()).unwrap_or(u64::MAX),
        memory_bytes: settings.memory_bytes as u64,
        attempts: settings.retry.attempts,
    }
}

/// What is granted, without the values.
fn granted(grants: Grants) -> Vec<Ask> {
    let http = grants.http.into_iter().map(Ask::Http);
    let state = grants.state.into_iter().map(Ask::State);
    let config = grants.config.into_keys().map(Ask::Config);
    let secrets = grants.secrets.into_keys().map(Ask::Secret);
    http.chain(state).chain(config).chain(secrets).collect()
}

fn quarantined(quarantine: Quarantine) -> Quarantined {
    Quarantined {
        generation: quarantine.digest,
        asks: quarantine.asks,
        at: quarantine.at.to_string(),
    }
}

fn refused(refusal: Refusal) -> Refused {
    Refused {
        generation: refusal.digest,
        reason: refusal.reason,
        at: refusal.at.to_string(),
    }
}
