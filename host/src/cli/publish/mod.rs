//! `waystation publish`: events to a running host.
//!
//! Events are read one after another, checked here, and sent in requests of a
//! bounded size, so a file may be larger than memory. The first mistake ends it;
//! what came before is sent, and the report says how much that was.

mod compose;
mod input;
mod report;
mod send;

use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use waystation_core::Event;

use super::client::{Address, Client};
use super::credentials::Credentials;
use super::exit::{Exit, Failure};
use super::output::Output;
use compose::EventArgs;
use input::{Events, InputError};
use report::Report;

/// Publish events: from a file, from standard input, or one from arguments
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file with one event as JSON, a JSON array of events, or an event on
    /// each line; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "event_type")]
    file: Option<PathBuf>,
    /// Give each event of the file an id that was never there, so that the same file
    /// can be published again: an event with a known source and id is the same event
    #[arg(long, requires = "file")]
    new_id: bool,
    #[command(flatten)]
    event: EventArgs,
    /// Where the host takes events in
    #[arg(
        long,
        value_name = "URL",
        env = "WAYSTATION_LISTEN",
        default_value = "http://127.0.0.1:8080",
        hide_env_values = true
    )]
    to: Address,
    #[command(flatten)]
    credentials: Credentials,
    /// The form of the report
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    output: Output,
}

/// Publishes and prints what became of it.
pub fn run(args: Args) -> Result<(), Failure> {
    let token = args.credentials.token()?;
    let client = Client::new(args.to, "--to").with_token(token);
    let mut report = Report::default();
    let published = match args.file {
        None => {
            let event = compose::event(args.event)?;
            send::all(&client, [Ok(event)].into_iter(), &mut report, || {})
        }
        Some(path) => {
            let new_id = args.new_id.then(compose::random_id).transpose()?;
            publish_file(&client, &path, new_id, &mut report)
        }
    };
    if published.is_ok() || !report.is_empty() {
        args.output.print(&report, Report::text)?;
    }
    if args.output == Output::Text && report.is_all_duplicates() {
        // Whoever closed standard error does not want to know.
        let _ = writeln!(io::stderr(), "hint: {KNOWN}");
    }
    published
}

/// What it means that an event was there before.
const KNOWN: &str = "the same source and id is the same event, which is handled once; \
                     --new-id publishes the file as new events";

/// With a new id, that and its place in the file become the id of each event.
fn publish_file(
    client: &Client,
    path: &Path,
    new_id: Option<String>,
    report: &mut Report,
) -> Result<(), Failure> {
    let input = open(path)?;
    let bar = progress(input.bytes);
    let events = Events::read(&input.name, BufReader::new(bar.wrap_read(input.reader)))
        .map_err(|error| send::ended(error, 0))?;
    let events = events.enumerate().map(|(n, event)| {
        let mut event = event?;
        if let Some(new_id) = &new_id {
            event.id = format!("{new_id}.{n}");
        }
        Ok(event)
    });
    // One request is short; from the second on there is progress to show.
    let sent = || bar.set_draw_target(ProgressDrawTarget::stderr());
    let published = send::all(client, events, report, sent);
    bar.finish_and_clear();
    published
}

/// What events are read from.
struct Input {
    /// Its name for people.
    name: String,
    reader: Box<dyn Read>,
    /// Its size, if that is known.
    bytes: Option<u64>,
}

fn open(path: &Path) -> anyhow::Result<Input> {
    if path == Path::new("-") {
        let name = "standard input".to_owned();
        return Ok(Input {
            name,
            reader: Box::new(io::stdin()),
            bytes: None,
        });
    }
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    let metadata = file
        .metadata()
        .with_context(|| format!("cannot read {name}"))?;
    let bytes = metadata.is_file().then_some(metadata.len());
    Ok(Input {
        name,
        reader: Box::new(file),
        bytes,
    })
}

/// A bar, hidden at first, over the bytes of the input; a spinner if nobody
/// knows how many there are.
fn progress(bytes: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::hidden());
    let template = match bytes {
        Some(_) => "{wide_bar} {bytes}/{total_bytes}, {eta} left",
        None => "{spinner} {bytes} sent, {bytes_per_sec}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        let exit = match error {
            InputError::NotAnEvent { .. } | InputError::TooLong { .. } => Exit::Negative,
            InputError::Read { .. } | InputError::Empty { .. } => Exit::Usage,
        };
        Self::new(exit, error)
    }
}

/// What is published, or the mistake that ends it.
type Next = Result<Event, InputError>;
