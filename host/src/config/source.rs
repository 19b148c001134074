//! The source connectors: `[[source]]`.

use std::collections::BTreeSet;
use std::path::Path;

use waystation_core::{Event, HandlerName, limits};
use waystation_dispatch::SOURCE_PREFIX;
use waystation_folder::document::Table;

use super::secret;
use crate::serve::webhook::Webhook;

/// All source connectors. Keys in files are relative to the folder.
pub fn webhooks(root: &mut Table<'_>, folder: &Path) -> Vec<Webhook> {
    let webhooks = root.tables("source", 0..=limits::SOURCES_MAX, |table| {
        webhook(table, folder)
    });
    let webhooks: Vec<Webhook> = webhooks.into_iter().flatten().flatten().collect();
    let mut seen = BTreeSet::new();
    for webhook in &webhooks {
        for (key, value) in [("name", &webhook.name), ("source", &webhook.source)] {
            if !seen.insert((key, value)) {
                let problem = format!("two of them have the {key} `{}`", value.escape_debug());
                root.mistake("source", problem);
            }
        }
    }
    webhooks
}

fn webhook(table: &mut Table<'_>, folder: &Path) -> Option<Webhook> {
    for key in ["kind", "name", "type", "secrets"] {
        table.require(key);
    }
    table.key("kind", |value| value.choice(&[("webhook", ())]));
    let name = table.key("name", |value| {
        let name = value.string()?;
        // Both are one segment of a path.
        HandlerName::new(&name)
            .map(|_| name)
            .map_err(|_| "must be up to 64 ASCII letters, digits, `-` and `_`".to_owned())
    });
    let event_type = table.key("type", |value| value.string());
    let source = table.key("source", |value| value.string());
    let keys = table.tables("secrets", 1..=limits::WEBHOOK_KEYS_MAX, |table| {
        secret::key(table, folder)
    });
    let name = name?;
    let webhook = Webhook {
        event_type: event_type?,
        source: source.unwrap_or_else(|| format!("/webhooks/{name}")),
        keys: keys?.into_iter().flatten().collect(),
        name,
    };
    check(table, &webhook);
    Some(webhook)
}

/// Whether its events will be events, and no handler's.
fn check(table: &mut Table<'_>, webhook: &Webhook) {
    let event = Event {
        id: "1".to_owned(),
        source: webhook.source.clone(),
        event_type: webhook.event_type.clone(),
        ..Event::default()
    };
    if let Err(error) = event.check() {
        let key = error.attribute().unwrap_or("type").to_owned();
        table.mistake(&key, error.to_string());
    }
    if webhook.source.starts_with(SOURCE_PREFIX) {
        let problem = format!("must not begin with `{SOURCE_PREFIX}`: handlers publish there");
        table.mistake("source", problem);
    }
}
