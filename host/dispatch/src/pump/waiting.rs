//! Deliveries that wait in the journal for another attempt.

use futures_util::FutureExt;
use waystation_core::Timestamp;

use super::{DueAnswer, Finished, Pump, Slot};
use crate::subscription::Subscription;

/// The waiting deliveries that are taken from the journal at once.
const DUE_BATCH: usize = 64;

impl Pump {
    /// Asks the journal for a subscription's waiting deliveries at this time, if
    /// not sooner.
    pub(super) fn wake(&mut self, slot: Slot, at: Timestamp) {
        let Some((_, subscription)) = self.subscriptions.get_mut(slot) else {
            return;
        };
        if let Some(set) = subscription.wake {
            if set <= at {
                return;
            }
            self.wakes.remove(&(set, slot));
        }
        subscription.wake = Some(at);
        self.wakes.insert((at, slot));
    }

    /// Asks the journal for deliveries that waited long enough.
    pub(super) fn ask_for_due(&mut self) {
        let now = self.options.clock.now();
        while let Some((at, slot)) = self.wakes.first().copied() {
            if at > now {
                return;
            }
            self.wakes.remove(&(at, slot));
            let Some((name, subscription)) = self.subscriptions.get_mut(slot) else {
                continue;
            };
            subscription.wake = None;
            if subscription.asking {
                // The answer is older than this wish.
                subscription.ask_again = true;
                continue;
            }
            // A retired handler is asked for when it returns; one that has its
            // hands full, when it has settled something.
            if subscription.serving.is_none() || !subscription.takes_more() {
                continue;
            }
            subscription.asking = true;
            let (journal, id) = (self.journal.clone(), subscription.id);
            let known = subscription.not_again();
            let overdue = subscription.overdue(DUE_BATCH);
            let name = name.clone();
            let answer = async move {
                let mut due = journal.due(id, now, known.clone(), DUE_BATCH).await?;
                for sequence in &overdue {
                    due.extend(journal.waiting(Some(&name), Some(*sequence), 1).await?);
                }
                let except = known
                    .into_iter()
                    .chain(due.iter().map(|due| due.key.sequence));
                let next = journal.next_due(id, except.collect()).await?;
                Ok(DueAnswer { due, overdue, next })
            };
            self.work.push(
                answer
                    .map(move |answer| Finished::Due(slot, answer))
                    .boxed(),
            );
        }
    }

    pub(super) fn due(&mut self, slot: Slot, answer: DueAnswer) {
        let Some((_, subscription)) = self.subscriptions.get_mut(slot) else {
            return;
        };
        subscription.asking = false;
        take_in(subscription, &answer);
        let again = std::mem::take(&mut subscription.ask_again)
            || subscription.takes_more() && !subscription.overdue(1).is_empty();
        let again = again.then(|| self.options.clock.now());
        if let Some(at) = again.into_iter().chain(answer.next).min() {
            self.wake(slot, at);
        }
        self.enqueue(slot);
    }
}

/// Takes deliveries in that waited long enough.
fn take_in(subscription: &mut Subscription, answer: &DueAnswer) {
    for due in &answer.due {
        subscription.readmit(due);
    }
    for sequence in &answer.overdue {
        if !answer.due.iter().any(|due| due.key.sequence == *sequence) {
            subscription.waits_no_more(*sequence);
        }
    }
}
