//! Reading: one feed for all that keep up, and a backlog for each that does not.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};
use waystation_core::{Sequence, limits};
use waystation_journal::Entry;

use super::{Finished, IDLE_CURSOR_PAUSE, JOURNAL_PAUSE, Pump, Slot};
use crate::Notice;
use crate::subscription::LaneRead;

impl Pump {
    /// Reads what is new in the journal, for all that keep up.
    pub(super) fn feed(&mut self, head: Sequence) {
        if self.feeding || head <= self.feed {
            return;
        }
        self.feeding = true;
        let (journal, after) = (self.journal.clone(), self.feed);
        self.work.push(
            async move {
                Finished::Fed(
                    journal
                        .read(after, limits::READ_EVENTS, limits::READ_BYTES)
                        .await,
                )
            }
            .boxed(),
        );
    }

    pub(super) fn fed(&mut self, entries: &[Arc<Entry>]) {
        self.feeding = false;
        for entry in entries {
            let slots = self.index.matches(&entry.event);
            for slot in &slots {
                let Some((_, subscription)) = self.subscriptions.get_mut(*slot) else {
                    continue;
                };
                if subscription.lagging.is_some() {
                    continue;
                }
                if subscription.has_room() {
                    subscription.admit(entry.clone());
                    self.enqueue(*slot);
                } else {
                    // It goes on with this event, once it has room.
                    subscription.lagging = Some(self.feed);
                }
            }
            self.feed = entry.sequence;
            self.tell(|| Notice::Arrived {
                entry: entry.clone(),
                handlers: slots.len(),
            });
        }
        // Who asks for none of these events has come as far as the feed too.
        self.idle_cursors_due
            .get_or_insert_with(|| Instant::now() + IDLE_CURSOR_PAUSE);
    }

    /// Reads the backlog of a subscription that lags and has room.
    pub(super) fn read_backlog(&mut self, slot: Slot) {
        let feed = self.feed;
        let Some((_, subscription)) = self.subscriptions.get_mut(slot) else {
            return;
        };
        if subscription.lagging.is_some_and(|read| read >= feed) {
            subscription.lagging = None;
        }
        if !subscription.wants_backlog() {
            return;
        }
        let Some(after) = subscription.lagging else {
            return;
        };
        subscription.reading = true;
        let journal = self.journal.clone();
        self.work.push(
            async move {
                let entries = journal
                    .read(after, limits::READ_EVENTS, limits::READ_BYTES)
                    .await;
                Finished::Backlog(slot, feed, entries)
            }
            .boxed(),
        );
    }

    /// Takes in a part of a backlog. `asked` is how far the feed had come before
    /// it was read: what came later may be missing in it.
    pub(super) fn backlog(&mut self, slot: Slot, asked: Sequence, entries: Vec<Arc<Entry>>) {
        let feed = self.feed;
        let Some((_, subscription)) = self.subscriptions.get_mut(slot) else {
            return;
        };
        subscription.reading = false;
        let Some(serving) = subscription.serving.clone() else {
            return;
        };
        if entries.first().is_none_or(|first| first.sequence > feed) {
            // What was between has been dropped.
            subscription.lagging = Some(asked);
        }
        for entry in entries
            .into_iter()
            .take_while(|entry| entry.sequence <= feed)
        {
            let matches = serving.settings.asks_for(&entry.event);
            if matches && !subscription.has_room() {
                break;
            }
            subscription.lagging = Some(entry.sequence);
            if matches {
                subscription.admit(entry);
            }
        }
        self.read_backlog(slot);
        self.enqueue(slot);
    }

    /// Reads a backlog again, or what a lane left, once the journal had a pause.
    pub(super) fn read_again(&mut self, slot: Slot, lane: Option<LaneRead>) {
        let pause = sleep(JOURNAL_PAUSE);
        let again = pause.map(move |()| Finished::ReadAgain(slot, lane));
        self.work.push(again.boxed());
    }

    pub(super) fn reread(&mut self, slot: Slot, lane: Option<LaneRead>) {
        let Some((_, subscription)) = self.subscriptions.get_mut(slot) else {
            return;
        };
        match lane {
            Some(read) => {
                subscription.lane_reads.push(read);
                self.read_lanes(slot);
            }
            None => {
                subscription.reading = false;
                self.read_backlog(slot);
            }
        }
    }

    /// Reads what lanes left in the journal and may take in now.
    pub(super) fn read_lanes(&mut self, slot: Slot) {
        let feed = self.feed;
        let Some((_, subscription)) = self.subscriptions.get_mut(slot) else {
            return;
        };
        for read in subscription.lane_reads.drain(..) {
            let journal = self.journal.clone();
            let after = Sequence(read.1.0.saturating_sub(1));
            self.work.push(
                async move {
                    let entries = journal
                        .read(after, limits::READ_EVENTS, limits::READ_BYTES)
                        .await;
                    Finished::Lane(slot, read, feed, entries)
                }
                .boxed(),
            );
        }
    }

    pub(super) fn lane(
        &mut self,
        slot: Slot,
        lane: &str,
        asked: Sequence,
        entries: Vec<Arc<Entry>>,
    ) {
        let feed = self.feed;
        let Some((_, subscription)) = self.subscriptions.get_mut(slot) else {
            return;
        };
        if subscription.read_lane(lane, entries, asked, feed) {
            self.wake(slot, self.options.clock.now());
        }
        self.read_lanes(slot);
        self.enqueue(slot);
    }
}
