//! `waystation test`: the cases of a handler, each a folder of files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use serde_json::Value;

use super::exit::{Exit, Failure};
use super::invoke::{STATE_SHAPE, exchanges};
use super::offline::cache_folder;
use super::output::Output;
use super::rehearse::deed::{Deed, diff, pretty};
use super::rehearse::files;
use super::rehearse::stage::{Loaded, Stage, Values, named};
use super::{build, clean, offline, output, shell, table};

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
    /// The form of the answer
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    output: Output,
}

/// The files of a case.
const EVENT: &str = "event.json";
const STATE: &str = "state.json";
const CONFIG: &str = "config.json";
const HTTP: &str = "http.json";
const EXPECTED: &str = "expected.json";

/// Runs the cases and tells which of them differ.
pub fn run(args: &Args) -> Result<(), Failure> {
    expect_package(args)?;
    let cases = cases(&args.dir)?;
    let file = match &args.component {
        Some(file) => file.clone(),
        None => built(&args.dir)?,
    };
    let stage = Stage::new()?;
    let (handler, _) = named(&file)?;
    let bytes = offline::component(&file)?;
    let loaded = stage.load(handler, &file.display().to_string(), bytes)?;
    let mut ran = Vec::new();
    for case in &cases {
        let done = Case::run(case, &stage, &loaded, args.bless);
        let done = done.unwrap_or_else(|failure| Case::broken(case, &failure));
        if args.output == Output::Text {
            output::print(&done.text())?;
        }
        ran.push(done);
    }
    let failed = ran.iter().filter(|it| it.verdict == Verdict::Failed);
    let failed = failed.count();
    args.output.print(&ran, |ran| {
        let passed = ran.len() - failed;
        let cases = table::count(ran.len() as u64, "case");
        format!("\n{cases}: {passed} passed, {failed} failed\n")
    })?;
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::said(Exit::Negative))
}

/// Fails unless there is a folder, which is a handler package if one is to be built.
fn expect_package(args: &Args) -> Result<(), Failure> {
    let dir = &args.dir;
    let shown = dir.display();
    let wrong = |text: String| Failure::new(Exit::Usage, anyhow!(text));
    let metadata = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(wrong(format!("there is no folder `{shown}`")));
        }
        metadata => metadata.with_context(|| format!("cannot read `{shown}`"))?,
    };
    if !metadata.is_dir() {
        let hint = format!(
            "for a component\nwaystation test --component {}",
            shell::word(dir)
        );
        let text = format!("`{shown}` is a file, expected the folder of a handler package");
        return Err(wrong(text).with_hint(hint));
    }
    if args.component.is_some() {
        return Ok(());
    }
    match build::find_packages(dir)?.as_slice() {
        [_] => Ok(()),
        several => {
            let text = format!("`{shown}` holds {} handlers", several.len());
            Err(wrong(text).with_hint("name the folder of one of them"))
        }
    }
}

/// The folders below `cases`, but for those that tools and editors hide.
fn cases(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = dir.join("cases");
    let mut found = Vec::new();
    if folder.is_dir() {
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot read `{}`", folder.display()))? {
            let path = entry.map_err(anyhow::Error::from)?.path();
            if path.is_dir() && !name(&path).starts_with('.') {
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

/// The name of a case.
fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Builds the package, out of the way of everything else.
fn built(dir: &Path) -> Result<PathBuf, Failure> {
    let own = fs::canonicalize(dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
    let digest = waystation_core::Digest::of(own.as_os_str().as_encoded_bytes());
    let folder = cache_folder().unwrap_or_else(|| own.join("target"));
    let out = folder.join("cases").join(digest.short());
    let built = build::build(&[dir.to_owned()], &out, &mut io::stderr())?;
    match built.as_slice() {
        [one] => Ok(one.path.clone()),
        _ => Err(anyhow!("`{}` is not the folder of one handler", dir.display()).into()),
    }
}

/// A case that was run.
#[derive(Serialize)]
struct Case {
    /// The name of its folder.
    case: String,
    verdict: Verdict,
    /// What stands in `expected.json`, if it is there.
    expected: Option<Value>,
    /// What it did, if it could be run.
    actual: Option<Value>,
    /// Why it could not be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What the handler looked at that the case does not give.
    remarks: Vec<String>,
}

/// What came of a case.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// It did what is expected.
    Ok,
    /// What it did is expected from now on.
    Blessed,
    /// It did something else.
    Failed,
}

impl Case {
    fn run(folder: &Path, stage: &Stage, loaded: &Loaded, bless: bool) -> Result<Self, Failure> {
        let there = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        let event = files::event(&folder.join(EVENT))?;
        let mut values = Values::default();
        if let Some(path) = there(CONFIG) {
            values.config = files::json(&path, "{\"KEY\": \"VALUE\"}")?;
        }
        loaded.part(&mut values);
        let settings = loaded.settings(None, &values)?;
        loaded.require_subscription(&settings, &event)?;
        let state = there(STATE).map(|path| files::json(&path, STATE_SHAPE));
        let http = there(HTTP).map(|path| exchanges(&path)).transpose()?;
        let (state, http) = (
            state.transpose()?.unwrap_or_default(),
            http.unwrap_or_default(),
        );
        let deed = Deed::of(stage, loaded, &settings, &event, state, http);
        let expected = there(EXPECTED).map(|path| files::json(&path, "JSON"));
        let expected = expected.transpose()?;
        let verdict = if expected.as_ref() == Some(&deed.value) {
            Verdict::Ok
        } else if bless {
            let path = folder.join(EXPECTED);
            fs::write(&path, pretty(&deed.value))
                .with_context(|| format!("cannot write `{}`", path.display()))?;
            Verdict::Blessed
        } else {
            Verdict::Failed
        };
        Ok(Self {
            case: name(folder),
            verdict,
            expected,
            actual: Some(deed.value),
            error: None,
            remarks: deed.rehearsal.remarks,
        })
    }

    /// A case that cannot be run, which stops no other.
    fn broken(folder: &Path, failure: &Failure) -> Self {
        Self {
            case: name(folder),
            verdict: Verdict::Failed,
            expected: None,
            actual: None,
            error: Some(failure.reason()),
            remarks: Vec::new(),
        }
    }

    /// The case for people: a line, and below it what differs.
    fn text(&self) -> String {
        let word = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Blessed => "blessed",
            Verdict::Failed => "FAILED",
        };
        let mut text = format!("{word:<7} {}\n", clean::line(&self.case));
        if self.verdict != Verdict::Failed {
            return text;
        }
        for line in clean::lines(self.error.as_deref().unwrap_or_default()) {
            text.push_str(&format!("  {line}\n"));
        }
        match (&self.expected, &self.actual) {
            (_, None) => {}
            (Some(expected), Some(actual)) => {
                text.push_str("  - expected, + what it did\n");
                text.push_str(&diff(expected, actual));
            }
            (None, Some(_)) => text.push_str(&format!(
                "  there is no {EXPECTED}; --bless writes what it does now\n"
            )),
        }
        for remark in &self.remarks {
            text.push_str(&format!("  note: {}\n", clean::line(remark)));
        }
        text
    }
}
