//! The deliveries, the last that something happened to first.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use waystation_core::{HandlerName, Sequence, limits};
use waystation_journal::AttemptOutcome;

use super::history::{self, Cursors};
use super::query::{Limit, Query};
use super::{Admin, Shared, handlers};
use crate::api::{Delivery, DeliveryState};
use crate::serve::problem::Rejection;

/// The keys of a query for deliveries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    handler: Option<HandlerName>,
    state: Option<DeliveryState>,
    #[serde(default)]
    limit: Limit,
}

impl Page {
    fn holds(&self, delivery: &Delivery) -> bool {
        self.is_of(&delivery.handler) && self.state.is_none_or(|state| state == delivery.state)
    }

    fn is_of(&self, name: &HandlerName) -> bool {
        self.handler.as_ref().is_none_or(|handler| handler == name)
    }
}

/// The deliveries of a handler, in a state, or all: those that wait for their
/// first attempt, then the others, from the newest attempt on.
///
/// Those that were not attempted yet are looked for among the newest
/// [`PAGE_ROWS_MAX`](limits::PAGE_ROWS_MAX) events, those that were handled among
/// as many attempts.
pub async fn list(
    State(Shared { admin, .. }): State<Shared>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Delivery>>, Rejection> {
    handlers::require(&admin, page.handler.as_ref()).await?;
    let cursors = Cursors::read(&admin).await?;
    let mut rows = Vec::new();
    for sequence in candidates(&admin, &page, &cursors).await? {
        let Some(entry) = admin.journal.entry(sequence).await? else {
            continue;
        };
        let histories = history::of(&admin, &cursors, &entry).await?;
        let deliveries = histories
            .iter()
            .map(|(handler, history)| history.delivery(handler, &entry));
        rows.extend(deliveries.filter(|delivery| page.holds(delivery)));
    }
    rows.sort_by_cached_key(|row| (row.at.is_some(), Reverse((row.at.clone(), row.sequence))));
    rows.truncate(page.limit.0);
    Ok(Json(rows))
}

/// The events that may have such deliveries.
async fn candidates(
    admin: &Admin,
    page: &Page,
    cursors: &Cursors,
) -> Result<BTreeSet<Sequence>, Rejection> {
    let (handler, limit) = (page.handler.as_ref(), page.limit.0);
    let journal = &admin.journal;
    let mut found = BTreeSet::new();
    match page.state {
        Some(DeliveryState::Waiting) => {
            let waiting = journal.waiting(handler, None, limit).await?;
            found.extend(waiting.iter().map(|due| due.key.sequence));
        }
        Some(DeliveryState::Dead) => {
            let dead = journal.dead_letters(handler, None, limit).await?;
            found.extend(dead.iter().map(|dead| dead.key.sequence));
        }
        Some(DeliveryState::Pending) => found = unattempted(admin, page, cursors).await?,
        Some(DeliveryState::Done) => found = attempted(admin, page).await?,
        None => {
            found = unattempted(admin, page, cursors).await?;
            found.append(&mut attempted(admin, page).await?);
        }
    }
    Ok(found)
}

/// The newest events with an attempt, or with one that was their last.
async fn attempted(admin: &Admin, page: &Page) -> Result<BTreeSet<Sequence>, Rejection> {
    let newest = admin
        .journal
        .recent_attempts(page.handler.as_ref(), limits::PAGE_ROWS_MAX)
        .await?;
    let mut found = BTreeSet::new();
    for attempt in newest {
        if page.state.is_none() || attempt.outcome == AttemptOutcome::Ack {
            found.insert(attempt.key.sequence);
        }
        if found.len() == page.limit.0 {
            break;
        }
    }
    Ok(found)
}

/// The newest events that a handler asks for and that are above its cursor.
async fn unattempted(
    admin: &Admin,
    page: &Page,
    cursors: &Cursors,
) -> Result<BTreeSet<Sequence>, Rejection> {
    let mut found = BTreeSet::new();
    let mut before = None;
    // In small steps: an event may be large, and what is handled ends the search.
    for _ in 0..limits::PAGE_ROWS_MAX / limits::PAGE_ROWS {
        for entry in admin.journal.recent(before, limits::PAGE_ROWS).await? {
            before = Some(entry.sequence);
            if found.len() == page.limit.0 || !cursors.any_below(entry.sequence) {
                return Ok(found);
            }
            let matching = admin.dispatch.matching(Arc::clone(&entry)).await?;
            let pending = |name| page.is_of(name) && cursors.is_below(name, entry.sequence);
            if matching.iter().any(pending) {
                found.insert(entry.sequence);
            }
        }
    }
    Ok(found)
}
