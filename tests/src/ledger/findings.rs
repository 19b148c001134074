//! What a host shows to whoever asks it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Ledger, Subscriber};
use crate::host::Host;
use crate::load::{self, Script};

/// What the source of a handler's events begins with; its name follows.
const HANDLERS: &str = "/waystation/handlers/";

/// The effects of one event on one handler: bit 0 says that it was handled, bit
/// N that its item N was published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects(u32);

impl Effects {
    /// Nothing was published.
    pub const NONE: Self = Self(0);
    const DONE: Self = Self(1);

    /// What a script comes to in the end.
    pub fn of(script: Script) -> Self {
        match script {
            Script::Ack | Script::Sleep { .. } => Self::DONE,
            Script::Fail { times } if times < load::ATTEMPTS => Self::DONE,
            Script::Publish { count } => Self((2 << count) - 1),
            Script::Fail { .. } | Script::Reject | Script::Trap => Self::NONE,
        }
    }

    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What was read back from a host.
#[derive(Debug, Default)]
pub struct Findings {
    /// How often each event is in the journal.
    journalled: BTreeMap<u64, u32>,
    /// By handler and event: the effects, and whether one was there twice.
    effects: BTreeMap<String, BTreeMap<u64, (Effects, bool)>>,
    /// By handler.
    dead: BTreeMap<String, BTreeSet<u64>>,
    /// What has no place in a journal that only the load and its handlers fill.
    pub(super) strange: Vec<String>,
}

impl Findings {
    /// Reads all of a host that has nothing under way any more.
    pub fn read(host: &Host, ledger: &Ledger, subscribers: &[Subscriber]) -> Self {
        let mut found = Self::default();
        host.each_event(|entry| found.event(&entry["event"]));
        for subscriber in subscribers {
            found.read_dead(host, ledger, subscriber);
        }
        found
    }

    /// Asks what became of each event that has no effects, since one answer
    /// lists only the newest dead letters.
    fn read_dead(&mut self, host: &Host, ledger: &Ledger, subscriber: &Subscriber) {
        let handler = subscriber.handler;
        let silent = ledger.offers.iter().filter(|(number, offer)| {
            offer.event_type.starts_with(subscriber.types)
                && self.is_journalled(**number)
                && self.effects(handler, **number).0 == Effects::NONE
        });
        let is_dead = |number: &u64| {
            let tree = host.tree(&load::id(*number));
            let deliveries = tree["deliveries"].as_array().unwrap();
            deliveries
                .iter()
                .any(|one| one["handler"] == handler && one["state"] == "dead")
        };
        let numbers = silent.map(|(number, _)| *number).filter(is_dead);
        let numbers: BTreeSet<u64> = numbers.collect();
        let known = numbers.len() as u64;
        self.dead.insert(handler.to_owned(), numbers);
        let counted = host.handler(handler)["dead"].as_u64().unwrap();
        if counted != known {
            let strange = format!("`{handler}` has {counted} dead letters, and {known} are known");
            self.strange.push(strange);
        }
    }

    /// Takes in an event of the journal.
    pub fn event(&mut self, event: &Value) {
        let source = event["source"].as_str().unwrap();
        let noted = match source.strip_prefix(HANDLERS) {
            Some(handler) => self.effect(handler, event),
            None => self.offered(source, event),
        };
        if noted.is_none() {
            self.strange
                .push(format!("an event that is no one's: {event}"));
        }
    }

    fn offered(&mut self, source: &str, event: &Value) -> Option<()> {
        let number = load::number(event["id"].as_str()?)?;
        if source != load::source(number) {
            return None;
        }
        *self.journalled.entry(number).or_default() += 1;
        Some(())
    }

    fn effect(&mut self, handler: &str, event: &Value) -> Option<()> {
        let cause = load::number(event["causationid"].as_str()?)?;
        let bit = match event["type"].as_str()? {
            load::DONE => 0,
            load::ITEM => event["data"]["index"].as_u64()?,
            _ => return None,
        };
        let bit = 1_u32.checked_shl(u32::try_from(bit).ok()?)?;
        let effects = self.effects.entry(handler.to_owned()).or_default();
        let (seen, again) = effects.entry(cause).or_default();
        *again |= seen.0 & bit != 0;
        seen.0 |= bit;
        Some(())
    }

    /// Takes in a dead letter.
    pub fn dead(&mut self, handler: &str, number: u64) {
        self.dead
            .entry(handler.to_owned())
            .or_default()
            .insert(number);
    }

    pub(super) fn journalled(&self) -> impl Iterator<Item = (u64, u32)> {
        self.journalled
            .iter()
            .map(|(number, times)| (*number, *times))
    }

    pub(super) fn is_journalled(&self, number: u64) -> bool {
        self.journalled.contains_key(&number)
    }

    pub(super) fn effects(&self, handler: &str, number: u64) -> (Effects, bool) {
        let of_handler = self.effects.get(handler);
        let found = of_handler.and_then(|of_handler| of_handler.get(&number));
        found.copied().unwrap_or_default()
    }

    pub(super) fn is_dead(&self, handler: &str, number: u64) -> bool {
        self.dead
            .get(handler)
            .is_some_and(|dead| dead.contains(&number))
    }

    /// The handlers that something was found of.
    pub(super) fn handlers(&self) -> impl Iterator<Item = &str> {
        self.effects.keys().map(String::as_str)
    }

    /// The events that something became of with a handler.
    pub(super) fn outcomes(&self, handler: &str) -> impl Iterator<Item = u64> {
        let effects = self.effects.get(handler).into_iter().flatten();
        let dead = self.dead.get(handler).into_iter().flatten();
        effects.map(|(number, _)| *number).chain(dead.copied())
    }
}
