//! Attempts: who may begin one, and who is next.

use std::future::{Future as _, poll_fn};
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use waystation_core::{Action, Code, DeliveryId, Failure, Input, Outcome, limits, step};

use super::{Begun, Chance, Completed, Completions, Pump, Slot};
use crate::{Completion, Invocation};

/// How long attempts that a worker was handed together may keep each other waiting.
const TURN: Duration = Duration::from_millis(1);

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
                break;
            };
            self.queued.remove(&slot);
            self.begin_attempt(slot);
            self.enqueue(slot);
        }
        self.hand_over();
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
        let system = &*self.options.system;
        let expiry = subscription.expiry(&pending.entry, &serving.settings, started, system);
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
            Action::Invoke { attempt } => self.begun.push((begun, attempt)),
            _ => self.complete(begun, Completion::idle(Outcome::Reject(expiry.failure()))),
        }
    }

    /// Hands what was begun in this turn to the workers, which wakes them once and
    /// not for each attempt.
    fn hand_over(&mut self) {
        if self.begun.is_empty() {
            return;
        }
        let workers = &self.options.workers;
        let each = self.begun.len().div_ceil(workers.metrics().num_workers());
        let mut begun = self.begun.drain(..);
        while begun.len() > 0 {
            let batch: Vec<_> = begun.by_ref().take(each).collect();
            workers.spawn(attempt_all(batch, self.completions.clone()));
        }
    }

    /// Ends an attempt that needs no invocation.
    fn complete(&self, begun: Begun, completion: Completion) {
        tell(&self.completions, vec![Completed { begun, completion }]);
    }
}

/// Makes attempts one after the other, as long as none takes long. One that waits,
/// or gave way to others, goes on in a task of its own, and so do those after one
/// that took long.
async fn attempt_all(batch: Vec<(Begun, u32)>, completions: Completions) {
    let until = Instant::now() + TURN;
    let mut ended = Vec::with_capacity(batch.len());
    let mut batch = batch.into_iter();
    while Instant::now() < until
        && let Some((begun, attempt)) = batch.next()
    {
        let mut attempt = Box::pin(self::attempt(begun, attempt));
        match poll_fn(|context| Poll::Ready(attempt.as_mut().poll(context))).await {
            Poll::Ready(completed) => ended.push(completed),
            Poll::Pending => {
                let completions = completions.clone();
                tokio::spawn(async move { tell(&completions, vec![attempt.await]) });
            }
        }
    }
    tell(&completions, ended);
    for (begun, attempt) in batch {
        let completions = completions.clone();
        tokio::spawn(async move {
            tell(&completions, vec![self::attempt(begun, attempt).await]);
        });
    }
}

async fn attempt(begun: Begun, attempt: u32) -> Completed {
    let invocation = Invocation {
        entry: begun.pending.entry.clone(),
        delivery: begun.delivery.clone(),
        attempt,
    };
    let invoke = begun.serving.invoke.clone();
    let invoked = AssertUnwindSafe(async { invoke.invoke(invocation).await });
    let completion = invoked.catch_unwind().await.unwrap_or_else(|_| {
        let failure = Failure::new(Code::Host, "the host panicked");
        Completion::idle(Outcome::Retry(failure))
    });
    Completed { begun, completion }
}

fn tell(completions: &Completions, ended: Vec<Completed>) {
    if !ended.is_empty() {
        // The pump is gone only when the host ends; then the attempts are made
        // again after the next start.
        let _ = completions.send(ended);
    }
}
