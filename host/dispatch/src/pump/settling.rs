//! From the end of an attempt to its settlement.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::Instant;
use waystation_core::{Action, Input, Outcome, State, StateAccess, step};
use waystation_journal::{Commit, Disposition, Settlement, SubscriptionId};

use super::{CURSOR_PAUSE, Chance, Completed, Finished, InSettlement, Pump};
use crate::effects::proposals;
use crate::{Completion, Notice, Settled};

impl Pump {
    /// Settles attempts that ended, all in one go.
    pub(super) fn settle(&mut self, ended: &mut Vec<Completed>) {
        let mut notes = Vec::with_capacity(ended.len());
        let mut settlements = Vec::with_capacity(ended.len());
        for completed in ended.drain(..) {
            self.running -= 1;
            let slot = completed.slot;
            if let Some((_, subscription)) = self.subscriptions.get_mut(slot) {
                subscription.running -= 1;
                let id = subscription.id;
                if let Some((note, settlement)) = self.conclude(completed, id) {
                    notes.push(note);
                    settlements.push(settlement);
                }
            }
            self.enqueue(slot);
        }
        self.store(notes, settlements);
    }

    /// Decides what follows from an attempt.
    pub(super) fn conclude(
        &mut self,
        completed: Completed,
        subscription: SubscriptionId,
    ) -> Option<(InSettlement, Settlement)> {
        let Completed {
            slot,
            serving,
            pending,
            delivery,
            started,
            completion,
        } = completed;
        let Completion {
            mut outcome,
            drafts,
            state,
            took,
        } = completion;
        let State::Running { attempt, forgiven } = pending.state else {
            return None;
        };
        let now = self.options.clock.now();
        let mut publish = Vec::new();
        if outcome == Outcome::Ack {
            match proposals(drafts, &pending.entry, &delivery, &serving.settings, now) {
                Ok(proposals) => publish = proposals,
                Err(failure) => outcome = Outcome::Reject(failure),
            }
        }
        let (_, action) = step(
            pending.state,
            &Input::Finished(outcome.clone()),
            now,
            pending.entry.accepted,
            &serving.settings.retry,
            &mut Chance(&mut self.random),
        );
        let (disposition, waits) = match (action?, &outcome) {
            (Action::SettleRetry { due }, Outcome::Retry(failure)) => (
                Disposition::Retry {
                    due,
                    failure: failure.clone(),
                    lane: pending.lane.clone(),
                },
                Some(due),
            ),
            (Action::SettleDead, Outcome::Retry(failure) | Outcome::Reject(failure)) => (
                Disposition::Dead {
                    failure: failure.clone(),
                },
                None,
            ),
            _ => (Disposition::Done, None),
        };
        let state = match &outcome {
            Outcome::Ack => state,
            // What it read may have been the reason.
            Outcome::Reject(_) => state.without_writes(),
            Outcome::Retry(_) => StateAccess::default(),
        };
        let generation = serving.invoke.generation();
        let note = InSettlement {
            slot,
            pending: pending.clone(),
            waits,
            notice: Settled {
                handler: delivery.handler,
                generation,
                entry: pending.entry.clone(),
                attempt,
                attempts_max: forgiven.saturating_add(serving.settings.retry.attempts),
                dead: matches!(disposition, Disposition::Dead { .. }),
                outcome,
                due_in: waits.map(|due| due.since(now)),
                took,
                published: publish.iter().map(|p| p.event.event_type.clone()).collect(),
            },
        };
        let settlement = Settlement {
            subscription,
            sequence: pending.entry.sequence,
            attempt,
            forgiven,
            generation,
            started,
            took,
            disposition,
            publish,
            state,
        };
        Some((note, settlement))
    }

    pub(super) fn store(&mut self, notes: Vec<InSettlement>, settlements: Vec<Settlement>) {
        if notes.is_empty() {
            return;
        }
        self.settling += 1;
        let journal = self.journal.clone();
        self.work.push(
            async move {
                let result = journal.settle(settlements.clone()).await;
                Finished::Settled(notes, settlements, result)
            }
            .boxed(),
        );
    }

    /// Takes in what became of settlements.
    pub(super) fn settled(&mut self, notes: Vec<InSettlement>, commits: &[Commit]) {
        for (note, commit) in notes.into_iter().zip(commits) {
            match commit {
                Commit::Stored => self.stored(note),
                Commit::Conflict => self.again(note),
            }
        }
        let soon = Instant::now() + CURSOR_PAUSE;
        self.cursors_due = Some(self.cursors_due.map_or(soon, |due| due.min(soon)));
    }

    fn stored(&mut self, note: InSettlement) {
        let mut wake = note.waits;
        if let Some((_, subscription)) = self.subscriptions.get_mut(note.slot)
            && subscription.settled(&note.pending, note.waits.is_some())
        {
            wake = Some(self.options.clock.now());
        }
        if let Some(at) = wake {
            self.wake(note.slot, at);
        }
        self.tell(|| Notice::Settled(Arc::new(note.notice)));
        self.read_lanes(note.slot);
        self.read_backlog(note.slot);
        self.enqueue(note.slot);
    }

    /// Makes the same attempt again: another changed the state that it had read.
    fn again(&mut self, note: InSettlement) {
        if let Some((_, subscription)) = self.subscriptions.get_mut(note.slot) {
            subscription.again(note.pending);
            self.enqueue(note.slot);
        }
    }
}
