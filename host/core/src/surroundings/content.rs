//! Bytes in JSON, as readable as they can be without a byte being lost.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The body of an HTTP message. An object or an array stands for its own text, a
/// string for the text in it, and `{"$base64": "..."}` for any bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content(pub Bytes);

/// Bytes that are no text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Encoded {
    #[serde(rename = "$base64")]
    pub(super) base64: String,
}

impl Encoded {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            base64: STANDARD.encode(bytes),
        }
    }

    pub(super) fn bytes(&self) -> Result<Bytes, String> {
        let bytes = STANDARD.decode(&self.base64);
        bytes
            .map(Bytes::from)
            .map_err(|error| format!("`$base64` holds no base64: {error}"))
    }
}

/// The text as a JSON value that gives back the very same text.
pub(super) fn json(bytes: &[u8]) -> Option<&RawValue> {
    let text = str::from_utf8(bytes).ok()?;
    let value: &RawValue = serde_json::from_str(text).ok()?;
    (value.get().len() == text.len()).then_some(value)
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_tree = self.0.starts_with(b"{") || self.0.starts_with(b"[");
        let is_encoded = serde_json::from_slice::<Encoded>(&self.0).is_ok();
        if is_tree
            && !is_encoded
            && let Some(value) = json(&self.0)
        {
            return value.serialize(serializer);
        }
        match str::from_utf8(&self.0) {
            Ok(text) => text.serialize(serializer),
            Err(_) => Encoded::of(&self.0).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        if text.starts_with('"') {
            let text: String = serde_json::from_str(text).map_err(D::Error::custom)?;
            return Ok(Self(text.into()));
        }
        match serde_json::from_str::<Encoded>(text) {
            Ok(encoded) => encoded.bytes().map(Self).map_err(D::Error::custom),
            Err(_) => Ok(Self(Bytes::copy_from_slice(text.as_bytes()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_reads_back_byte_for_byte() {
        let check = |bytes: &[u8], expected: &str| {
            let content = Content(Bytes::copy_from_slice(bytes));
            let text = serde_json::to_string(&content).unwrap();
            assert_eq!(text, expected);
            assert_eq!(serde_json::from_str::<Content>(&text).unwrap(), content);
        };
        check(b"", r#""""#);
        check(b"hello", r#""hello""#);
        check(b"{\"b\": 1,\"a\":1.0}", "{\"b\": 1,\"a\":1.0}");
        check(b"[1, 2]", "[1, 2]");
        check(b"{} ", r#""{} ""#);
        check(b"12", r#""12""#);
        check(b"\xff", r#"{"$base64":"/w=="}"#);
        check(br#"{"$base64":"/w=="}"#, r#""{\"$base64\":\"/w==\"}""#);
    }
}
