//! From events to JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::depth::depth;
use crate::{Event, MediaType, limits};

/// The event as one JSON object (JSON format, section 3), which reads back as an
/// equal event.
///
/// # Errors
/// None for any event: the error is that of the JSON writer.
pub fn to_json(event: &Event) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Structured(event))
}

/// An event that serialises in the JSON format, for use inside other JSON.
#[derive(Clone, Copy, Debug)]
pub struct Structured<'a>(pub &'a Event);

impl Serialize for Structured<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &event.id)?;
        map.serialize_entry("source", &event.source)?;
        map.serialize_entry("type", &event.event_type)?;
        for (name, value) in [
            ("subject", &event.subject),
            ("time", &event.time),
            ("datacontenttype", &event.data_content_type),
            ("dataschema", &event.data_schema),
        ] {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &event.extensions {
            map.serialize_entry(name, value)?;
        }
        match Data::of(event) {
            None => {}
            Some(Data::Json(value)) => map.serialize_entry("data", value)?,
            Some(Data::Text(text)) => map.serialize_entry("data", text)?,
            Some(Data::Binary(bytes)) => {
                map.serialize_entry("data_base64", &STANDARD.encode(bytes))?;
            }
        }
        map.end()
    }
}

/// The form of the data that reads back to the same bytes.
enum Data<'a> {
    Json(&'a RawValue),
    Text(&'a str),
    Binary(&'a [u8]),
}

impl<'a> Data<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        let bytes = event.data.as_deref()?;
        let media_type = event
            .data_content_type
            .as_deref()
            .and_then(MediaType::parse);
        let data = match (media_type, str::from_utf8(bytes)) {
            (Some(media_type), Ok(text)) if media_type.is_json() => {
                embeddable(text).map(Self::Json)
            }
            (Some(media_type), Ok(text)) if media_type.allows_utf8() => Some(Self::Text(text)),
            // Without a content type `data` would read back as JSON.
            _ => None,
        };
        Some(data.unwrap_or(Self::Binary(bytes)))
    }
}

/// The text as a JSON value that can stand inside an event: valid, without white
/// space around it, which a reader would not give back, and flat enough.
fn embeddable(text: &str) -> Option<&RawValue> {
    if depth(text) >= limits::JSON_DEPTH_MAX {
        return None;
    }
    serde_json::from_str::<&RawValue>(text)
        .ok()
        .filter(|value| value.get().len() == text.len())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::formats::json;

    fn check(content_type: Option<&str>, data: Option<&[u8]>, expected: &str) {
        let event = Event {
            id: "1".into(),
            source: "/a".into(),
            event_type: "t".into(),
            data_content_type: content_type.map(str::to_owned),
            data: data.map(Bytes::copy_from_slice),
            ..Event::default()
        };
        let written = to_json(&event).unwrap();
        let start = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t""#;
        assert_eq!(
            String::from_utf8(written.clone()).unwrap(),
            format!("{start}{expected}}}")
        );
        assert_eq!(json::parse(&written), Ok(event));
    }

    #[test]
    fn the_data_takes_the_form_that_reads_back() {
        let json = Some("application/json");
        let in_json = |rest| format!(r#","datacontenttype":"application/json",{rest}"#);
        check(None, None, "");
        check(None, Some(b"{}"), r#","data_base64":"e30=""#);
        check(None, Some(b""), r#","data_base64":"""#);
        check(json, None, r#","datacontenttype":"application/json""#);
        check(
            json,
            Some(b"{\"a\": 1.50}"),
            &in_json(r#""data":{"a": 1.50}"#),
        );
        check(json, Some(b"null"), &in_json(r#""data":null"#));
        check(json, Some(b"{} "), &in_json(r#""data_base64":"e30g""#));
        check(json, Some(b"{"), &in_json(r#""data_base64":"ew==""#));
        check(json, Some(b""), &in_json(r#""data_base64":"""#));
        check(
            Some("text/plain"),
            Some("<é\n>".as_bytes()),
            r#","datacontenttype":"text/plain","data":"<é\n>""#,
        );
        check(
            Some("text/plain"),
            Some(b"\xff"),
            r#","datacontenttype":"text/plain","data_base64":"/w==""#,
        );
        check(
            Some("text/plain;charset=iso-8859-1"),
            Some(b"a"),
            r#","datacontenttype":"text/plain;charset=iso-8859-1","data_base64":"YQ==""#,
        );
    }

    #[test]
    fn data_nested_as_deep_as_an_event_may_be_still_reads_back() {
        for depth in [limits::JSON_DEPTH_MAX - 1, limits::JSON_DEPTH_MAX] {
            let event = Event {
                id: "1".into(),
                source: "/a".into(),
                event_type: "t".into(),
                data_content_type: Some("application/json".into()),
                data: Some(format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into()),
                ..Event::default()
            };
            assert_eq!(json::parse(&to_json(&event).unwrap()), Ok(event));
        }
    }

    #[test]
    fn an_event_stands_inside_other_json() {
        let event = Event {
            id: "1".into(),
            data_content_type: Some("application/json".into()),
            data: Some("{\"b\":[1]}".into()),
            ..Event::default()
        };
        let value = serde_json::to_value(Structured(&event)).unwrap();
        assert_eq!(value["data"]["b"][0], 1);
    }
}
