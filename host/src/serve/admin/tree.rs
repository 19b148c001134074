//! An event with all that it caused.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use waystation_core::{HandlerName, Sequence, limits};
use waystation_journal::Entry;

use super::history::{self, Cursors};
use super::query::Query;
use super::{Admin, Shared, events};
use crate::api::{Branch, Tree};
use crate::serve::problem::{Kind, Rejection};

/// The keys of a query for a tree.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    id: String,
}

/// The trees of the events with an id: one for each source. Where no event has
/// it and it is a number, the tree of the event at that sequence.
pub async fn draw(
    State(Shared { admin, .. }): State<Shared>,
    Query(Root { id }): Query<Root>,
) -> Result<Json<Vec<Tree>>, Rejection> {
    let mut roots = admin.journal.find(&id).await?;
    if roots.is_empty()
        && let Ok(sequence) = id.parse().map(Sequence)
    {
        roots.extend(admin.journal.entry(sequence).await?);
    }
    if roots.is_empty() {
        let detail = format!(
            "no event has the id `{}`, nor is it the sequence of one",
            id.escape_debug()
        );
        return Err(Rejection::new(Kind::NotFound, detail));
    }
    let mut painter = Painter::new(&admin).await?;
    let mut trees = Vec::new();
    for root in roots.into_iter().take(limits::TREE_EVENTS_MAX) {
        trees.push(painter.tree(root, 0).await?);
    }
    Ok(Json(trees))
}

/// Draws trees until there is no more room for events.
struct Painter<'a> {
    admin: &'a Admin,
    cursors: Cursors,
    events_left: usize,
    bytes_left: usize,
}

impl<'a> Painter<'a> {
    async fn new(admin: &'a Admin) -> Result<Self, Rejection> {
        Ok(Self {
            admin,
            cursors: Cursors::read(admin).await?,
            events_left: limits::TREE_EVENTS_MAX,
            bytes_left: limits::ANSWER_BYTES_MAX,
        })
    }

    /// The tree of an event that stands so many events below the root.
    async fn tree(&mut self, entry: Arc<Entry>, level: usize) -> Result<Tree, Rejection> {
        self.events_left = self.events_left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(entry.event.size_bytes());
        let histories = history::of(self.admin, &self.cursors, &entry).await?;
        let (mut published, cut) = self.published(entry.sequence, level).await?;
        let branch = |(handler, history): (HandlerName, history::History)| Branch {
            delivery: history.delivery(&handler, &entry),
            attempts: history.attempts(),
            published: published.remove(&handler).unwrap_or_default(),
        };
        Ok(Tree {
            event: events::shown(&entry)?,
            deliveries: histories.into_iter().map(branch).collect(),
            cut,
        })
    }

    /// The trees of the events that the deliveries of an event published, by
    /// handler, and whether there are more of them.
    fn published(&mut self, cause: Sequence, level: usize) -> Published<'_> {
        Box::pin(async move {
            // One more than there is room for tells whether any is left out.
            let limit = if self.is_full(level) {
                1
            } else {
                self.events_left + 1
            };
            let effects = self.admin.journal.caused_by(cause, limit).await?;
            let mut trees: HashMap<HandlerName, Vec<Tree>> = HashMap::new();
            for effect in effects {
                if self.is_full(level) {
                    return Ok((trees, true));
                }
                if let Some(cause) = effect.cause.clone() {
                    let tree = self.tree(effect, level + 1).await?;
                    trees.entry(cause.handler).or_default().push(tree);
                }
            }
            Ok((trees, false))
        })
    }

    /// Whether no event can be drawn below one at this level.
    fn is_full(&self, level: usize) -> bool {
        level >= limits::TREE_DEPTH_MAX || self.events_left == 0 || self.bytes_left == 0
    }
}

/// Boxed, because a tree holds trees.
type Published<'a> = Pin<
    Box<
        dyn Future<Output = Result<(HashMap<HandlerName, Vec<Tree>>, bool), Rejection>> + Send + 'a,
    >,
>;
