//! The last events once more, on each new build and on the one before: what would change.
//!
//! Both builds meet the same world, so that what differs comes from the build: no state
//! at the first event and what the build itself keeps from then on, no answers to
//! outbound HTTP, one clock and one source of random values.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use serde_json::Value;
use waystation_core::formats::json;
use waystation_core::{Event, Settings, StateImage, limits};

use crate::api;
use crate::cli::client::{Address, Client};
use crate::cli::exit::Failure;
use crate::cli::rehearse::deed::{Deed, diff};
use crate::cli::rehearse::stage::{Loaded, Stage, Values, named};
use crate::cli::{offline, output, table};
use crate::terminal::say;

/// Compares builds by the events that the host took.
pub struct Replay {
    /// How many events.
    last: usize,
    /// Tells once where the host answers.
    admin: Receiver<SocketAddr>,
    client: Option<Client>,
    stage: Stage,
    /// The newest build of each component.
    builds: BTreeMap<PathBuf, Bytes>,
}

/// A build and what holds for it.
struct Cast {
    loaded: Loaded,
    settings: Settings,
}

impl Replay {
    /// Compares by the last so many events of the host that will answer there.
    pub fn new(last: usize, admin: Receiver<SocketAddr>) -> Result<Self, Failure> {
        Ok(Self {
            last,
            admin,
            client: None,
            stage: Stage::new()?,
            builds: BTreeMap::new(),
        })
    }

    /// Remembers what serves before anything is built.
    pub fn remember(&mut self, component: &Path) -> Result<(), Failure> {
        let bytes = offline::component(component)?;
        self.builds.insert(component.to_owned(), bytes);
        Ok(())
    }

    /// Forgets a component that is gone.
    pub fn forget(&mut self, component: &Path) {
        self.builds.remove(component);
    }

    /// Compares a build with the one before it and says what would change.
    pub fn compare(&mut self, component: &Path) -> Result<(), Failure> {
        let bytes = offline::component(component)?;
        let before = self.builds.insert(component.to_owned(), bytes.clone());
        let Some(before) = before.filter(|before| *before != bytes) else {
            return Ok(());
        };
        let now = self.cast(component, bytes)?;
        let events = self.events(&now.settings)?;
        let name = now.loaded.name.clone();
        if events.is_empty() {
            say(&format!("~~~ {name}: no event has come that it asks for"));
            return Ok(());
        }
        let [before, now] = [&self.cast(component, before)?, &now].map(|it| self.play(it, &events));
        let differing: Vec<_> = events
            .iter()
            .zip(before.iter().zip(&now))
            .filter(|(_, (before, now))| before != now)
            .collect();
        let played = table::count(events.len() as u64, "event");
        let verdict = match differing.len() {
            0 => "as before".to_owned(),
            number => format!("{number} would end otherwise; - before, + now"),
        };
        say(&format!(
            "~~~ {name}: the last {played} once more: {verdict}"
        ));
        for ((sequence, event), (before, now)) in differing {
            let (event_type, id) = (&event.event_type, &event.id);
            let line = format!("~~~ {sequence} {event_type} \"{id}\"");
            say(&line);
            output::print(&diff(before, now))?;
        }
        Ok(())
    }

    fn cast(&self, component: &Path, bytes: Bytes) -> Result<Cast, Failure> {
        let (name, sidecar) = named(component)?;
        let shown = component.display().to_string();
        let loaded = self.stage.load(name, &shown, bytes)?;
        let settings = loaded.settings(sidecar.as_deref(), &Values::default())?;
        Ok(Cast { loaded, settings })
    }

    /// What a build does with each event, one after another.
    fn play(&self, cast: &Cast, events: &[(u64, Event)]) -> Vec<Value> {
        let mut state = StateImage::default();
        let mut deeds = Vec::new();
        for (_, event) in events {
            let Cast { loaded, settings } = cast;
            let deed = Deed::of(
                &self.stage,
                loaded,
                settings,
                event,
                state.clone(),
                Vec::new(),
            );
            for (namespace, keys) in deed.changes.0 {
                state.0.entry(namespace).or_default().extend(keys);
            }
            deeds.push(deed.value);
        }
        deeds
    }

    /// The last events that a build asks for, oldest first, with their sequences.
    fn events(&mut self, settings: &Settings) -> Result<Vec<(u64, Event)>, Failure> {
        let mut found = Vec::new();
        let (mut before, mut looked_at) = (None, 0);
        while found.len() < self.last && looked_at < limits::REPLAY_EVENTS_LOOKED_AT_MAX {
            let query = [
                ("before", before),
                ("limit", Some(limits::PAGE_ROWS_MAX.to_string())),
            ];
            let page: Vec<api::Event> = self.client()?.get("/api/events", &query)?;
            let Some(oldest) = page.last() else { break };
            before = Some(oldest.sequence.to_string());
            looked_at += page.len();
            for row in &page {
                let text = serde_json::to_vec(&row.event).map_err(anyhow::Error::from)?;
                let event = json::parse(&text).map_err(anyhow::Error::from);
                let event = event.with_context(|| format!("event {}", row.sequence))?;
                if settings.asks_for(&event) && found.len() < self.last {
                    found.push((row.sequence.0, event));
                }
            }
        }
        found.reverse();
        Ok(found)
    }

    /// A client of the host, which may still be on its way up.
    fn client(&mut self) -> Result<&Client, Failure> {
        if self.client.is_none() {
            let address = self.admin.recv().context("the host did not start")?;
            let address: Address = address.to_string().parse().map_err(anyhow::Error::from)?;
            self.client = Some(Client::new(address, "--admin"));
        }
        Ok(self
            .client
            .as_ref()
            .ok_or_else(|| anyhow!("there is no client"))?)
    }
}
