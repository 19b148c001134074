//! All that a journal knows.

use std::fmt;
use std::sync::Arc;

use waystation_core::{Sequence, Start};
use waystation_journal::{
    Attempt, AttemptOutcome, DeadLetter, Due, Entry, Error, Journal, Position, SubscriptionStatus,
};

/// All that a journal knows, as it tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub events: Vec<Arc<Entry>>,
    pub attempts: Vec<Attempt>,
    pub waiting: Vec<Due>,
    pub dead: Vec<DeadLetter>,
    pub subscriptions: Vec<SubscriptionStatus>,
    pub positions: Vec<Position>,
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
        Ok(Self {
            events: journal.read(Sequence(0), usize::MAX, usize::MAX).await?,
            attempts: journal.recent_attempts(None, usize::MAX).await?,
            waiting: journal.waiting(None, None, usize::MAX).await?,
            dead: journal.dead_letters(None, None, usize::MAX).await?,
            subscriptions,
            positions,
        })
    }

    /// The sequence of the newest event.
    pub fn head(&self) -> Sequence {
        Sequence(self.events.len() as u64)
    }

    /// What contradicts itself, if anything does.
    pub fn contradiction(&self) -> Option<String> {
        for (entry, sequence) in self.events.iter().zip(1..) {
            if entry.sequence != Sequence(sequence) {
                return Some(format!("{sequence} is missing, {} follows", entry.sequence));
            }
            let published_by_an_ack = |cause: &waystation_journal::Cause| {
                self.attempts.iter().any(|attempt| {
                    attempt.key.sequence == cause.sequence
                        && attempt.key.handler == cause.handler
                        && attempt.outcome == AttemptOutcome::Ack
                })
            };
            if !entry.cause.as_ref().is_none_or(published_by_an_ack) {
                return Some(format!("no attempt published {sequence}"));
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
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cursors = self.positions.iter().map(|position| position.cursor.0);
        write!(
            f,
            "{} events, {} attempts, {} waiting, {} dead, cursors {:?}",
            self.events.len(),
            self.attempts.len(),
            self.waiting.len(),
            self.dead.len(),
            cursors.collect::<Vec<_>>()
        )
    }
}
