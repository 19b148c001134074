//! A report for people.

use waystation_core::Ask;

use super::grants;
use super::report::{Report, Says, Verdict, filter, instances, order};
use crate::cli::clean;

/// The report as lines.
pub fn of(report: &Report) -> String {
    let mut text = String::new();
    let file = clean::line(&report.file.display().to_string());
    let kb = report.bytes.div_ceil(1_000);
    let generation = report.generation.short();
    text.push_str(&format!("{file}  {kb} KB  {generation}\n"));
    if let Some(says) = &report.descriptor {
        text.push_str(&descriptor(says));
    }
    if !report.imports.is_empty() {
        text.push_str("  imports\n");
    }
    for group in &report.imports {
        text.push_str(&row(group.what, &group.names.join(", ")));
    }
    if !report.exports.is_empty() {
        text.push_str("  exports\n");
    }
    for name in &report.exports {
        text.push_str(&row(what_is_exported(name), name));
    }
    if let Some(sidecar) = &report.sidecar {
        let file = clean::line(&sidecar.file.display().to_string());
        let changes = if sidecar.changes.is_empty() {
            "it changes nothing but grants".to_owned()
        } else {
            sidecar.changes.join("; ")
        };
        text.push_str(&line("beside it", &format!("{file}: {changes}")));
    }
    if !report.withheld.is_empty() {
        text.push_str(&line("goes without", &listed(&report.withheld)));
    }
    for hint in &report.hints {
        text.push_str(&line("mistake?", hint));
    }
    text.push_str(&verdict(report));
    text
}

fn descriptor(says: &Says) -> String {
    let mut text = String::new();
    if !says.description.is_empty() {
        text.push_str(&format!("  {}\n", clean::line(&says.description)));
    }
    for subscription in &says.subscriptions {
        text.push_str(&line("subscribes to", &filter(subscription)));
    }
    for published in &says.publishes {
        text.push_str(&line("publishes", &published.to_string()));
    }
    let asks: Vec<Ask> = says
        .asks
        .iter()
        .filter(|ask| !matches!(ask, Ask::Publish(_)))
        .cloned()
        .collect();
    if !asks.is_empty() {
        text.push_str(&line("asks for", &listed(&asks)));
    }
    text.push_str(&line("order", &order(says.order)));
    text.push_str(&line("instances", &instances(says.instances)));
    text
}

fn what_is_exported(name: &str) -> &'static str {
    if name.starts_with("waystation:events/handler@") {
        "the handler"
    } else {
        "nothing that a host uses"
    }
}

fn verdict(report: &Report) -> String {
    let handler = clean::line(&report.handler);
    match report.verdict {
        Verdict::Taken => "a host takes it as it is\n".to_owned(),
        Verdict::Refused => {
            let reason = report.reason.as_deref().unwrap_or_default();
            let mut text = "a host refuses it:\n".to_owned();
            for line in clean::lines(reason) {
                text.push_str(&format!("  {line}\n"));
            }
            text
        }
        Verdict::Quarantined => {
            let what = match report.sidecar {
                Some(_) => "what is missing in",
                None => "for instance by these lines in",
            };
            let mut text = format!(
                "a host takes it once an operator grants what it asks for, {what} {handler}.toml:\n"
            );
            for line in grants::lines(&handler, &report.open).lines() {
                text.push_str(&format!("  {}\n", clean::line(line)));
            }
            text.push_str("or, in a running host, by\n");
            text.push_str(&format!("  waystation handlers approve {handler}\n"));
            text
        }
    }
}

/// A line below `imports` or `exports`.
fn row(what: &str, names: &str) -> String {
    format!("    {what:<26} {}\n", clean::line(names))
}

fn line(what: &str, value: &str) -> String {
    format!("  {what:<14} {}\n", clean::line(value))
}

fn listed(asks: &[Ask]) -> String {
    let asks: Vec<String> = asks.iter().map(Ask::to_string).collect();
    asks.join(", ")
}
