//! The events, newest first, and how one is shown.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use waystation_core::formats::json::Structured;
use waystation_core::{Sequence, limits};
use waystation_journal::Entry;

use super::Shared;
use super::query::{Limit, Query};
use crate::api::Event;
use crate::serve::problem::{Kind, Rejection};

/// The keys of a query for events.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    before: Option<Sequence>,
    #[serde(default)]
    limit: Limit,
}

/// The newest events before a sequence.
pub async fn list(
    State(Shared { admin, .. }): State<Shared>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Event>>, Rejection> {
    let mut rows = Vec::new();
    let mut before = page.before;
    let mut bytes = 0;
    // In small steps: an event may be large, and only some of them fit.
    while rows.len() < page.limit.0 && bytes < limits::ANSWER_BYTES_MAX {
        let step = (page.limit.0 - rows.len()).min(limits::PAGE_ROWS);
        let entries = admin.journal.recent(before, step).await?;
        let Some(last) = entries.last() else { break };
        before = Some(last.sequence);
        for entry in entries {
            if bytes < limits::ANSWER_BYTES_MAX {
                bytes += entry.event.size_bytes();
                rows.push(shown(&entry)?);
            }
        }
    }
    Ok(Json(rows))
}

/// An entry of the journal as the API shows it.
pub fn shown(entry: &Entry) -> Result<Event, Rejection> {
    let failed = |error: serde_json::Error| {
        let detail = format!("event {} cannot be shown: {error}", entry.sequence);
        Rejection::new(Kind::Internal, detail)
    };
    Ok(Event {
        sequence: entry.sequence,
        accepted: entry.accepted.to_string(),
        depth: entry.depth,
        event: value(&entry.event).map_err(failed)?,
    })
}

/// The event in the JSON format of CloudEvents. Data with a number that a
/// [`Value`] cannot hold, such as `1e999`, is shown as bytes.
fn value(event: &waystation_core::Event) -> serde_json::Result<Value> {
    serde_json::to_value(Structured(event)).or_else(|_| {
        // Data without a content type stands there in Base64.
        let untyped = waystation_core::Event {
            data_content_type: None,
            ..event.clone()
        };
        let mut value = serde_json::to_value(Structured(&untyped))?;
        if let (Value::Object(members), Some(text)) = (&mut value, &event.data_content_type) {
            members.insert("datacontenttype".to_owned(), Value::from(text.as_str()));
        }
        Ok(value)
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn check(data: &'static str, expected: (&str, Value)) {
        let event = waystation_core::Event {
            id: "1".into(),
            source: "/a".into(),
            event_type: "t".into(),
            data_content_type: Some("application/json".into()),
            data: Some(Bytes::from_static(data.as_bytes())),
            ..Default::default()
        };
        let mut expected_event = json!({
            "specversion": "1.0", "id": "1", "source": "/a", "type": "t",
            "datacontenttype": "application/json",
        });
        expected_event[expected.0] = expected.1;
        assert_eq!(value(&event).unwrap(), expected_event);
    }

    #[test]
    fn any_json_is_shown() {
        check(r#"{"n":1}"#, ("data", json!({ "n": 1 })));
        check("1e999", ("data_base64", json!("MWU5OTk=")));
    }
}
