//! What was promised, against what can be seen from outside.
//!
//! It knows what was offered to a host and how the host answered, and what was
//! read back from it. It knows nothing of how the host works.

mod findings;

use std::collections::BTreeMap;
use std::fmt;

pub use findings::{Effects, Findings};

use crate::load::Event;
use crate::publish::Answer;

/// The offenders of each kind that a report names.
const NAMED: usize = 5;

/// A handler that should handle every event whose type begins so.
#[derive(Clone, Copy, Debug)]
pub struct Subscriber {
    pub handler: &'static str,
    pub types: &'static str,
}

/// The events that were offered, by number, and the best answer to each.
#[derive(Debug, Default)]
pub struct Ledger {
    offers: BTreeMap<u64, Offer>,
    repeats: u64,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    event_type: &'static str,
    /// What handling it must publish; nothing if it must be a dead letter.
    effects: Effects,
    answer: Answer,
}

impl Ledger {
    /// Notes how an event was answered. Of several answers to one event the best
    /// counts: what was acknowledged once stays so.
    pub fn note(&mut self, event: &Event, answer: Answer) {
        let offer = Offer {
            event_type: event.event_type,
            effects: Effects::of(event.script),
            answer,
        };
        let known = self.offers.entry(event.number).and_modify(|known| {
            self.repeats += 1;
            known.answer = known.answer.max(answer);
        });
        known.or_insert(offer);
    }

    /// Takes in what another one knows.
    pub fn merge(&mut self, other: Self) {
        self.repeats += other.repeats;
        for (number, offer) in other.offers {
            let known = self.offers.entry(number).or_insert(offer);
            known.answer = known.answer.max(offer.answer);
        }
    }

    pub fn count(&self, answer: Answer) -> usize {
        let offers = self.offers.values();
        offers.filter(|offer| offer.answer == answer).count()
    }

    /// Compares what was offered with what was found.
    pub fn check(&self, subscribers: &[Subscriber], found: &Findings) -> Report {
        let mut report = Report {
            acknowledged: self.count(Answer::Acknowledged),
            refused: self.count(Answer::Refused),
            unknown: self.count(Answer::Unknown),
            repeats: self.repeats,
            unexpected: found.strange.clone(),
            ..Report::default()
        };
        self.check_journal(found, &mut report);
        for subscriber in subscribers {
            self.check_handler(subscriber, found, &mut report);
        }
        let is_known = |name: &str| subscribers.iter().any(|one| one.handler == name);
        for handler in found.handlers().filter(|name| !is_known(name)) {
            report
                .unexpected
                .push(format!("effects of `{handler}`, which is no handler here"));
        }
        report
    }

    /// Every acknowledged event is journalled, each once, and no refused one.
    fn check_journal(&self, found: &Findings, report: &mut Report) {
        for (number, times) in found.journalled() {
            match self.offers.get(&number).map(|offer| offer.answer) {
                Some(Answer::Acknowledged | Answer::Unknown) => {}
                Some(Answer::Refused) => report
                    .unexpected
                    .push(format!("event {number} is stored, and was refused")),
                None => report
                    .unexpected
                    .push(format!("event {number} is stored, and was never offered")),
            }
            if times > 1 {
                report
                    .repeated
                    .push(format!("event {number} is stored {times} times"));
            }
        }
        for (number, offer) in &self.offers {
            if offer.answer == Answer::Acknowledged && !found.is_journalled(*number) {
                report
                    .lost
                    .push(format!("event {number} was acknowledged and is not stored"));
            }
        }
    }

    /// Every stored event that a handler asks for came to one outcome there, with
    /// all its effects and each once.
    fn check_handler(&self, subscriber: &Subscriber, found: &Findings, report: &mut Report) {
        let handler = subscriber.handler;
        for (number, offer) in &self.offers {
            let stored = found.is_journalled(*number);
            let asked_for = stored && offer.event_type.starts_with(subscriber.types);
            let (effects, again) = found.effects(handler, *number);
            let dead = found.is_dead(handler, *number);
            let what = format!("event {number} for `{handler}`");
            report.handled += usize::from(effects != Effects::NONE);
            report.dead += usize::from(dead);
            if again {
                report.repeated.push(format!("{what} has an effect twice"));
            }
            if dead && effects != Effects::NONE {
                let both = format!("{what} was handled, and is a dead letter");
                report.repeated.push(both);
            } else if asked_for && !dead && effects == Effects::NONE {
                let neither = format!("{what} was neither handled nor is it a dead letter");
                report.lost.push(neither);
            } else if effects != Effects::NONE && !effects.contains(offer.effects) {
                report.lost.push(format!("{what} has some of its effects"));
            }
            let has_outcome = dead || effects != Effects::NONE;
            if (has_outcome && !asked_for) || !offer.effects.contains(effects) {
                let strange = format!("{what} has an outcome that it cannot have");
                report.unexpected.push(strange);
            }
        }
        for number in found.outcomes(handler) {
            if !self.offers.contains_key(&number) {
                let strange = format!("event {number} for `{handler}` was never offered");
                report.unexpected.push(strange);
            }
        }
    }
}

/// How promises and findings compare.
#[derive(Debug, Default)]
pub struct Report {
    pub acknowledged: usize,
    pub refused: usize,
    pub unknown: usize,
    /// How often an event was offered once more.
    pub repeats: u64,
    /// Over all handlers.
    pub handled: usize,
    /// Over all handlers.
    pub dead: usize,
    pub lost: Vec<String>,
    pub unexpected: Vec<String>,
    pub repeated: Vec<String>,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.unexpected.is_empty() && self.repeated.is_empty()
    }

    /// Ends the test unless all promises were kept.
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{} acknowledged, {} refused, {} unknown, {} offered again; {} handled, {} dead; \
             lost {}, unexpected {}, repeated {}",
            self.acknowledged,
            self.refused,
            self.unknown,
            self.repeats,
            self.handled,
            self.dead,
            self.lost.len(),
            self.unexpected.len(),
            self.repeated.len()
        )?;
        let offenders = [&self.lost, &self.unexpected, &self.repeated];
        for offender in offenders.iter().flat_map(|kind| kind.iter().take(NAMED)) {
            write!(to, "\n  {offender}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
