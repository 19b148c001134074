//! Time and chance in JSON.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the clocks showed, each time a handler looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readings {
    /// The time of day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wall: Vec<Moment>,
    /// The clock that only goes forward, in nanoseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monotonic: Vec<u64>,
}

/// A moment to the nanosecond: so long after 1970, or RFC 3339 as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Duration);

/// Where random values come from: the same seeds give the same values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    /// Of the values of an attempt.
    #[serde(with = "hex")]
    pub values: [u8; 32],
    /// What `wasi:random/insecure-seed` gives to an instance.
    #[serde(with = "hex")]
    pub instance: [u8; 16],
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let moment = i128::try_from(self.0.as_nanos())
            .ok()
            .and_then(|nanos| jiff::Timestamp::from_nanosecond(nanos).ok());
        let moment = moment.ok_or_else(|| serde::ser::Error::custom("the time is too far off"))?;
        serializer.collect_str(&moment)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        let nanos = u64::try_from(moment.as_nanosecond())
            .map_err(|_| D::Error::custom("a time from 1970 to 2554 is expected"))?;
        Ok(Self(Duration::from_nanos(nanos)))
    }
}

/// Bytes as hexadecimal digits.
mod hex {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&digits)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; N];
        let digits = text.as_bytes().chunks_exact(2);
        if text.len() != 2 * N {
            let expected = format!("{} hexadecimal digits are expected", 2 * N);
            return Err(D::Error::custom(expected));
        }
        for (byte, pair) in bytes.iter_mut().zip(digits) {
            let pair = str::from_utf8(pair).map_err(D::Error::custom)?;
            *byte = u8::from_str_radix(pair, 16).map_err(D::Error::custom)?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_seeds_read_back() {
        let readings = Readings {
            wall: vec![Moment(Duration::new(1_769_860_800, 123_456_789))],
            monotonic: vec![0, u64::MAX],
        };
        let text = serde_json::to_string(&readings).unwrap();
        assert!(text.contains("2026-01-31T12:00:00.123456789Z"), "{text}");
        assert_eq!(serde_json::from_str::<Readings>(&text).unwrap(), readings);

        let seeds = Seeds {
            values: [0xab; 32],
            instance: [7; 16],
        };
        let text = serde_json::to_string(&seeds).unwrap();
        assert_eq!(serde_json::from_str::<Seeds>(&text).unwrap(), seeds);
        assert!(serde_json::from_str::<Seeds>(r#"{"values":"a","instance":""}"#).is_err());
    }
}
