//! All that a journal knows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use waystation_core::{Sequence, Start, StateValue};
use waystation_journal::{
    Attempt, AttemptOutcome, DeadLetter, Due, Entry, Error, Journal, Position, SubscriptionStatus,
};

use crate::workload::NAMESPACE;

/// All that a journal knows, as it tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The sequence of the newest event.
    pub head: Sequence,
    pub events: Vec<Arc<Entry>>,
    pub attempts: Vec<Attempt>,
    pub waiting: Vec<Due>,
    pub dead: Vec<DeadLetter>,
    pub subscriptions: Vec<SubscriptionStatus>,
    pub positions: Vec<Position>,
    pub state: BTreeMap<String, StateValue>,
    /// The version of the set of keys.
    pub keys: u64,
    /// The events that are not found by their ids.
    pub lost: Vec<Sequence>,
}

impl Snapshot {
    pub async fn of(journal: &dyn Journal) -> Result<Self, Error> {
        let subscriptions = journal.subscriptions().await?;
        let mut positions = Vec::new();
        for subscription in &subscriptions {
            let position = journal
                .subscribe(&subscription.handler, Start::Next)
                .await?;
            positions.push(position);
        }
        let keys = journal.state_keys(NAMESPACE, None, usize::MAX).await?;
        let mut state = BTreeMap::new();
        for key in keys.keys {
            if let Some(value) = journal.state(NAMESPACE, &key).await? {
                state.insert(key, value);
            }
        }
        let events = journal.read(Sequence(0), usize::MAX, usize::MAX).await?;
        let mut lost = Vec::new();
        for event in &events {
            if !journal.find(&event.event.id).await?.contains(event) {
                lost.push(event.sequence);
            }
        }
        Ok(Self {
            lost,
            head: *journal.head().borrow(),
            state,
            keys: keys.version,
            events,
            attempts: journal.recent_attempts(None, usize::MAX).await?,
            waiting: journal.waiting(None, None, usize::MAX).await?,
            dead: journal.dead_letters(None, None, usize::MAX).await?,
            subscriptions,
            positions,
        })
    }

    /// What contradicts itself, if anything does.
    pub fn contradiction(&self) -> Option<String> {
        if !self.lost.is_empty() {
            return Some(format!("{:?} are not found by their ids", self.lost));
        }
        let mut before = Sequence(0);
        for entry in &self.events {
            if entry.sequence <= before || entry.sequence > self.head {
                return Some(format!("{} follows {before}", entry.sequence));
            }
            before = entry.sequence;
            let published_by_an_ack = |cause: &waystation_journal::Cause| {
                self.attempts.iter().any(|attempt| {
                    attempt.key.sequence == cause.sequence
                        && attempt.key.handler == cause.handler
                        && attempt.outcome == AttemptOutcome::Ack
                })
            };
            // The attempts of an event are dropped with it.
            let cause = entry
                .cause
                .as_ref()
                .filter(|cause| self.has(cause.sequence));
            if !cause.is_none_or(published_by_an_ack) {
                return Some(format!("no attempt published {}", entry.sequence));
            }
        }
        let waiting = self.waiting.iter().map(|due| (&due.key, due.attempts));
        let dead = self.dead.iter().map(|dead| (&dead.key, dead.attempts));
        for (key, attempts) in waiting.chain(dead) {
            let found = self.attempts.iter().filter(|attempt| attempt.key == *key);
            if found.count() != attempts as usize {
                return Some(format!("{key:?} has not its {attempts} attempts"));
            }
        }
        None
    }

    fn has(&self, sequence: Sequence) -> bool {
        self.events.iter().any(|entry| entry.sequence == sequence)
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cursors = self.positions.iter().map(|position| position.cursor.0);
        write!(
            f,
            "{} events up to {}, {} attempts, {} waiting, {} dead, cursors {:?}, {} keys at {}",
            self.events.len(),
            self.head,
            self.attempts.len(),
            self.waiting.len(),
            self.dead.len(),
            cursors.collect::<Vec<_>>(),
            self.state.len(),
            self.keys
        )
    }
}
