//! Attempts: who may begin one, and who is next.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use waystation_core::{Action, Code, DeliveryId, Failure, Input, Outcome, limits, step};

use super::{Begun, Chance, Completed, Pump, Slot};
use crate::{Completion, Invocation};

impl Pump {
    pub(super) fn enqueue(&mut self, slot: Slot) {
        let can_run = self
            .subscriptions
            .get(slot)
            .is_some_and(|(_, s)| s.can_run());
        if can_run && self.queued.insert(slot) {
            self.runnable.push_back(slot);
        }
    }

    /// Begins attempts, one subscription after the other.
    pub(super) fn begin_attempts(&mut self) {
        while self.running < limits::ATTEMPTS_IN_FLIGHT_MAX {
            let Some(slot) = self.runnable.pop_front() else {
                return;
            };
            self.queued.remove(&slot);
            self.begin_attempt(slot);
            self.enqueue(slot);
        }
    }

    fn begin_attempt(&mut self, slot: Slot) {
        let Some((name, subscription)) = self.subscriptions.get_mut(slot) else {
            return;
        };
        if !subscription.can_run() {
            return;
        }
        let (Some(serving), Some(mut pending)) =
            (subscription.serving.clone(), subscription.ready.pop_front())
        else {
            return;
        };
        let started = self.options.clock.now();
        let expiry = subscription.expiry(&pending.entry, &serving.settings);
        let (state, action) = step(
            pending.state,
            &Input::Begin,
            started,
            expiry,
            &serving.settings.retry,
            &mut Chance(&mut self.random),
        );
        let Some(action) = action else {
            tracing::error!(handler = %name, state = ?pending.state, "a delivery that is not ready");
            return;
        };
        pending.state = state;
        subscription.running += 1;
        self.running += 1;
        let begun = Begun {
            slot,
            delivery: DeliveryId::new(name.clone(), pending.entry.sequence, &pending.entry.event),
            serving,
            pending,
            started,
            expiry,
        };
        match action {
            Action::Invoke { attempt } => self.invoke(begun, attempt),
            _ => self.complete(begun, Completion::idle(Outcome::Reject(expiry.failure()))),
        }
    }

    /// Has the handler invoked on the workers.
    fn invoke(&self, begun: Begun, attempt: u32) {
        let invocation = Invocation {
            entry: begun.pending.entry.clone(),
            delivery: begun.delivery.clone(),
            attempt,
        };
        let completions = self.completions.clone();
        self.options.workers.spawn(async move {
            let invoke = begun.serving.invoke.clone();
            let attempt = AssertUnwindSafe(async { invoke.invoke(invocation).await });
            let completion = attempt.catch_unwind().await.unwrap_or_else(|_| {
                let failure = Failure::new(Code::Host, "the host panicked");
                Completion::idle(Outcome::Retry(failure))
            });
            // The pump is gone only when the host ends; then the attempt is
            // made again after the next start.
            let _ = completions.send(Completed { begun, completion });
        });
    }

    /// Ends an attempt that needs no invocation.
    fn complete(&self, begun: Begun, completion: Completion) {
        // The pump holds the other end as long as it runs.
        let _ = self.completions.send(Completed { begun, completion });
    }
}
