//! From JSON to events.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::depth::{brackets, depth};
use crate::attribute::{self, Rule};
use crate::formats::{self, Attributes, ParseError, Problem};
use crate::{Event, EventError, MediaType, limits};

const DATA: &str = "data";
const DATA_BASE64: &str = "data_base64";

/// Reads one event in structured mode (JSON format, section 3).
///
/// JSON data is kept byte for byte. Data without `datacontenttype` is
/// `application/json`, and the event says so (section 3.1.2).
pub fn parse(body: &[u8]) -> Result<Event, ParseError> {
    let text = json_text(body, limits::JSON_DEPTH_MAX)?;
    event_of(text)
}

/// Reads a batch (JSON format, section 4). It may be empty. One item that is no
/// event refuses the batch.
pub fn parse_batch(body: &[u8]) -> Result<Vec<Event>, ParseError> {
    let text = json_text(body, limits::JSON_DEPTH_MAX + 1)?;
    if !text.starts_with('[') {
        return Err(Problem::NotAnArray.into());
    }
    let Items { items, count } = from_str(text)?;
    if count > limits::BATCH_EVENTS_MAX {
        return Err(Problem::BatchTooLong { count }.into());
    }
    let event_at = |(index, item): (usize, &RawValue)| {
        event_of(item.get()).map_err(|error| ParseError {
            index: Some(index),
            ..error
        })
    };
    items.into_iter().enumerate().map(event_at).collect()
}

/// The body as text without the white space around it, if it is small, flat and
/// well encoded enough to be parsed.
fn json_text(body: &[u8], depth_max: usize) -> Result<&str, Problem> {
    if body.len() > limits::BODY_BYTES_MAX {
        return Err(Problem::BodyTooLarge {
            size_bytes: body.len(),
        });
    }
    let text = str::from_utf8(body).map_err(|error| Problem::NotUtf8 {
        valid_up_to: error.valid_up_to(),
    })?;
    if text.starts_with('\u{FEFF}') {
        return Err(Problem::ByteOrderMark);
    }
    if brackets(text) > depth_max && depth(text) > depth_max {
        return Err(Problem::Depth);
    }
    Ok(text.trim_matches([' ', '\t', '\n', '\r']))
}

fn from_str<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| Problem::Syntax(error.to_string()))
}

fn event_of(text: &str) -> Result<Event, ParseError> {
    if !text.starts_with('{') {
        return Err(Problem::NotAnObject.into());
    }
    let mut members = from_str::<Members>(text)?.0?;
    let data = members.remove(DATA);
    let base64 = members.remove(DATA_BASE64);
    let mut attributes = Attributes::new();
    for (name, value) in members {
        if let Some(value) = attribute_value(&name, value)? {
            attributes.insert(name, value);
        }
    }
    let data = payload(&mut attributes, data, base64)?;
    Ok(formats::build(attributes, data)?)
}

/// The canonical string form of the value of an attribute (section 2.2). `null`
/// is an attribute that is not set.
fn attribute_value(name: &str, value: &RawValue) -> Result<Option<String>, EventError> {
    let broken = |rule| EventError::attribute_breaks(name, rule);
    attribute::check_name(name)?;
    // The attributes that the specification defines are all strings.
    let is_core = attribute::CORE.contains(&name);
    match value.get() {
        "null" => Ok(None),
        text if text.starts_with('"') => string(text).map(Some).map_err(broken),
        "true" | "false" if !is_core => Ok(Some(value.get().to_owned())),
        text if !is_core && is_whole_number(text) => {
            let number = text.parse::<i32>().map_err(|_| broken(Rule::Integer))?;
            Ok(Some(number.to_string()))
        }
        _ => Err(broken(Rule::Type)),
    }
}

/// The text of a JSON string. Its syntax was checked when its member was taken,
/// so that all that can still be wrong is half of a surrogate pair.
fn string(text: &str) -> Result<String, Rule> {
    serde_json::from_str(text).map_err(|_| Rule::Surrogate)
}

/// Whether a JSON value is a number without fraction and exponent.
fn is_whole_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The data of the event, and its content type where the format implies one
/// (section 3.1.2).
fn payload(
    attributes: &mut Attributes<'_>,
    data: Option<&RawValue>,
    base64: Option<&RawValue>,
) -> Result<Option<Bytes>, EventError> {
    let base64 = base64.filter(|value| value.get() != "null");
    match (data, base64) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(EventError::attribute_breaks(DATA_BASE64, Rule::DataTwice)),
        (None, Some(value)) => decoded(value)
            .map(Some)
            .map_err(|rule| EventError::attribute_breaks(DATA_BASE64, rule)),
        (Some(value), None) => {
            let content_type = attributes
                .entry(Cow::Borrowed("datacontenttype"))
                .or_insert_with(|| "application/json".to_owned());
            let media_type = MediaType::parse(content_type)
                .ok_or_else(|| EventError::attribute_breaks("datacontenttype", Rule::MediaType))?;
            plain(&media_type, value)
                .map(Some)
                .map_err(|rule| EventError::attribute_breaks(DATA, rule))
        }
    }
}

/// The bytes of `data_base64`.
fn decoded(value: &RawValue) -> Result<Bytes, Rule> {
    if !value.get().starts_with('"') {
        return Err(Rule::Base64);
    }
    let text = string(value.get())?;
    let bytes = STANDARD.decode(text).map_err(|_| Rule::Base64)?;
    Ok(bytes.into())
}

/// The bytes of `data`: the JSON text itself, or what the string says if the
/// media type declares no JSON.
fn plain(media_type: &MediaType<'_>, value: &RawValue) -> Result<Bytes, Rule> {
    if media_type.is_json() {
        // A copy, so that one event does not hold the body of a whole batch.
        return Ok(Bytes::copy_from_slice(value.get().as_bytes()));
    }
    if !value.get().starts_with('"') {
        return Err(Rule::DataText);
    }
    if !media_type.allows_utf8() {
        return Err(Rule::DataCharset);
    }
    string(value.get()).map(Bytes::from)
}

/// The most members of an object, so that a body of nothing but tiny members
/// takes little memory: what an event may have, set or `null`, and both kinds of
/// data.
const MEMBERS_MAX: usize = limits::EXTENSIONS_MAX + attribute::CORE.len() + 2;

/// The members of an object as raw text, or the first name that came twice.
struct Members<'a>(Result<BTreeMap<Cow<'a, str>, &'a RawValue>, EventError>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Result<BTreeMap<Cow<'de, str>, &'de RawValue>, EventError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            let is_full = members.len() >= MEMBERS_MAX;
            let refused = match members.entry(name) {
                Entry::Occupied(entry) => {
                    EventError::attribute_breaks(entry.key(), Rule::Duplicate)
                }
                Entry::Vacant(_) if is_full => EventError::Extensions,
                Entry::Vacant(entry) => {
                    entry.insert(value);
                    continue;
                }
            };
            // The rest is read for its syntax alone.
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Err(refused));
        }
        Ok(Ok(members))
    }
}

/// The first items of an array as raw text, as many as a batch may hold, and the
/// number of all.
struct Items<'a> {
    items: Vec<&'a RawValue>,
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Items<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch as a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < limits::BATCH_EVENTS_MAX
            && let Some(item) = seq.next_element()?
        {
            items.push(item);
        }
        let mut count = items.len();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Items { items, count })
    }
}

#[cfg(test)]
mod tests;
