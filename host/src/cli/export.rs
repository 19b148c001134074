//! `waystation export`: events of a running host as cases for tests.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;
use waystation_core::{Capsule, HandlerName, Sequence, Surroundings, did_you_mean, limits};

use super::client::{Asking, Client, Error};
use super::events::attribute;
use super::exit::{Exit, Failure};
use super::{clean, output, private};
use crate::api::{Event, Tree};

/// Take events out of a running host, each as a case to test a handler with
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The id or the sequence of an event
    #[arg(value_name = "EVENT_ID", required = true)]
    events: Vec<String>,
    /// The folder of the cases, such as my-handler/cases
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Take along what this handler saw in its last failed attempt: state, HTTP answers
    /// and configuration [default: the only handler that failed]
    #[arg(long, value_name = "NAME", value_parser = HandlerName::new)]
    handler: Option<HandlerName>,
    #[command(flatten)]
    asking: Asking,
}

/// The file of a case that holds its event.
const EVENT_FILE: &str = "event.json";

/// The files of a case that hold what the handler sees.
const STATE_FILE: &str = "state.json";
const HTTP_FILE: &str = "http.json";
const CONFIG_FILE: &str = "config.json";

/// An event that lies in a folder now.
#[derive(Serialize)]
struct Case {
    sequence: Sequence,
    folder: PathBuf,
}

/// Writes a folder for each event. Asks for all of them first, so that a mistake in
/// one leaves nothing behind.
pub fn run(args: &Args) -> Result<(), Failure> {
    let client = args.asking.client()?;
    let trees = find(&client, &args.events)?;
    if let Some(handler) = &args.handler {
        require(handler, &trees)?;
    }
    let mut found = Vec::new();
    for tree in trees {
        let seen = seen(&client, &tree, args.handler.as_ref())?;
        found.push((tree.event, seen));
    }
    let mut cases = Vec::new();
    for (event, seen) in found {
        let (folder, is_new) = write(&args.to, &event)?;
        if let Some(capsule) = seen.filter(|_| is_new) {
            if capsule.surroundings.truncated {
                tell_truncated(&folder);
            }
            surround(&folder, &capsule)?;
        }
        let sequence = event.sequence;
        cases.push(Case { sequence, folder });
    }
    args.asking.output.print(&cases, |cases| {
        let line = |case: &Case| format!("{}\n", clean::line(&case.folder.display().to_string()));
        cases.iter().map(line).collect()
    })
}

/// Fails unless one of the events went to the handler.
fn require(handler: &HandlerName, trees: &[Tree]) -> Result<(), Failure> {
    let deliveries = trees.iter().flat_map(|tree| &tree.deliveries);
    let handlers: BTreeSet<&str> = deliveries.map(|it| it.delivery.handler.as_str()).collect();
    if handlers.contains(handler.as_str()) {
        return Ok(());
    }
    let error = anyhow!("none of these events went to a handler `{handler}`");
    let hint = match did_you_mean(handler.as_str(), handlers.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if handlers.is_empty() => "they went to no handler".to_owned(),
        None => {
            let names: Vec<_> = handlers.iter().map(|name| format!("`{name}`")).collect();
            format!("they went to {}", names.join(", "))
        }
    };
    Err(Failure::new(Exit::Negative, error).with_hint(hint))
}

/// What a handler saw in its last failed attempt on an event, if one is kept.
fn seen(
    client: &Client,
    tree: &Tree,
    handler: Option<&HandlerName>,
) -> Result<Option<Capsule>, Failure> {
    let mut kept = Vec::new();
    for branch in &tree.deliveries {
        let delivery = &branch.delivery;
        if handler.is_some_and(|name| *name != delivery.handler) {
            continue;
        }
        let query = [("id", Some(delivery.id.clone()))];
        match client.get::<Capsule>("/api/deliveries/capsule", &query) {
            Ok(capsule) => kept.push((&delivery.handler, capsule)),
            Err(Error::Problem(problem)) if problem.status == 404 => {}
            Err(error) => return Err(error.into()),
        }
    }
    if kept.len() > 1 {
        let names: Vec<_> = kept.iter().map(|(name, _)| format!("`{name}`")).collect();
        let sequence = tree.event.sequence;
        let names = names.join(", ");
        output::note(&format!(
            "{names} failed on event {sequence}; take along what one of them saw with --handler"
        ));
        return Ok(None);
    }
    Ok(kept.pop().map(|(_, capsule)| capsule))
}

/// The rest is known to be there, and looking at it fails.
fn tell_truncated(folder: &Path) {
    output::note(&format!(
        "note: the handler saw more than a host keeps, so `{}` holds a part of it",
        folder.display()
    ));
}

/// Writes what a handler saw beside the event.
fn surround(folder: &Path, capsule: &Capsule) -> anyhow::Result<()> {
    let Surroundings { state, http, .. } = &capsule.surroundings;
    if !state.0.is_empty() {
        put(&folder.join(STATE_FILE), state)?;
    }
    if !http.is_empty() {
        put(&folder.join(HTTP_FILE), http)?;
    }
    if !capsule.config.is_empty() {
        put(&folder.join(CONFIG_FILE), &capsule.config)?;
    }
    Ok(())
}

fn put(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    private::write(path, text.as_bytes())
        .with_context(|| format!("cannot write `{}`", path.display()))
}

/// The events, each once.
fn find(client: &Client, ids: &[String]) -> Result<Vec<Tree>, Failure> {
    let mut events = Vec::new();
    let mut seen = BTreeSet::new();
    for id in ids {
        let query = [("id", Some(id.clone()))];
        let trees: Vec<Tree> = client.get("/api/events/tree", &query)?;
        let trees = trees.into_iter();
        events.extend(trees.filter(|tree| seen.insert(tree.event.sequence)));
    }
    Ok(events)
}

/// Writes the event into a new folder, unless it lies in one of its name already.
/// Tells whether the folder is new: a case that is there is its author's.
fn write(to: &Path, event: &Event) -> anyhow::Result<(PathBuf, bool)> {
    let mut text = serde_json::to_string_pretty(&Ordered(&event.event))?;
    text.push('\n');
    fs::create_dir_all(to).with_context(|| format!("cannot make `{}`", to.display()))?;
    let name = name(event);
    for number in 1.. {
        let folder = match number {
            1 => to.join(&name),
            _ => to.join(format!("{name}-{number}")),
        };
        let file = folder.join(EVENT_FILE);
        let cannot = || format!("cannot write `{}`", file.display());
        match fs::create_dir(&folder) {
            Ok(()) => {
                private::write(&file, text.as_bytes()).with_context(cannot)?;
                return Ok((folder, true));
            }
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(cannot);
            }
            Err(_) if holds(&file, event) => {
                let text = format!("`{}` is there already and stays as it is", folder.display());
                output::note(&text);
                return Ok((folder, false));
            }
            Err(_) => {}
        }
    }
    bail!(
        "there is no room for one more `{name}` in `{}`",
        to.display()
    )
}

/// Whether a file holds an event with the same source and id.
fn holds(file: &Path, event: &Event) -> bool {
    let text = fs::read(file).ok();
    let there = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    there.is_some_and(|there| {
        let same = |name| there.get(name) == event.event.get(name);
        same("source") && same("id")
    })
}

/// What happened and the id, fit for the name of a folder.
fn name(event: &Event) -> String {
    let event_type = attribute(event, "type");
    let is_version = |word: &&str| {
        let number = word.strip_prefix('v').unwrap_or_default();
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    };
    let mut words = event_type.rsplit('.').filter(|word| !is_version(word));
    let what = words.next().unwrap_or(&event_type);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fit = |c: char| if allowed(c) { c } else { '-' };
    let name = format!("{what}-{}", attribute(event, "id"));
    let name = name.chars().map(fit).take(limits::CASE_NAME_BYTES_MAX);
    let name: String = name.collect();
    name.trim_start_matches(['.', '-']).to_owned()
}

/// An event in the order in which people write it: what it is, then its data.
struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const FIRST: [&str; 8] = [
            "specversion",
            "id",
            "source",
            "type",
            "subject",
            "time",
            "datacontenttype",
            "dataschema",
        ];
        let Value::Object(members) = self.0 else {
            return self.0.serialize(serializer);
        };
        let is_data = |name: &str| name == "data" || name == "data_base64";
        let mut map = serializer.serialize_map(Some(members.len()))?;
        for name in FIRST {
            if let Some(value) = members.get(name) {
                map.serialize_entry(name, value)?;
            }
        }
        let others = members
            .iter()
            .filter(|(name, _)| !FIRST.contains(&name.as_str()));
        let (data, extensions): (Vec<_>, Vec<_>) = others.partition(|(name, _)| is_data(name));
        for (name, value) in extensions.into_iter().chain(data) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    fn event(source: &str, event_type: &str, id: &str) -> Event {
        serde_json::from_value(json!({
            "sequence": 7, "accepted": "2026-01-31T12:00:00.000Z", "depth": 0,
            "event": {
                "specversion": "1.0", "id": id, "source": source, "type": event_type,
                "correlationid": "c", "data": {"n": 1}, "datacontenttype": "application/json",
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_folder_is_named_after_what_happened() {
        let check = |event_type: &str, id: &str, expected: &str| {
            assert_eq!(name(&event("/s", event_type, id)), expected);
        };
        check("com.example.orders.paid.v1", "order-1", "paid-order-1");
        check("com.example.orders.paid", "shop.1.ab", "paid-shop.1.ab");
        check("v1", "1", "v1-1");
        check("a./../v2", "../../etc/passwd", "v2-..-..-etc-passwd");
        check("a.b", "ä b\n", "b---b-");
        let long = name(&event("/s", "a.b", &"x".repeat(1_000)));
        assert_eq!(long.len(), limits::CASE_NAME_BYTES_MAX);
    }

    #[test]
    fn no_case_is_overwritten_and_none_is_there_twice() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("cases");
        let read = |case: &Path| fs::read_to_string(case.join(EVENT_FILE)).unwrap();
        let (first, is_new) = write(&to, &event("/a", "x.paid.v1", "1")).unwrap();
        assert!(is_new);
        assert_eq!(first, to.join("paid-1"));
        assert_eq!(
            read(&first),
            "{\n  \"specversion\": \"1.0\",\n  \"id\": \"1\",\n  \"source\": \"/a\",\n  \
             \"type\": \"x.paid.v1\",\n  \"datacontenttype\": \"application/json\",\n  \
             \"correlationid\": \"c\",\n  \"data\": {\n    \"n\": 1\n  }\n}\n"
        );
        let (other, _) = write(&to, &event("/b", "x.paid.v1", "1")).unwrap();
        assert_eq!(other, to.join("paid-1-2"));
        fs::write(first.join("expected.json"), "{}").unwrap();
        for (source, folder) in [("/a", &first), ("/b", &other)] {
            let again = write(&to, &event(source, "x.paid.v1", "1")).unwrap();
            assert_eq!(again, (folder.clone(), false));
        }
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
        let event = fs::metadata(first.join(EVENT_FILE)).unwrap();
        assert_eq!(event.permissions().mode() & 0o777, 0o600);
        assert!(first.join("expected.json").exists());
    }
}
