//! Durable state in JSON.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::content::{Encoded, json};

/// Namespaces, their keys, and what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateImage(pub BTreeMap<String, BTreeMap<String, Held>>);

/// What a key holds.
///
/// A JSON value stands for its own text and `{"$base64": "..."}` for any bytes.
/// `{"$absent": true}` says that the key is known not to be there,
/// `{"$unread": true}` that it is, with a value that nobody kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// This value.
    Value(Bytes),
    /// Nothing.
    Absent,
    /// A value that is not known.
    Unread,
}

impl StateImage {
    /// What a key holds, if something is said of it.
    pub fn get(&self, namespace: &str, key: &str) -> Option<&Held> {
        self.0.get(namespace)?.get(key)
    }

    /// The value of a key, if it is there and known.
    pub fn value(&self, namespace: &str, key: &str) -> Option<&Bytes> {
        match self.get(namespace, key)? {
            Held::Value(value) => Some(value),
            Held::Absent | Held::Unread => None,
        }
    }

    /// Says what a key holds.
    pub fn set(&mut self, namespace: &str, key: &str, held: Held) {
        let keys = self.0.entry(namespace.to_owned()).or_default();
        keys.insert(key.to_owned(), held);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Absent {
    #[serde(rename = "$absent")]
    absent: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unread {
    #[serde(rename = "$unread")]
    unread: bool,
}

impl Held {
    /// What this text stands for, if it is no plain value.
    fn marked(text: &str) -> Option<Result<Self, String>> {
        if let Ok(encoded) = serde_json::from_str::<Encoded>(text) {
            return Some(encoded.bytes().map(Self::Value));
        }
        if serde_json::from_str::<Absent>(text).is_ok() {
            return Some(Ok(Self::Absent));
        }
        serde_json::from_str::<Unread>(text)
            .is_ok()
            .then_some(Ok(Self::Unread))
    }
}

impl Serialize for Held {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => Absent { absent: true }.serialize(serializer),
            Self::Unread => Unread { unread: true }.serialize(serializer),
            Self::Value(bytes) => match json(bytes) {
                Some(value) if Self::marked(value.get()).is_none() => value.serialize(serializer),
                _ => Encoded::of(bytes).serialize(serializer),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Held {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match Self::marked(raw.get()) {
            Some(held) => held.map_err(D::Error::custom),
            None => Ok(Self::Value(Bytes::copy_from_slice(raw.get().as_bytes()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_reads_back_as_it_was() {
        let check = |held: Held, expected: &str| {
            let mut image = StateImage::default();
            image.set("orders", "1", held);
            let text = serde_json::to_string(&image).unwrap();
            assert_eq!(text, format!(r#"{{"orders":{{"1":{expected}}}}}"#));
            assert_eq!(serde_json::from_str::<StateImage>(&text).unwrap(), image);
        };
        let value = |text: &'static str| Held::Value(Bytes::from_static(text.as_bytes()));
        check(value("12"), "12");
        check(value("{\"b\": 1.0, \"a\": 2}"), "{\"b\": 1.0, \"a\": 2}");
        check(value("\"text\""), "\"text\"");
        check(value("text"), r#"{"$base64":"dGV4dA=="}"#);
        check(value(""), r#"{"$base64":""}"#);
        check(
            value(r#"{"$absent":true}"#),
            r#"{"$base64":"eyIkYWJzZW50Ijp0cnVlfQ=="}"#,
        );
        check(Held::Absent, r#"{"$absent":true}"#);
        check(Held::Unread, r#"{"$unread":true}"#);
    }
}
