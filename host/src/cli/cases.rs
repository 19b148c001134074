//! `waystation test`: the cases of a handler, each a folder of files.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::{Map, Value, json};
use similar::{ChangeTag, TextDiff};
use waystation_core::{DeliveryId, Held, Moment, Readings, Seeds, Sequence, StateImage, Timestamp};
use waystation_runtime::{Rehearsal, World};

use super::build;
use super::exit::{Exit, Failure};
use super::invoke::{exchanges, settle};
use super::rehearse::files;
use super::rehearse::report::{Ending, value};
use super::rehearse::stage::{Attempt, Loaded, Stage, Values, cache_folder, named};
use super::{clean, output, table};

/// Run the cases of a handler package and compare what it does with what is expected
///
/// A case is a folder below DIR/cases with an event.json and, where they are needed,
/// state.json, config.json and http.json. What is expected stands in expected.json.
/// The clock begins at 2026-01-01T00:00:00Z in each case and goes on by a millisecond
/// at each look; random values are the same each time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The handler package; it is built first
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Test this component and build nothing
    #[arg(long, value_name = "FILE.wasm")]
    component: Option<PathBuf>,
    /// Write what it does now into expected.json
    #[arg(long)]
    bless: bool,
}

/// The files of a case.
const EVENT: &str = "event.json";
const STATE: &str = "state.json";
const CONFIG: &str = "config.json";
const HTTP: &str = "http.json";
const EXPECTED: &str = "expected.json";

/// When the clock begins: 2026-01-01T00:00:00Z.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

/// What the host adds to a draft, which is not up to the handler.
const ADDED: [&str; 7] = [
    "specversion",
    "id",
    "source",
    "time",
    "correlationid",
    "causationid",
    "traceparent",
];

/// Runs the cases and tells which of them differ.
pub fn run(args: &Args) -> Result<(), Failure> {
    let cases = cases(&args.dir)?;
    let file = match &args.component {
        Some(file) => file.clone(),
        None => built(&args.dir)?,
    };
    let stage = Stage::new()?;
    let (name, _) = named(&file)?;
    let bytes = files::bytes(&file)?;
    let loaded = stage.load(name, &file.display().to_string(), bytes.into())?;
    let mut failed: usize = 0;
    for case in &cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy();
        let ran = Case::run(case, &stage, &loaded);
        let ran = ran.map_err(|failure| failure.within(format!("case `{name}`")))?;
        let verdict = ran.verdict(args.bless)?;
        failed += usize::from(verdict.is_failed);
        let word = verdict.word;
        output::print(&format!(
            "{word:<7} {}\n{}",
            clean::line(&name),
            verdict.text
        ))?;
    }
    let passed = cases.len() - failed;
    let cases = table::count(cases.len() as u64, "case");
    output::print(&format!("\n{cases}: {passed} passed, {failed} failed\n"))?;
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::said(Exit::Negative))
}

/// The folders below `cases` that hold an event.
fn cases(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = dir.join("cases");
    let mut found = Vec::new();
    if folder.is_dir() {
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot read `{}`", folder.display()))? {
            let path = entry.map_err(anyhow::Error::from)?.path();
            if path.is_dir() {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        let text = format!("there are no cases in `{}`", folder.display());
        let hint = format!(
            "make a folder for a case and put an event into it: {}/first/{EVENT}",
            folder.display()
        );
        return Err(Failure::new(Exit::Usage, anyhow!(text)).with_hint(hint));
    }
    Ok(found)
}

/// Builds the package, out of the way of everything else.
fn built(dir: &Path) -> Result<PathBuf, Failure> {
    let own = fs::canonicalize(dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
    let digest = waystation_core::Digest::of(own.as_os_str().as_encoded_bytes());
    let folder = cache_folder().unwrap_or_else(|| own.join("target"));
    let out = folder.join("cases").join(digest.short());
    let built = build::build(&[dir.to_owned()], &out)?;
    match built.as_slice() {
        [one] => Ok(one.path.clone()),
        several => {
            let text = format!("`{}` holds {} handlers", dir.display(), several.len());
            let hint = "name the folder of one of them";
            Err(Failure::new(Exit::Usage, anyhow!(text)).with_hint(hint))
        }
    }
}

/// A case that was run.
struct Case {
    folder: PathBuf,
    expected: Option<Value>,
    actual: Value,
    remarks: Vec<String>,
}

/// What is said of a case.
struct Verdict {
    word: &'static str,
    text: String,
    is_failed: bool,
}

impl Case {
    fn run(folder: &Path, stage: &Stage, loaded: &Loaded) -> Result<Self, Failure> {
        let there = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        let event = files::event(&folder.join(EVENT))?;
        let mut values = Values::default();
        if let Some(path) = there(CONFIG) {
            values.config = files::json(&path, "configuration: {\"KEY\": \"VALUE\"}")?;
        }
        loaded.part(&mut values);
        let settings = loaded.settings(None, &values)?;
        loaded.require_subscription(&settings, &event)?;
        let state = there(STATE).map(|path| files::json(&path, "state"));
        let http = there(HTTP).map(|path| exchanges(&path)).transpose()?;
        let world = World {
            state: state.transpose()?.unwrap_or_default(),
            http: Some(http.unwrap_or_default()),
            clocks: Readings {
                wall: vec![Moment(BEGIN)],
                monotonic: vec![0],
            },
            seeds: Some(Seeds::default()),
            is_recorded: false,
        };
        let sequence = Sequence(1);
        let delivery = DeliveryId::new(loaded.name.clone(), sequence, &event);
        let attempt = Attempt {
            event: &event,
            delivery: &delivery.to_string(),
            number: 1,
            sequence,
        };
        let rehearsal = stage.rehearse(loaded, &settings, &attempt, &world);
        let now = Timestamp::default();
        let (outcome, events) = settle(&rehearsal, &event, &delivery, &settings, now);
        let ending = Ending::of(&outcome);
        let events = events.iter().map(|event| {
            let structured = waystation_core::formats::json::Structured(event);
            without_added(value(&structured))
        });
        let expected = there(EXPECTED).map(|path| files::json(&path, "JSON"));
        Ok(Self {
            folder: folder.to_owned(),
            expected: expected.transpose()?,
            actual: actual(&ending, events.collect(), &rehearsal),
            remarks: rehearsal.remarks,
        })
    }

    fn verdict(&self, bless: bool) -> Result<Verdict, Failure> {
        if self.expected.as_ref() == Some(&self.actual) {
            return Ok(Verdict {
                word: "ok",
                text: String::new(),
                is_failed: false,
            });
        }
        if bless {
            let path = self.folder.join(EXPECTED);
            fs::write(&path, pretty(&self.actual))
                .with_context(|| format!("cannot write `{}`", path.display()))?;
            return Ok(Verdict {
                word: "blessed",
                text: String::new(),
                is_failed: false,
            });
        }
        let mut text = match &self.expected {
            Some(expected) => diff(expected, &self.actual, io::stdout().is_terminal()),
            None => format!("  there is no {EXPECTED}; --bless writes what it does now\n"),
        };
        for remark in &self.remarks {
            text.push_str(&format!("  note: {}\n", clean::line(remark)));
        }
        Ok(Verdict {
            word: "FAILED",
            text,
            is_failed: true,
        })
    }
}

/// What an attempt did, as it stands in `expected.json`.
fn actual(ending: &Ending, events: Vec<Value>, rehearsal: &Rehearsal) -> Value {
    let mut changes = StateImage::default();
    if ending.is_ack() {
        for change in &rehearsal.changes {
            let after = change.after.clone().map_or(Held::Absent, Held::Value);
            changes.set(&change.namespace, &change.key, after);
        }
    }
    let mut all = match value(ending) {
        Value::Object(map) => map,
        other => Map::from_iter([("outcome".to_owned(), other)]),
    };
    all.insert("publishes".to_owned(), json!(events));
    all.insert("state".to_owned(), value(&changes));
    Value::Object(all)
}

fn without_added(mut event: Value) -> Value {
    if let Some(attributes) = event.as_object_mut() {
        attributes.retain(|name, _| !ADDED.contains(&name.as_str()));
    }
    event
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// The lines that are expected and missing, and those that came instead, with some
/// lines around them.
fn diff(expected: &Value, actual: &Value, in_colour: bool) -> String {
    let [expected, actual] = [expected, actual].map(|value| clean::json(&pretty(value)));
    let diff = TextDiff::from_lines(expected.as_str(), actual.as_str());
    let mut text = String::from("  - expected, + what it did\n");
    for (index, group) in diff.grouped_ops(2).iter().enumerate() {
        if index > 0 {
            text.push_str("    ...\n");
        }
        for change in group
            .iter()
            .flat_map(|operation| diff.iter_changes(operation))
        {
            let (sign, colour) = match change.tag() {
                ChangeTag::Delete => ('-', "\x1b[31m"),
                ChangeTag::Insert => ('+', "\x1b[32m"),
                ChangeTag::Equal => (' ', ""),
            };
            let line = change.value().trim_end_matches('\n');
            if in_colour && !colour.is_empty() {
                text.push_str(&format!("  {colour}{sign} {line}\x1b[0m\n"));
            } else {
                text.push_str(&format!("  {sign} {line}\n"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_the_lines_around_it() {
        let expected = json!({"outcome": "ack", "publishes": [], "state": {"orders": {"1": 1}}});
        let actual = json!({"outcome": "ack", "publishes": [], "state": {"orders": {"1": 2}}});
        assert_eq!(
            diff(&expected, &actual, false),
            "  - expected, + what it did\n    \u{20} \"state\": {\n    \u{20}   \"orders\": {\n  \
             -       \"1\": 1\n  +       \"1\": 2\n    \u{20}   }\n    \u{20} }\n"
        );
        let coloured = diff(&expected, &actual, true);
        assert!(
            coloured.contains("\x1b[31m-       \"1\": 1\x1b[0m\n"),
            "{coloured}"
        );
    }
}
