//! The handlers: what serves, what was refused, and how far each has come.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract;
use waystation_core::{HandlerName, Sequence};
use waystation_folder::{Refusal, State};

use super::Shared;
use crate::api::{Handler, HandlerState, Refused, Serving, Stray};
use crate::serve::problem::Rejection;

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
            State::Retired => HandlerState::Retired,
        };
        handler.serving = status.serving.map(serving);
        handler.refused = status.refused.map(refused);
    }
    Ok(Json(handlers.into_values().collect()))
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

fn row(handlers: &mut BTreeMap<HandlerName, Handler>, name: HandlerName) -> &mut Handler {
    handlers.entry(name.clone()).or_insert(Handler {
        name,
        // What the folder does not know any more.
        state: HandlerState::Retired,
        serving: None,
        refused: None,
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
        order: settings.order,
        instances: settings.instances,
        concurrency: settings.concurrency,
        timeout_ms: u64::try_from(settings.timeout.as_millis()).unwrap_or(u64::MAX),
        memory_bytes: settings.memory_bytes as u64,
        attempts: settings.retry.attempts,
    }
}

fn refused(refusal: Refusal) -> Refused {
    Refused {
        generation: refusal.digest,
        reason: refusal.reason,
        at: refusal.at.to_string(),
    }
}
