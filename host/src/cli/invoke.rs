//! `waystation invoke`: one event on a component, without a host.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use waystation_core::{
    CAPSULE_FORMAT, Capsule, DeliveryId, Event, Exchange, HandlerName, Outcome, Sequence, Settings,
    Timestamp, limits,
};
use waystation_dispatch::published;
use waystation_journal::Entry;
use waystation_runtime::{Rehearsal, World};

use super::exit::{Exit, Failure};
use super::output::{self, Output};
use super::rehearse::files;
use super::rehearse::report::{self, Report};
use super::rehearse::stage::{Attempt, Loaded, Stage, Values, named};
use super::{offline, private, shell};
use crate::clock::SystemClock;

/// Run one event on a component, without a host, and show what it does
///
/// It gets all that it asks for, narrowed by the sidecar beside the file if there is
/// one. It reaches no other host unless --http-live is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The component
    #[arg(value_name = "FILE.wasm", required_unless_present = "capsule")]
    component: Option<PathBuf>,
    /// The event: CloudEvents in JSON
    #[arg(
        value_name = "EVENT.json",
        required_unless_present = "capsule",
        conflicts_with = "capsule"
    )]
    event: Option<PathBuf>,
    /// The state that it finds: {"NAMESPACE": {"KEY": VALUE}}
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// A value of its configuration
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// A secret; without a value it is that of the environment variable NAME
    #[arg(long, value_name = "NAME[=VALUE]")]
    secret: Vec<String>,
    /// The answers to its outbound HTTP
    #[arg(long, value_name = "FILE", conflicts_with = "http_live")]
    http_replay: Option<PathBuf>,
    /// Let its outbound HTTP really go out
    #[arg(long)]
    http_live: bool,
    /// Keep the outbound HTTP in a file for --http-replay
    #[arg(long, value_name = "FILE", requires = "http_live")]
    record: Option<PathBuf>,
    /// The number of the attempt [default: 1, or that of the capsule]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Make a recorded attempt again, as `waystation deliveries capsule` wrote it
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    capsule: Option<PathBuf>,
    /// The form of the answer
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    output: Output,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A secret by its name. What is wrong with the text is told without it, for it may be
/// the value alone.
fn secret(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Pair, Failure> {
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    let error = || {
        anyhow!(
            "`--secret` needs NAME=VALUE, found no `=` and no environment variable of that name"
        )
    };
    let value = variable(text).ok_or_else(|| {
        Failure::new(Exit::Usage, error()).with_hint(
            "a value on the command line shows in the list of processes; to keep it out\nset the \
             environment variable NAME and give --secret NAME",
        )
    })?;
    Ok((text.to_owned(), value))
}

/// A name and a value.
type Pair = (String, String);

/// What is played.
struct Play {
    loaded: Loaded,
    settings: Settings,
    event: Event,
    delivery: DeliveryId,
    sequence: Sequence,
    attempt: u32,
    world: World,
    capsule: Option<Capsule>,
}

/// Makes the attempt and shows what came of it.
pub fn run(args: &Args) -> Result<(), Failure> {
    let values = args.values()?;
    let stage = Stage::new()?;
    let mut play = match (&args.capsule, &args.component, &args.event) {
        (Some(capsule), component, _) => {
            again(args, &stage, &values, capsule, component.as_deref())?
        }
        (None, Some(component), Some(event)) => first(args, &stage, &values, component, event)?,
        _ => {
            return Err(Failure::new(
                Exit::Usage,
                anyhow!("a component and an event are needed"),
            ));
        }
    };
    if let Some(path) = &args.http_replay {
        play.world.http = Some(exchanges(path)?);
    }
    if args.http_live {
        play.world.http = None;
    }
    let rehearsal = play.rehearse(&stage);
    let is_unrecordable = args.record.is_some() && rehearsal.is_http_cut;
    if let Some(path) = args.record.as_ref().filter(|_| !is_unrecordable) {
        let text = report::recording(&rehearsal.surroundings.http).map_err(anyhow::Error::from)?;
        let cannot = || format!("cannot write `{}`", path.display());
        private::write(path, text.as_bytes()).with_context(cannot)?;
    }
    let report = play.report(&rehearsal);
    for remark in &report.remarks {
        output::note(&format!("note: {remark}"));
    }
    if report
        .remarks
        .iter()
        .any(|remark| remark.starts_with("no answer is recorded"))
    {
        output::note("  give answers with --http-replay FILE, or let it go out with --http-live");
    }
    args.output.print(&report, Report::text)?;
    if is_unrecordable {
        let mib = limits::REHEARSED_HTTP_BYTES_MAX / (1024 * 1024);
        let text = format!("the outbound HTTP is not recorded: it was more than {mib} MiB");
        return Err(Failure::new(Exit::Negative, anyhow!(text)));
    }
    if report.ending.is_ack() {
        return Ok(());
    }
    Err(Failure::said(Exit::Negative))
}

/// An event on a component.
fn first(
    args: &Args,
    stage: &Stage,
    values: &Values,
    file: &Path,
    event: &Path,
) -> Result<Play, Failure> {
    let event = files::event(event)?;
    let (name, sidecar) = named(file)?;
    let loaded = stage.load(name, &file.display().to_string(), offline::component(file)?)?;
    let settings = loaded.settings(sidecar.as_deref(), values)?;
    loaded.require_subscription(&settings, &event)?;
    let state = args
        .state
        .as_deref()
        .map(|path| files::json(path, STATE_SHAPE));
    let sequence = Sequence(1);
    Ok(Play {
        delivery: DeliveryId::new(loaded.name.clone(), sequence, &event),
        loaded,
        settings,
        event,
        sequence,
        attempt: args.attempt.unwrap_or(1),
        world: World {
            state: state.transpose()?.unwrap_or_default(),
            http: Some(Vec::new()),
            ..World::default()
        },
        capsule: None,
    })
}

/// A recorded attempt once more.
fn again(
    args: &Args,
    stage: &Stage,
    values: &Values,
    path: &Path,
    file: Option<&Path>,
) -> Result<Play, Failure> {
    let capsule: Capsule = files::json(
        path,
        "a capsule, as `waystation deliveries capsule` writes it",
    )?;
    let shown = path.display();
    if capsule.format != CAPSULE_FORMAT {
        let text = format!(
            "`{shown}` has the format {}; this version reads the format {CAPSULE_FORMAT}",
            capsule.format
        );
        return Err(Failure::new(Exit::Usage, anyhow!(text)));
    }
    let event = capsule.event();
    let event = event.with_context(|| format!("`{shown}` holds no event"))?;
    let delivery: DeliveryId = capsule
        .delivery
        .id
        .parse()
        .with_context(|| format!("`{shown}` holds no delivery"))?;
    let loaded = component(stage, &capsule, &delivery.handler, path, file)?;
    let digest = capsule.component.digest;
    if loaded.digest() != digest {
        output::note(&format!(
            "note: another build than the recorded one: {} instead of {}",
            loaded.digest().short(),
            digest.short()
        ));
    }
    if capsule.settings.served_before > 0 {
        output::note(&format!(
            "note: the recorded instance had served {} attempts before, and what they left in its \
             memory is not in the capsule",
            capsule.settings.served_before
        ));
    }
    if capsule.surroundings.truncated {
        output::note("note: the recorded attempt saw more than the capsule holds");
    }
    let settings = loaded.settings_of(&capsule, values)?;
    Ok(Play {
        loaded,
        settings,
        event,
        sequence: capsule.delivery.sequence,
        delivery,
        attempt: args.attempt.unwrap_or(capsule.delivery.attempt),
        world: World::of(&capsule.surroundings),
        capsule: Some(capsule),
    })
}

/// The component to make a recorded attempt with.
fn component(
    stage: &Stage,
    capsule: &Capsule,
    name: &HandlerName,
    path: &Path,
    file: Option<&Path>,
) -> Result<Loaded, Failure> {
    let shown = path.display();
    if let Some(file) = file {
        let bytes = offline::component(file)?;
        let given = file.file_stem().unwrap_or_default();
        if given != name.as_str() {
            let given = given.display();
            output::note(&format!(
                "note: `{shown}` is of the handler `{name}`, and this is `{given}`"
            ));
        }
        return stage.load(name.clone(), &file.display().to_string(), bytes);
    }
    let Some(encoded) = &capsule.component.bytes else {
        let text = format!("`{shown}` holds no component");
        let hint = format!(
            "name the component: waystation invoke --capsule {} {name}.wasm\nor have it \
             written along: waystation deliveries capsule {} --with-component",
            shell::word(path),
            capsule.delivery.id
        );
        return Err(Failure::new(Exit::Usage, anyhow!(text)).with_hint(hint));
    };
    let bytes = STANDARD.decode(encoded);
    let bytes = bytes.with_context(|| format!("`{shown}` holds no component in base64"))?;
    stage.load(name.clone(), &shown.to_string(), bytes.into())
}

/// What a file of state holds.
pub const STATE_SHAPE: &str = "{\"NAMESPACE\": {\"KEY\": VALUE}}";

/// Recorded HTTP.
pub fn exchanges(path: &Path) -> Result<Vec<Exchange>, Failure> {
    let shape = "[{\"request\": {\"method\", \"url\"}, \"answer\": {\"status\", \
                 \"body\"}}]";
    files::json(path, shape)
}

impl Args {
    fn values(&self) -> Result<Values, Failure> {
        let variable = |name: &str| {
            let is_name = !name.is_empty() && !name.contains('\0');
            is_name.then(|| env::var(name).ok()).flatten()
        };
        let secrets = self.secret.iter().map(|text| secret(text, &variable));
        Ok(Values {
            config: self.config.iter().cloned().collect(),
            secrets: secrets.collect::<Result<_, _>>()?,
        })
    }
}

impl Play {
    fn rehearse(&self, stage: &Stage) -> Rehearsal {
        let delivery = self.delivery.to_string();
        let attempt = Attempt {
            event: &self.event,
            delivery: &delivery,
            number: self.attempt,
            sequence: self.sequence,
        };
        stage.rehearse(&self.loaded, &self.settings, &attempt, &self.world)
    }

    fn report(&self, rehearsal: &Rehearsal) -> Report {
        let now = waystation_core::Clock::now(&SystemClock);
        let capsule = self.capsule.as_ref();
        let depth = capsule.map_or(0, |capsule| capsule.delivery.depth);
        let (outcome, events) = settle(
            rehearsal,
            &self.event,
            depth,
            &self.delivery,
            &self.settings,
            now,
        );
        let mut report = Report::new(rehearsal, &outcome, &events);
        report.recorded = self.capsule.as_ref().map(|capsule| capsule.outcome.clone());
        report.as_recorded = self
            .capsule
            .as_ref()
            .map(|capsule| capsule.outcome.is(&outcome) && capsule.log == rehearsal.log);
        report
    }
}

/// The outcome that a host would settle, and the events that it would publish.
pub fn settle(
    rehearsal: &Rehearsal,
    event: &Event,
    depth: u32,
    delivery: &DeliveryId,
    settings: &Settings,
    now: Timestamp,
) -> (Outcome, Vec<Event>) {
    let cause = Entry {
        sequence: delivery.sequence,
        accepted: now,
        depth,
        cause: None,
        event: event.clone(),
    };
    match published(rehearsal.drafts.clone(), &cause, delivery, settings, now) {
        Ok(events) => (rehearsal.outcome.clone(), events),
        Err(failure) => (Outcome::Reject(failure), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_given_or_taken_from_the_environment_and_never_shown() {
        let variable = |name: &str| (name == "token").then(|| "from-outside".to_owned());
        let check = |text: &str, name: &str, value: &str| {
            let expected = (name.to_owned(), value.to_owned());
            assert_eq!(secret(text, &variable).unwrap(), expected);
        };
        check("token=a=b", "token", "a=b");
        check("token", "token", "from-outside");
        let (exit, text) = secret("hunter2secretvalue", &variable).unwrap_err().parts();
        assert_eq!(exit, Exit::Usage);
        assert!(text.contains("needs NAME=VALUE, found no `=`"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
