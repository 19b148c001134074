//! From the end of an attempt to its settlement.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};
use waystation_core::{
    Action, Code, Failure, Input, Outcome, State, StateAccess, Timestamp, limits, step,
};
use waystation_journal::{Commit, Disposition, Proposal, Settlement, SubscriptionId};

use super::{Begun, CURSOR_PAUSE, Chance, Completed, Finished, InSettlement, Pump, Slot};
use crate::effects::proposals;
use crate::subscription::Pending;
use crate::{Completion, Notice, Settled};

impl Pump {
    /// Settles attempts that ended, all in one go.
    pub(super) fn settle(&mut self, ended: &mut Vec<Vec<Completed>>) {
        let mut notes = Vec::with_capacity(ended.len());
        let mut settlements = Vec::with_capacity(ended.len());
        for completed in ended.drain(..).flatten() {
            self.running -= 1;
            let slot = completed.begun.slot;
            if let Some((_, subscription)) = self.subscriptions.get_mut(slot) {
                subscription.running -= 1;
                let id = subscription.id;
                if is_busy(&completed.completion.outcome) {
                    self.rest(completed.begun);
                } else if let Some((note, settlement)) = self.conclude(completed, id) {
                    notes.push(note);
                    settlements.push(settlement);
                }
            }
            self.enqueue(slot);
        }
        self.store(notes, settlements);
    }

    /// Decides what follows from an attempt.
    fn conclude(
        &mut self,
        completed: Completed,
        subscription: SubscriptionId,
    ) -> Option<(InSettlement, Settlement)> {
        let Completed { begun, completion } = completed;
        let State::Running { attempt, forgiven } = begun.pending.state else {
            return None;
        };
        let now = self.options.clock.now();
        let took = completion.took;
        let (outcome, effects) = effects(completion, &begun, now);
        let retry = &begun.serving.settings.retry;
        let (_, action) = step(
            begun.pending.state,
            &Input::Finished(outcome.clone()),
            now,
            begun.expiry,
            retry,
            &mut Chance(&mut self.random),
        );
        let disposition = disposition(action?, &outcome, &begun);
        let waits = match &disposition {
            Disposition::Retry { due, .. } => Some(*due),
            Disposition::Done | Disposition::Dead { .. } => None,
        };
        let published = effects.publish.iter();
        let notice = Settled {
            handler: begun.delivery.handler.clone(),
            generation: begun.serving.invoke.generation(),
            entry: begun.pending.entry.clone(),
            attempt,
            attempts_max: forgiven.saturating_add(retry.attempts),
            dead: matches!(disposition, Disposition::Dead { .. }),
            outcome,
            due_in: waits.map(|due| due.since(now)),
            took,
            published: published.map(|p| p.event.event_type.clone()).collect(),
        };
        let settlement = Settlement {
            subscription,
            sequence: begun.pending.entry.sequence,
            attempt,
            forgiven,
            generation: notice.generation,
            started: begun.started,
            took,
            disposition,
            publish: effects.publish,
            state: effects.state,
        };
        let note = InSettlement {
            begun,
            waits,
            notice,
        };
        Some((note, settlement))
    }

    /// Has a handler rest for which the host had no room. The attempt is made
    /// again and does not count.
    fn rest(&mut self, begun: Begun) {
        let Some((name, subscription)) = self.subscriptions.get_mut(begun.slot) else {
            return;
        };
        subscription.again(begun.pending);
        if std::mem::replace(&mut subscription.resting, true) {
            return;
        }
        let pause = limits::BUSY_PAUSE;
        tracing::warn!(handler = %name, "the host has no instance free; its attempts go on in {pause:?}");
        let rested = sleep(pause).map(move |()| Finished::Rested(begun.slot));
        self.work.push(rested.boxed());
    }

    /// Lets a handler go on that rested.
    pub(super) fn rested(&mut self, slot: Slot) {
        if let Some((_, subscription)) = self.subscriptions.get_mut(slot) {
            subscription.resting = false;
        }
        self.enqueue(slot);
    }

    /// Has attempts settled, as many in one request as it may hold.
    pub(super) fn store(&mut self, mut notes: Vec<InSettlement>, mut settlements: Vec<Settlement>) {
        while !notes.is_empty() {
            let count = that_fit(&settlements);
            let others = (notes.split_off(count), settlements.split_off(count));
            self.request(notes, settlements);
            (notes, settlements) = others;
        }
    }

    fn request(&mut self, notes: Vec<InSettlement>, settlements: Vec<Settlement>) {
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
        let mut given_up = Vec::new();
        for (note, commit) in notes.into_iter().zip(commits) {
            match commit {
                Commit::Stored => self.stored(note),
                Commit::Gone => self.stored(note.without_another()),
                Commit::Conflict => given_up.extend(self.conflicted(note)),
            }
        }
        let (notes, settlements) = given_up.into_iter().unzip();
        self.store(notes, settlements);
        let soon = Instant::now() + CURSOR_PAUSE;
        self.cursors_due = Some(self.cursors_due.map_or(soon, |due| due.min(soon)));
    }

    fn stored(&mut self, note: InSettlement) {
        let Begun { slot, pending, .. } = note.begun;
        let mut wake = note.waits;
        if let Some((_, subscription)) = self.subscriptions.get_mut(slot)
            && subscription.settled(&pending, note.waits.is_some())
        {
            wake = Some(self.options.clock.now());
        }
        if let Some(at) = wake {
            self.wake(slot, at);
        }
        self.tell(|| Notice::Settled(Arc::new(note.notice)));
        self.read_lanes(slot);
        self.read_backlog(slot);
        self.enqueue(slot);
    }

    /// Has the same attempt made again, since another changed the state that it had
    /// read: at once, then after a pause. One to which that happened too often is
    /// settled as one that failed.
    fn conflicted(&mut self, note: InSettlement) -> Option<(InSettlement, Settlement)> {
        let InSettlement {
            mut begun, notice, ..
        } = note;
        begun.pending.conflicts += 1;
        let conflicts = begun.pending.conflicts;
        if conflicts >= limits::CONFLICTS_MAX {
            let id = self.subscriptions.get(begun.slot)?.1.id;
            let completion = Completion {
                took: notice.took,
                ..Completion::idle(Outcome::Retry(conflict()))
            };
            return self.conclude(Completed { begun, completion }, id);
        }
        if conflicts <= limits::CONFLICTS_AT_ONCE_MAX {
            self.again(begun.slot, begun.pending);
            return None;
        }
        let pause = limits::CONFLICT_PAUSE.mul_f64(self.random.f64());
        let again = sleep(pause).map(move |()| Finished::Again(begun.slot, begun.pending));
        self.work.push(again.boxed());
        None
    }

    /// Has the attempt that a delivery made last made again.
    pub(super) fn again(&mut self, slot: Slot, pending: Pending) {
        if let Some((_, subscription)) = self.subscriptions.get_mut(slot) {
            subscription.again(pending);
            self.enqueue(slot);
        }
    }
}

impl InSettlement {
    /// The same without another attempt, for there is no event any more.
    fn without_another(mut self) -> Self {
        self.waits = None;
        self.notice.due_in = None;
        self.notice.dead = false;
        self
    }
}

/// What an attempt changes once it is settled.
struct Effects {
    publish: Vec<Proposal>,
    state: StateAccess,
}

/// How an attempt ended, and its effects: an attempt whose drafts may not be
/// published was no success.
fn effects(completion: Completion, begun: &Begun, now: Timestamp) -> (Outcome, Effects) {
    let Completion {
        mut outcome,
        drafts,
        state,
        ..
    } = completion;
    let mut publish = Vec::new();
    if outcome == Outcome::Ack {
        let entry = &begun.pending.entry;
        match proposals(drafts, entry, &begun.delivery, &begun.serving.settings, now) {
            Ok(proposals) => publish = proposals,
            Err(failure) => outcome = Outcome::Reject(failure),
        }
    }
    let state = match &outcome {
        Outcome::Ack => state,
        // What it read may have been the reason.
        Outcome::Reject(_) => state.without_writes(),
        Outcome::Retry(_) => StateAccess::default(),
    };
    (outcome, Effects { publish, state })
}

/// Where a delivery goes.
fn disposition(action: Action, outcome: &Outcome, begun: &Begun) -> Disposition {
    match (action, outcome) {
        (Action::SettleRetry { due }, Outcome::Retry(failure)) => Disposition::Retry {
            due,
            failure: failure.clone(),
            lane: begun.pending.lane.clone(),
        },
        (Action::SettleExpired, Outcome::Retry(failure)) => {
            let reason = format!("{}\nnot tried again: {}", failure.reason, begun.expiry);
            Disposition::Dead {
                failure: Failure::new(failure.code, reason),
            }
        }
        (Action::SettleDead, Outcome::Retry(failure) | Outcome::Reject(failure)) => {
            Disposition::Dead {
                failure: failure.clone(),
            }
        }
        _ => Disposition::Done,
    }
}

/// The first of them that fit into one request; at least one.
fn that_fit(settlements: &[Settlement]) -> usize {
    let mut bytes = 0;
    let beyond = settlements.iter().position(|settlement| {
        bytes += settlement.size_bytes();
        bytes > limits::SETTLE_BYTES
    });
    beyond.map_or(settlements.len(), |first| first.max(1))
}

/// Why an attempt failed that was made again and again in vain.
fn conflict() -> Failure {
    let reason = format!(
        "the state that it read was changed by another, {} times in a row: let fewer attempts at \
         once change the same keys, as with `order = \"key\"`",
        limits::CONFLICTS_MAX
    );
    Failure::new(Code::Conflict, reason)
}

/// Whether the host had no room for the attempt.
fn is_busy(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retry(failure) if failure.code == Code::Busy)
}
