//! Whether the host is alive, and whether it takes events.

use axum::Json;
use axum::extract::State;

use super::Shared;
use crate::api::Health;
use crate::serve::problem::{Kind, Rejection};

/// 200 while the process answers and its journal has not failed.
pub async fn alive(State(Shared { admin, .. }): State<Shared>) -> Result<Json<Health>, Rejection> {
    match &*admin.journal.failed().borrow() {
        None => Ok(ok()),
        Some(reason) => {
            let detail = format!("the journal failed, and the host must start anew: {reason}");
            Err(Rejection::new(Kind::Unavailable, detail))
        }
    }
}

/// 200 while the host takes events.
pub async fn ready(state: State<Shared>) -> Result<Json<Health>, Rejection> {
    if *state.admin.ready.borrow() {
        alive(state).await
    } else {
        let detail = "the host is starting or stopping";
        Err(Rejection::new(Kind::Unavailable, detail))
    }
}

fn ok() -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
    })
}
