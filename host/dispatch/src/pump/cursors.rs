//! How far each subscription has come, as stored.

use futures_util::FutureExt;
use tokio::time::Instant;
use waystation_core::Sequence;
use waystation_journal::Error as JournalError;

use super::{CURSOR_PAUSE, Finished, Pump, Slot, go_on};
use crate::dispatch::Stop;

/// The events that a subscription that asks for none of them may be ahead of
/// its stored cursor.
const IDLE_LAG: u64 = 10_000;

impl Pump {
    /// Stores the cursors that changed, once they waited long enough.
    pub(super) fn store_cursors(&mut self) {
        let drained = !self.draining.is_empty() && self.running == 0 && self.settling == 0;
        let is_due = self.cursors_due.is_some_and(|due| due <= Instant::now());
        if self.advancing || !(is_due || drained && !self.cursors_wait) {
            return;
        }
        self.cursors_due = None;
        let stale = self.stale_cursors(drained);
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
            self.cursors_due = Some(Instant::now() + CURSOR_PAUSE);
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
    /// saw events pass by is left out until it has seen many, or at the end.
    pub(super) fn stale_cursors(&self, at_the_end: bool) -> Vec<(Slot, Sequence)> {
        self.subscriptions
            .iter()
            .enumerate()
            .filter_map(|(slot, (_, subscription))| {
                let cursor = subscription.cursor(self.feed);
                let ahead = cursor.0.saturating_sub(subscription.stored_cursor.0);
                (ahead > 0 && (at_the_end || subscription.dirty || ahead >= IDLE_LAG))
                    .then_some((slot, cursor))
            })
            .collect()
    }
}
