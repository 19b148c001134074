//! What became of one event: its deliveries, each with its attempts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use waystation_core::{Code, DeliveryId, HandlerName, Sequence, limits};
use waystation_journal::{Attempt, AttemptOutcome, DeadLetter, Due, Entry};

use super::Admin;
use crate::api;
use crate::api::{Delivery, DeliveryState};
use crate::serve::problem::Rejection;

/// How far each subscription has come. Read it before what it is compared with:
/// a cursor only ever grows.
pub struct Cursors(HashMap<HandlerName, Sequence>);

impl Cursors {
    /// The cursors of the subscriptions that dispatch knows.
    pub async fn read(admin: &Admin) -> Result<Self, Rejection> {
        let view = admin.dispatch.view().await?.into_iter();
        Ok(Self(view.map(|one| (one.handler, one.cursor)).collect()))
    }

    /// Whether the subscription of a handler has not come to this event.
    pub fn is_below(&self, handler: &HandlerName, sequence: Sequence) -> bool {
        self.0.get(handler).is_some_and(|cursor| *cursor < sequence)
    }

    /// Whether any subscription has not come to this event.
    pub fn any_below(&self, sequence: Sequence) -> bool {
        self.0.values().any(|cursor| *cursor < sequence)
    }
}

/// What is recorded of one delivery. Nothing is, before its first attempt was
/// settled.
#[derive(Default)]
pub struct History {
    attempts: Vec<Attempt>,
    waiting: Option<Due>,
    dead: Option<DeadLetter>,
}

/// The deliveries of an event, by handler.
pub async fn of(
    admin: &Admin,
    cursors: &Cursors,
    entry: &Arc<Entry>,
) -> Result<BTreeMap<HandlerName, History>, Rejection> {
    let sequence = entry.sequence;
    let max = limits::HANDLERS_MAX;
    let mut histories: BTreeMap<HandlerName, History> = BTreeMap::new();
    for handler in admin.dispatch.matching(Arc::clone(entry)).await? {
        if cursors.is_below(&handler, sequence) {
            histories.entry(handler).or_default();
        }
    }
    let journal = &admin.journal;
    for dead in journal.dead_letters(None, Some(sequence), max).await? {
        let history = histories.entry(dead.key.handler.clone()).or_default();
        history.dead = Some(dead);
    }
    for due in journal.waiting(None, Some(sequence), max).await? {
        let history = histories.entry(due.key.handler.clone()).or_default();
        history.waiting = Some(due);
    }
    // Last, so that what was settled meanwhile is seen here.
    for attempt in journal.attempts(sequence).await? {
        let history = histories.entry(attempt.key.handler.clone()).or_default();
        history.attempts.push(attempt);
    }
    Ok(histories)
}

impl History {
    /// A dead letter, without its attempts.
    pub fn dead(dead: DeadLetter) -> Self {
        Self {
            dead: Some(dead),
            ..Self::default()
        }
    }

    /// Where the delivery stands. What its last attempt says comes first: the
    /// rest was read before.
    fn state(&self) -> DeliveryState {
        match self.attempts.last().map(|attempt| &attempt.outcome) {
            Some(AttemptOutcome::Ack) => DeliveryState::Done,
            Some(AttemptOutcome::Dead { .. }) if self.waiting.is_none() => DeliveryState::Dead,
            _ if self.dead.is_some() => DeliveryState::Dead,
            Some(_) => DeliveryState::Waiting,
            None if self.waiting.is_some() => DeliveryState::Waiting,
            None => DeliveryState::Pending,
        }
    }

    /// The attempts as the API shows them.
    pub fn attempts(&self) -> Vec<api::Attempt> {
        self.attempts.iter().map(attempt).collect()
    }

    /// The delivery as the API shows it.
    pub fn delivery(&self, handler: &HandlerName, entry: &Entry) -> Delivery {
        let state = self.state();
        let (code, reason) = self.failure().unzip();
        let event = &entry.event;
        Delivery {
            id: DeliveryId::new(handler.clone(), entry.sequence, event).to_string(),
            handler: handler.clone(),
            sequence: entry.sequence,
            event_id: event.id.clone(),
            event_source: event.source.clone(),
            event_type: event.event_type.clone(),
            state,
            attempts_made: self.attempts_made(),
            due: self
                .waiting
                .as_ref()
                .filter(|_| state == DeliveryState::Waiting)
                .map(|due| due.due.to_string()),
            code,
            reason,
            at: self.at(state),
        }
    }

    fn attempts_made(&self) -> u32 {
        let settled = self.attempts.last().map(|attempt| attempt.attempt);
        let waiting = self.waiting.as_ref().map(|due| due.attempts);
        let dead = self.dead.as_ref().map(|dead| dead.attempts);
        settled.max(waiting).max(dead).unwrap_or(0)
    }

    fn failure(&self) -> Option<(Code, String)> {
        if let Some(attempt) = self.attempts.last() {
            return failure_of(&attempt.outcome);
        }
        let waiting = self.waiting.as_ref().map(|due| &due.failure);
        let dead = self.dead.as_ref().map(|dead| &dead.failure);
        waiting
            .or(dead)
            .map(|failure| (failure.code, failure.reason.clone()))
    }

    fn at(&self, state: DeliveryState) -> Option<String> {
        let since = self.dead.as_ref().filter(|_| state == DeliveryState::Dead);
        let since = since.map(|dead| dead.since);
        let began = self.attempts.last().map(|attempt| attempt.started);
        since.or(began).map(|at| at.to_string())
    }
}

fn attempt(attempt: &Attempt) -> api::Attempt {
    let (code, reason) = failure_of(&attempt.outcome).unzip();
    api::Attempt {
        attempt: attempt.attempt,
        generation: attempt.generation,
        started: attempt.started.to_string(),
        took_us: u64::try_from(attempt.took.as_micros()).unwrap_or(u64::MAX),
        outcome: match &attempt.outcome {
            AttemptOutcome::Ack => api::AttemptOutcome::Ack,
            AttemptOutcome::Retry { .. } => api::AttemptOutcome::Retry,
            AttemptOutcome::Dead { .. } => api::AttemptOutcome::Dead,
        },
        code,
        reason,
    }
}

fn failure_of(outcome: &AttemptOutcome) -> Option<(Code, String)> {
    match outcome {
        AttemptOutcome::Ack => None,
        AttemptOutcome::Retry { code, reason } | AttemptOutcome::Dead { code, reason } => {
            Some((*code, reason.clone()))
        }
    }
}
