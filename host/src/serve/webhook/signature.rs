//! The signatures of Standard Webhooks 1.0: an HMAC-SHA256 over id, time and body.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac_sha256::HMAC;
use subtle::{Choice, ConstantTimeEq as _};
use waystation_core::{Timestamp, limits};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// The key that a sender signs with.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// Why a text is no key. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is in another form.
    #[error("the key must be `whsec_` and base64, as the sender shows it")]
    Form,
    /// It is too short or too long.
    #[error(
        "the key must have {min} to {max} bytes",
        min = limits::WEBHOOK_KEY_BYTES_MIN,
        max = limits::WEBHOOK_KEY_BYTES_MAX
    )]
    Length,
}

impl Key {
    /// The key with this text: `whsec_` and base64.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let base64 = text.strip_prefix("whsec_").ok_or(KeyError::Form)?;
        let bytes = BASE64.decode(base64).map_err(|_| KeyError::Form)?;
        let lengths = limits::WEBHOOK_KEY_BYTES_MIN..=limits::WEBHOOK_KEY_BYTES_MAX;
        if lengths.contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(KeyError::Length)
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What the headers say of a call.
#[derive(Debug)]
pub struct Call<'a> {
    /// The id of the message, the same for each attempt to send it.
    pub id: &'a str,
    /// When this attempt was sent.
    pub sent: Timestamp,
    /// The same as the header has it, which is what was signed.
    timestamp: &'a str,
    signatures: &'a str,
}

/// Why a call is not taken for the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header is missing, or is there twice, or is not text.
    #[error("it must have one header `{0}`")]
    Header(&'static str),
    /// The time is no number of seconds.
    #[error("the header `{TIMESTAMP}` must be in seconds since 1970")]
    Timestamp,
    /// The time is too far away.
    #[error(
        "it was sent more than {:?} before or after the time of this host; are both clocks right?",
        limits::WEBHOOK_TOLERANCE
    )]
    Time,
    /// No signature is of one of the keys.
    #[error("no signature in it is of a key of this webhook; was the key replaced?")]
    Signature,
}

impl<'a> Call<'a> {
    /// What the headers say, if the call is of this time.
    pub fn of(headers: &'a HeaderMap, now: Timestamp) -> Result<Self, Refusal> {
        let timestamp = one(headers, TIMESTAMP)?;
        let call = Self {
            id: one(headers, ID)?,
            sent: seconds(timestamp).ok_or(Refusal::Timestamp)?,
            timestamp,
            signatures: one(headers, SIGNATURE)?,
        };
        let apart = now.since(call.sent).max(call.sent.since(now));
        if apart > limits::WEBHOOK_TOLERANCE {
            return Err(Refusal::Time);
        }
        Ok(call)
    }

    /// Checks that one of the keys signed this body with the call's id and time.
    ///
    /// Takes the same time wherever the signatures differ.
    pub fn verify(&self, keys: &[Key], body: &[u8]) -> Result<(), Refusal> {
        let expected = keys
            .iter()
            .map(|key| signed(key, self.id, self.timestamp, body));
        let expected: Vec<[u8; 32]> = expected.collect();
        let presented = self.signatures.split(' ').filter_map(|signature| {
            // Other versions stand beside it, such as `v1a` of a public key.
            BASE64.decode(signature.strip_prefix("v1,")?).ok()
        });
        let mut holds = Choice::from(0);
        for signature in presented {
            for expected in &expected {
                holds |= signature.ct_eq(expected);
            }
        }
        bool::from(holds).then_some(()).ok_or(Refusal::Signature)
    }
}

fn signed(key: &Key, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    let mut hmac = HMAC::new(&key.0);
    for part in [id, ".", timestamp, "."] {
        hmac.update(part);
    }
    hmac.update(body);
    hmac.finalize()
}

/// The header with the signature of a sender.
#[cfg(test)]
pub fn sign(key: &Key, id: &str, timestamp: &str, body: &[u8]) -> String {
    format!("v1,{}", BASE64.encode(signed(key, id, timestamp, body)))
}

fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (Some(Ok(value)), None) => Ok(value),
        _ => Err(Refusal::Header(name)),
    }
}

fn seconds(text: &str) -> Option<Timestamp> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: u64 = text.parse().ok().filter(|_| digits)?;
    Some(Timestamp::from_millis(seconds.checked_mul(1_000)?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// An example of the specification's own libraries.
    const EXAMPLE_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const EXAMPLE_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const EXAMPLE_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const EXAMPLE_BODY: &[u8] = br#"{"test": 2432232314}"#;
    const EXAMPLE_SECONDS: u64 = 1_614_265_330;
    const OTHER_KEY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn headers(signature: &str) -> HeaderMap {
        let timestamp = EXAMPLE_SECONDS.to_string();
        [
            (ID, EXAMPLE_ID),
            (TIMESTAMP, &timestamp),
            (SIGNATURE, signature),
        ]
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .into_iter()
        .collect()
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(EXAMPLE_SECONDS * 1_000)
    }

    fn keys(texts: &[&str]) -> Vec<Key> {
        texts.iter().map(|text| Key::new(text).unwrap()).collect()
    }

    #[track_caller]
    fn check(signature: &str, keys_of: &[&str], body: &[u8], expected: Result<(), Refusal>) {
        let headers = headers(signature);
        let call = Call::of(&headers, now()).unwrap();
        assert_eq!(call.verify(&keys(keys_of), body), expected, "{signature}");
    }

    #[test]
    fn a_signature_holds_for_its_key_and_its_bytes_alone() {
        let signature = EXAMPLE_SIGNATURE;
        check(signature, &[EXAMPLE_KEY], EXAMPLE_BODY, Ok(()));
        let wrong = Err(Refusal::Signature);
        check(signature, &[OTHER_KEY], EXAMPLE_BODY, wrong);
        check(signature, &[], EXAMPLE_BODY, wrong);
        check(signature, &[EXAMPLE_KEY], br#"{"test":2432232314}"#, wrong);
        check(signature, &[EXAMPLE_KEY], b"", wrong);
    }

    #[test]
    fn while_a_key_is_replaced_both_are_good() {
        for both in [[EXAMPLE_KEY, OTHER_KEY], [OTHER_KEY, EXAMPLE_KEY]] {
            check(EXAMPLE_SIGNATURE, &both, EXAMPLE_BODY, Ok(()));
        }
    }

    #[test]
    fn one_good_signature_of_several_is_enough() {
        let other = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for list in [
            format!("{other} {EXAMPLE_SIGNATURE}"),
            format!("{EXAMPLE_SIGNATURE} {other}"),
            format!("v1a,AAAA v1,%% {EXAMPLE_SIGNATURE}"),
        ] {
            check(&list, &[EXAMPLE_KEY], EXAMPLE_BODY, Ok(()));
        }
        let good = EXAMPLE_SIGNATURE.strip_prefix("v1,").unwrap();
        let shorter = BASE64.encode(&BASE64.decode(good).unwrap()[..31]);
        for list in [
            other.to_owned(),
            good.to_owned(),
            format!("v2,{good}"),
            format!("v1,{shorter}"),
            format!("v1,{good},{good}"),
            "v1,".to_owned(),
            String::new(),
        ] {
            check(&list, &[EXAMPLE_KEY], EXAMPLE_BODY, Err(Refusal::Signature));
        }
    }

    #[test]
    fn a_call_is_of_this_time() {
        let check = |now: Timestamp, expected: Option<Refusal>| {
            let headers = headers(EXAMPLE_SIGNATURE);
            assert_eq!(Call::of(&headers, now).err(), expected, "{now}");
        };
        let sent = EXAMPLE_SECONDS * 1_000;
        let edge = 300_000;
        check(Timestamp::from_millis(sent + edge), None);
        check(Timestamp::from_millis(sent - edge), None);
        check(Timestamp::from_millis(sent + edge + 1), Some(Refusal::Time));
        check(Timestamp::from_millis(sent - edge - 1), Some(Refusal::Time));
        let years = Duration::from_secs(10 * 365 * 86_400);
        check(now().after(years), Some(Refusal::Time));
    }

    #[test]
    fn each_header_is_there_once() {
        for name in [ID, TIMESTAMP, SIGNATURE] {
            let mut missing = headers(EXAMPLE_SIGNATURE);
            let value = missing.remove(name).unwrap();
            let refused = Call::of(&missing, now()).unwrap_err();
            assert_eq!(refused, Refusal::Header(name));
            let mut twice = headers(EXAMPLE_SIGNATURE);
            twice.append(name, value);
            let refused = Call::of(&twice, now()).unwrap_err();
            assert_eq!(refused, Refusal::Header(name));
        }
        for text in ["", "+1614265330", "-1", "1e9", "99999999999999999999"] {
            let mut headers = headers(EXAMPLE_SIGNATURE);
            headers.insert(TIMESTAMP, text.parse().unwrap());
            let refused = Call::of(&headers, now()).unwrap_err();
            assert_eq!(refused, Refusal::Timestamp, "{text}");
        }
    }

    #[test]
    fn a_key_has_its_form_and_is_shown_to_nobody() {
        let check = |text: &str, expected: Result<(), KeyError>| {
            assert_eq!(Key::new(text).map(drop), expected, "{text}");
        };
        check(EXAMPLE_KEY, Ok(()));
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Err(KeyError::Form));
        check("whsec_no base64", Err(KeyError::Form));
        check("whsec_AAAA", Err(KeyError::Length));
        let long = format!("whsec_{}", BASE64.encode([0; 65]));
        check(&long, Err(KeyError::Length));
        assert_eq!(format!("{:?}", Key::new(EXAMPLE_KEY).unwrap()), "Key(..)");
    }
}
