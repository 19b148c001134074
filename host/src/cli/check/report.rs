//! What is found out about a file.

use std::path::PathBuf;

use serde::Serialize;
use waystation_core::{
    Ask, Descriptor, Digest, Filter, Instances, Order, Settings, Start, TypePattern,
};
use waystation_folder::FirstSight;

/// What is found out about a file.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The file.
    pub file: PathBuf,
    /// The name of the handler: the stem of the file.
    pub handler: String,
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// The digest of its bytes, by which a host names it.
    pub generation: Digest,
    /// What a host would do with it.
    pub verdict: Verdict,
    /// Why a host would refuse it.
    pub reason: Option<String>,
    /// What it imports, by what that is for.
    pub imports: Vec<Group>,
    /// What it exports.
    pub exports: Vec<String>,
    /// What it says of itself, if it says something.
    pub descriptor: Option<Says>,
    /// The sidecar beside it, if there is one and it fits.
    pub sidecar: Option<Beside>,
    /// What it asks for and must be granted by an operator.
    pub open: Vec<Ask>,
    /// What it asks for and goes without.
    pub withheld: Vec<Ask>,
    /// What looks like a mistake.
    pub hints: Vec<String>,
}

/// What a host would do with a file that it sees for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It would serve.
    Taken,
    /// It would wait until an operator grants what it asks for.
    Quarantined,
    /// It cannot serve.
    Refused,
}

/// Imports that are for one thing.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What they are for.
    pub what: &'static str,
    /// Their names.
    pub names: Vec<String>,
}

/// What a handler says of itself.
#[derive(Debug, Serialize)]
pub struct Says {
    pub description: String,
    pub subscriptions: Vec<Filter>,
    pub publishes: Vec<TypePattern>,
    pub asks: Vec<Ask>,
    pub order: Order,
    pub instances: Instances,
}

/// A sidecar that fits its handler.
#[derive(Debug, Serialize)]
pub struct Beside {
    pub file: PathBuf,
    /// What it changes.
    pub changes: Vec<String>,
}

impl Says {
    /// What a descriptor says, and what of it must be granted.
    pub fn of(descriptor: &Descriptor, asks: Vec<Ask>) -> Self {
        Self {
            description: descriptor.description.clone(),
            subscriptions: descriptor.subscriptions.clone(),
            publishes: descriptor.publishes.clone(),
            asks,
            order: descriptor.order,
            instances: descriptor.instances,
        }
    }
}

/// What a sidecar makes other than the handler says or the host does by default.
pub fn changes(descriptor: &Descriptor, seen: &FirstSight) -> Vec<String> {
    let (before, after) = (Settings::of(descriptor), &seen.settings);
    let mut changes = Vec::new();
    let mut compare = |key: &str, before: String, after: String| {
        if before != after {
            changes.push(format!("{key}: {after} instead of {before}"));
        }
    };
    let types = |filters: &[Filter]| filters.iter().map(filter).collect::<Vec<_>>().join("; ");
    compare(
        "subscriptions",
        types(&before.subscriptions),
        types(&after.subscriptions),
    );
    compare("start", start(before.start), start(after.start));
    compare("order", order(before.order), order(after.order));
    compare(
        "instances",
        instances(before.instances),
        instances(after.instances),
    );
    compare(
        "concurrency",
        before.concurrency.to_string(),
        after.concurrency.to_string(),
    );
    compare(
        "timeout",
        format!("{:?}", before.timeout),
        format!("{:?}", after.timeout),
    );
    let mib = |bytes: usize| format!("{} MiB", bytes as f64 / f64::from(1 << 20));
    compare("memory", mib(before.memory_bytes), mib(after.memory_bytes));
    if before.retry != after.retry {
        let retry = &after.retry;
        changes.push(format!(
            "retry: {} attempts, pauses from {:?} to {:?}, for {:?}",
            retry.attempts, retry.first, retry.max, retry.max_age
        ));
    }
    changes
}

/// A filter in a line.
pub fn filter(filter: &Filter) -> String {
    let types: Vec<String> = filter.types.iter().map(ToString::to_string).collect();
    let mut text = types.join(", ");
    for (name, value) in [("source", &filter.source), ("subject", &filter.subject)] {
        if let Some(value) = value {
            text.push_str(&format!(" with the {name} {value}"));
        }
    }
    text
}

/// Where a new subscription begins, as a sidecar says it.
fn start(start: Start) -> String {
    match start {
        Start::Next => "next".to_owned(),
        Start::Earliest => "earliest".to_owned(),
        Start::At(time) => time.to_string(),
    }
}

/// An order in a word.
pub fn order(order: Order) -> String {
    match order {
        Order::None => "none".to_owned(),
        Order::Key => "key".to_owned(),
    }
}

/// How long instances live, in a word.
pub fn instances(instances: Instances) -> String {
    match instances {
        Instances::Fresh => "fresh".to_owned(),
        Instances::Reused => "reused".to_owned(),
    }
}
