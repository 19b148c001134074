//! How far each subscription has come, as stored.

use futures_util::FutureExt;
use tokio::time::Instant;
use waystation_core::Sequence;
use waystation_journal::Error as JournalError;

use super::{CURSOR_PAUSE, Finished, Pump, Slot, go_on};
use crate::dispatch::Stop;

/// The events that a subscription that asks for none of them may be ahead of
/// its stored cursor, when others' cursors are stored.
const IDLE_LAG: u64 = 10_000;

impl Pump {
    /// Stores the cursors that changed, once they waited long enough.
    pub(super) fn store_cursors(&mut self) {
        let drained = !self.draining.is_empty() && self.running == 0 && self.settling == 0;
        let now = Instant::now();
        let is_due = self.cursors_due.is_some_and(|due| due <= now);
        let are_all_due = self.idle_cursors_due.is_some_and(|due| due <= now);
        if self.advancing || !(is_due || are_all_due || drained && !self.cursors_wait) {
            return;
        }
        self.cursors_due = None;
        let all = are_all_due || drained;
        if all {
            self.idle_cursors_due = None;
        }
        let stale = self.stale_cursors(all);
        if stale.is_empty() {
            return;
        }
        self.advancing = true;
        let journal = self.journal.clone();
        let cursors = stale
            .iter()
            .filter_map(|(slot, cursor)| Some((self.subscriptions.get(*slot)?.1.id, *cursor)))
            .collect();
        self.work.push(
            async move {
                let result = journal.advance(cursors).await;
                Finished::Advanced(stale, result)
            }
            .boxed(),
        );
    }

    /// Takes in that cursors were stored, or not.
    pub(super) fn advanced(
        &mut self,
        cursors: Vec<(Slot, Sequence)>,
        result: Result<(), JournalError>,
    ) -> Result<(), Stop> {
        self.advancing = false;
        self.cursors_wait = result.is_err();
        if let Err(error) = result {
            let soon = Instant::now() + CURSOR_PAUSE;
            self.cursors_due = Some(soon);
            self.idle_cursors_due.get_or_insert(soon);
            return go_on("storing cursors", error);
        }
        for (slot, cursor) in cursors {
            if let Some((_, subscription)) = self.subscriptions.get_mut(slot) {
                subscription.stored_cursor = cursor;
                subscription.dirty = false;
            }
        }
        Ok(())
    }

    /// The cursors that are ahead of what is stored. A subscription that merely
    /// saw events pass by is left out until it has seen many, unless `all` are meant.
    pub(super) fn stale_cursors(&self, all: bool) -> Vec<(Slot, Sequence)> {
        self.subscriptions
            .iter()
            .enumerate()
            .filter_map(|(slot, (_, subscription))| {
                let cursor = subscription.cursor(self.feed);
                let ahead = cursor.0.saturating_sub(subscription.stored_cursor.0);
                (ahead > 0 && (all || subscription.dirty || ahead >= IDLE_LAG))
                    .then_some((slot, cursor))
            })
            .collect()
    }
}
