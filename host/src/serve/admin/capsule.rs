//! The newest failed attempt of a delivery.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use tokio::task::spawn_blocking;
use waystation_core::{Capsule, DeliveryId};

use super::Shared;
use super::query::Query;
use crate::capsules::CapsuleError;
use crate::serve::problem::{Kind, Rejection};

/// The keys of a query for a capsule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    id: String,
    #[serde(default)]
    with_component: bool,
}

/// The capsule of a delivery.
pub async fn get(
    State(Shared { admin, .. }): State<Shared>,
    Query(Wanted { id, with_component }): Query<Wanted>,
) -> Result<Json<Capsule>, Rejection> {
    let id: DeliveryId = id
        .parse()
        .map_err(|error| Rejection::new(Kind::Query, format!("{error}")))?;
    let found = spawn_blocking(move || admin.capsules.get(&id, with_component));
    let found = found
        .await
        .map_err(|_| Rejection::new(Kind::Internal, "the capsule was not read"))?;
    found.map(Json).map_err(|error| {
        let kind = match &error {
            CapsuleError::None(_) => Kind::NotFound,
            CapsuleError::Component(_) => Kind::Conflict,
            CapsuleError::Io(_) | CapsuleError::Json(_) => Kind::Internal,
        };
        Rejection::new(kind, error.to_string())
    })
}
