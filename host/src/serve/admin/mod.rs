//! What operators and programs ask: health, handlers, events, deliveries, dead
//! letters. The shapes are those of [`crate::api`].
//!
//! It reads the journal, dispatch and the handlers folder, and changes nothing
//! but dead letters that are to be tried again and handlers that are to be let
//! in. A page in a browser must not reach it: the [`door`] refuses requests for
//! other hosts before anything else and changes from other origins, nothing is
//! allowed across origins, and what changes something takes only JSON, which a
//! page cannot send without asking.

mod capsule;
mod dead_letters;
mod deliveries;
mod events;
mod handlers;
mod health;
mod history;
mod json;
mod query;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::sync::watch;
use waystation_core::limits;
use waystation_dispatch::Dispatch;
use waystation_folder::Handle;
use waystation_journal::Journal;

use super::body::Bodies;
use super::door::{self, Door};
use super::problem::{no_such_method, no_such_path};
use crate::capsules::Capsules;

/// What the admin API answers from.
#[derive(Clone)]
pub struct Admin {
    /// The events and what became of them.
    pub journal: Arc<dyn Journal>,
    /// What runs and what is still to come.
    pub dispatch: Dispatch,
    /// What serves and what was refused.
    pub folder: Handle,
    /// The newest failed attempts.
    pub capsules: Capsules,
    /// Whether the host takes events: false before it is up and while it drains.
    pub ready: watch::Receiver<bool>,
    /// Who may ask.
    pub door: Door,
}

/// What anybody may ask who reaches the listener: it says no more than whether
/// the host is up.
pub const OPEN: &[&str] = &["/healthz", "/readyz"];

#[derive(Clone)]
struct Shared {
    admin: Admin,
    bodies: Bodies,
}

/// The routes for operators and programs.
pub fn router(admin: Admin) -> Router {
    let door = Arc::new(admin.door.clone());
    let shared = Shared {
        admin,
        bodies: Bodies::new(limits::HTTP_BODIES_BYTES_MAX),
    };
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/api/handlers", get(handlers::list))
        .route("/api/handlers/approve", post(handlers::approve))
        .route("/api/strays", get(handlers::strays))
        .route("/api/events", get(events::list))
        .route("/api/events/tree", get(tree::draw))
        .route("/api/deliveries", get(deliveries::list))
        .route("/api/deliveries/capsule", get(capsule::get))
        .route("/api/dead-letters", get(dead_letters::list))
        .route("/api/dead-letters/redrive", post(dead_letters::redrive))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(door, door::check))
        .with_state(shared)
}
