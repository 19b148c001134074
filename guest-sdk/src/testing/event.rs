//! Events to deliver.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::fail;
use crate::{Event, RawData};

/// An event of a type, with JSON data and the attributes that must be there.
/// Its fields can be set to more.
///
/// # Panics
/// When the data cannot be written as JSON.
#[track_caller]
pub fn event(event_type: &str, data: &impl Serialize) -> Event<RawData> {
    let data = match serde_json::to_vec(data) {
        Ok(data) => data,
        Err(error) => fail(&format!("the data cannot be written as JSON: {error}")),
    };
    Event {
        id: "1".to_owned(),
        source: "/test".to_owned(),
        event_type: event_type.to_owned(),
        subject: None,
        time: None,
        data_content_type: Some("application/json".to_owned()),
        data_schema: None,
        extensions: BTreeMap::new(),
        data: RawData(Some(data)),
    }
}

/// Reads an event in CloudEvents' JSON format (structured mode) with JSON data,
/// such as a file beside the handler: `testing::parse(include_str!("../event.json"))`.
///
/// # Panics
/// When the text is not such an event.
#[track_caller]
pub fn parse(text: &str) -> Event<RawData> {
    let event: Structured = match serde_json::from_str(text) {
        Ok(event) => event,
        Err(error) => fail(&format!("not a CloudEvent in JSON: {error}")),
    };
    if event.specversion != "1.0" {
        fail(&format!("specversion is {}, not 1.0", event.specversion));
    }
    Event {
        id: event.id,
        source: event.source,
        event_type: event.event_type,
        subject: event.subject,
        time: event.time,
        data_content_type: event.datacontenttype,
        data_schema: event.dataschema,
        extensions: event.extensions.into_iter().map(canonical).collect(),
        data: RawData(event.data.map(|data| data.get().into())),
    }
}

#[derive(Deserialize)]
struct Structured<'a> {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: Option<String>,
    time: Option<String>,
    datacontenttype: Option<String>,
    dataschema: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(flatten)]
    extensions: BTreeMap<String, serde_json::Value>,
}

/// CloudEvents 1.0, type system: an extension is a text, a number or a boolean,
/// and each has a canonical string form.
#[track_caller]
fn canonical((name, value): (String, serde_json::Value)) -> (String, String) {
    let text = match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Bool(value) => value.to_string(),
        serde_json::Value::Number(value) => value.to_string(),
        other => fail(&format!("the extension {name} cannot be {other}")),
    };
    (name, text)
}
