//! Where a rehearsal takes place: the engine of the host, without the host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use tokio::runtime::Runtime;
use waystation_core::{
    Ask, AskKind, Capsule, Descriptor, Event, HandlerName, Secret, Settings, TypePattern,
    did_you_mean, did_you_mean_type, limits,
};
use waystation_folder::Sidecar;
use waystation_runtime::{Component, Engine, Generation, Rehearsal, Request, World};

use crate::cli::exit::{Exit, Failure};
use crate::cli::{offline, output};

/// The engine of the host.
pub struct Stage {
    runtime: Runtime,
    engine: Engine,
}

/// A component that is a handler.
pub struct Loaded {
    /// Its name.
    pub name: HandlerName,
    component: Component,
    descriptor: Descriptor,
    asks: std::collections::BTreeSet<Ask>,
}

/// Values for a handler, as `KEY=VALUE` on the command line or in a file.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Of its configuration.
    pub config: BTreeMap<String, String>,
    /// Of its secrets.
    pub secrets: BTreeMap<String, String>,
}

/// What an attempt is made of.
pub struct Attempt<'a> {
    /// The event.
    pub event: &'a Event,
    /// The id of the delivery.
    pub delivery: &'a str,
    /// The number of the attempt, from 1.
    pub number: u32,
    /// The event's position in the journal.
    pub sequence: waystation_core::Sequence,
}

impl Stage {
    /// Starts the engine. Compiled code is kept in the user's cache folder.
    pub fn new() -> Result<Self, Failure> {
        let (engine, runtime) = (offline::engine()?, offline::runtime()?);
        Ok(Self { runtime, engine })
    }

    /// Compiles a component and has it describe itself.
    pub fn load(&self, name: HandlerName, shown: &str, bytes: Bytes) -> Result<Loaded, Failure> {
        let load = Component::load(&self.engine, &name, bytes);
        let (component, descriptor) = self.runtime.block_on(load).map_err(|error| {
            Failure::new(Exit::Usage, anyhow!("`{shown}` is no handler: {error}"))
        })?;
        let asks = Ask::all_of(&descriptor).map_err(|error| {
            let text = format!("`{shown}` asks for what cannot be: {error}");
            Failure::new(Exit::Usage, anyhow!(text))
        })?;
        Ok(Loaded {
            name,
            component,
            descriptor,
            asks,
        })
    }

    /// Makes one attempt.
    pub fn rehearse(
        &self,
        loaded: &Loaded,
        settings: &Settings,
        attempt: &Attempt<'_>,
        world: &World,
    ) -> Rehearsal {
        let generation = Generation::new(
            &self.engine,
            loaded.name.clone(),
            loaded.component.clone(),
            settings.clone(),
        );
        let request = Request {
            event: attempt.event,
            delivery: attempt.delivery,
            attempt: attempt.number,
            sequence: attempt.sequence,
        };
        self.runtime.block_on(generation.rehearse(request, world))
    }
}

impl Loaded {
    /// The digest of its bytes.
    pub fn digest(&self) -> waystation_core::Digest {
        self.component.digest()
    }

    /// What holds for it: all that it asks for, narrowed by the sidecar if there is
    /// one, with these values.
    pub fn settings(&self, sidecar: Option<&Path>, values: &Values) -> Result<Settings, Failure> {
        let parsed = sidecar.map(read_sidecar).transpose()?;
        let applied = parsed.clone().unwrap_or_default();
        let settings = applied.apply(&self.descriptor, &self.asks);
        let mut settings = settings.map_err(|mistakes| {
            let place = sidecar.map_or("the handler".into(), |it| format!("`{}`", it.display()));
            Failure::new(Exit::Usage, anyhow!("{place}: {mistakes}"))
        })?;
        let is_granted = |name: &str| parsed.as_ref().is_none_or(|it| it.grants_secret(name));
        self.give(&mut settings, values, is_granted)?;
        Ok(settings)
    }

    /// What held for a recorded attempt, with these values on top.
    pub fn settings_of(&self, capsule: &Capsule, values: &Values) -> Result<Settings, Failure> {
        let mut settings = Settings::of(&self.descriptor);
        let held = &capsule.settings;
        settings.timeout = std::time::Duration::from_millis(held.timeout_ms);
        settings.memory_bytes = held.memory_bytes.min(limits::MEMORY_BYTES_MAX);
        settings.instances = held.instances;
        settings.grants.state.clone_from(&held.state);
        settings.grants.config.clone_from(&capsule.config);
        let odd = |error: String| Failure::new(Exit::Usage, anyhow!("the capsule: {error}"));
        for text in &held.http {
            let authority = text.parse().map_err(|e| odd(format!("{e}")))?;
            settings.grants.http.push(authority);
        }
        settings.publishes.clear();
        for text in &held.publishes {
            let pattern = TypePattern::try_from(text.clone()).map_err(|e| odd(e.to_string()))?;
            settings.publishes.push(pattern);
        }
        let had = |name: &str| capsule.secrets.iter().any(|it| it == name);
        self.give(&mut settings, values, had)?;
        Ok(settings)
    }

    /// Gives it these values, and placeholders for the other secrets that it has.
    fn give(
        &self,
        settings: &mut Settings,
        values: &Values,
        has: impl Fn(&str) -> bool,
    ) -> Result<(), Failure> {
        for (key, value) in &values.config {
            self.require(AskKind::Config, "configuration", key)?;
            settings.grants.config.insert(key.clone(), value.clone());
        }
        for name in values.secrets.keys() {
            self.require(AskKind::Secret, "secret", name)?;
        }
        for name in self.asked(AskKind::Secret) {
            let given = values.secrets.get(&name);
            if given.is_none() && !has(&name) {
                continue;
            }
            let value = given.cloned().unwrap_or_else(|| {
                output::note(&format!(
                    "note: the secret `{name}` is not given, so the handler reads a placeholder; give it \
                     with --secret {name}=VALUE"
                ));
                placeholder(&name)
            });
            settings.grants.secrets.insert(name, Secret::new(value));
        }
        Ok(())
    }

    /// Takes what it asks for as secrets out of the configuration, and gives
    /// placeholders for those that are missing.
    pub fn part(&self, values: &mut Values) {
        for name in self.asked(AskKind::Secret) {
            let given = values.config.remove(&name);
            let value = given.unwrap_or_else(|| placeholder(&name));
            values.secrets.insert(name, value);
        }
    }

    fn asked(&self, kind: AskKind) -> Vec<String> {
        let asks = self.asks.iter().filter(|ask| ask.kind() == kind);
        asks.map(Ask::value).collect()
    }

    fn require(&self, kind: AskKind, word: &str, key: &str) -> Result<(), Failure> {
        let asked = self.asked(kind);
        if asked.iter().any(|name| name == key) {
            return Ok(());
        }
        let name = &self.name;
        let text = match kind {
            // Its value may stand where its name should.
            AskKind::Secret => format!("`{name}` asks for no secret of the name that is given"),
            _ => format!("`{name}` does not ask for the {word} `{key}`"),
        };
        let hint = match did_you_mean(key, asked.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if asked.is_empty() => format!("it asks for no {word}"),
            None => format!("it asks for {}", quoted(asked)),
        };
        Err(Failure::new(Exit::Usage, anyhow!(text)).with_hint(hint))
    }

    /// Fails unless the handler asks for the event.
    pub fn require_subscription(&self, settings: &Settings, event: &Event) -> Result<(), Failure> {
        if settings.asks_for(event) {
            return Ok(());
        }
        let filters = &settings.subscriptions;
        let types = filters.iter().flat_map(|filter| &filter.types);
        let types: Vec<String> = types.map(ToString::to_string).collect();
        let (name, event_type) = (&self.name, &event.event_type);
        let is_of_type = filters
            .iter()
            .any(|filter| filter.types.iter().any(|it| it.matches(event_type)));
        if is_of_type {
            let text = format!(
                "`{name}` asks for `{event_type}`, but not from the source `{}` with this subject",
                event.source
            );
            return Err(Failure::new(Exit::Usage, anyhow!(text)));
        }
        let text = format!("`{name}` does not ask for events of the type `{event_type}`");
        let hint = match did_you_mean_type(event_type, types.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("it asks for {}", quoted(types)),
        };
        Err(Failure::new(Exit::Usage, anyhow!(text)).with_hint(hint))
    }
}

fn quoted(names: Vec<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The name of the handler in a file, and the sidecar beside it if it is there.
pub fn named(file: &Path) -> Result<(HandlerName, Option<PathBuf>), Failure> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = HandlerName::new(&stem)
        .with_context(|| format!("`{}` cannot be the file of a handler", file.display()))?;
    let sidecar = file.with_extension("toml");
    Ok((name, sidecar.is_file().then_some(sidecar)))
}

fn read_sidecar(path: &Path) -> Result<Sidecar, Failure> {
    let text = offline::sidecar(path)?;
    Sidecar::parse(&text)
        .map_err(|mistakes| Failure::new(Exit::Usage, anyhow!("`{}`: {mistakes}", path.display())))
}

fn placeholder(name: &str) -> String {
    format!("placeholder-for-{name}")
}
