//! The content mode of an HTTP message.

use crate::MediaType;

/// How an HTTP message carries events (HTTP binding, section 1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Attributes in headers, the data in the body.
    Binary,
    /// One event in the body.
    Structured,
    /// An array of events in the body.
    Batch,
}

/// A media type of CloudEvents that is not understood here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this Content-Type is not understood; send `application/cloudevents+json`, \
     `application/cloudevents-batch+json`, both in UTF-8, or an event in binary mode"
)]
pub struct UnsupportedMediaType;

impl Mode {
    /// The mode that the value of the header Content-Type tells, as in section 3
    /// of the HTTP binding: `application/cloudevents` at its beginning means that
    /// the body holds the whole event.
    pub fn of(content_type: Option<&[u8]>) -> Result<Self, UnsupportedMediaType> {
        const PREFIX: &[u8] = b"application/cloudevents";
        let value = content_type.unwrap_or_default().trim_ascii();
        let is_whole = value
            .get(..PREFIX.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(PREFIX));
        if !is_whole {
            return Ok(Self::Binary);
        }
        let text = str::from_utf8(value).map_err(|_| UnsupportedMediaType)?;
        let media_type = MediaType::parse(text).ok_or(UnsupportedMediaType)?;
        if !media_type.allows_utf8() {
            return Err(UnsupportedMediaType);
        }
        if media_type.is("application", "cloudevents+json") {
            Ok(Self::Structured)
        } else if media_type.is("application", "cloudevents-batch+json") {
            Ok(Self::Batch)
        } else {
            Err(UnsupportedMediaType)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content_type: &str, expected: Result<Mode, UnsupportedMediaType>) {
        assert_eq!(
            Mode::of(Some(content_type.as_bytes())),
            expected,
            "{content_type}"
        );
    }

    #[test]
    fn the_content_type_tells_the_mode() {
        check("application/cloudevents+json", Ok(Mode::Structured));
        check("Application/CloudEvents+JSON", Ok(Mode::Structured));
        check(
            "application/cloudevents+json; charset=UTF-8",
            Ok(Mode::Structured),
        );
        check("application/cloudevents-batch+json", Ok(Mode::Batch));
        check(
            "application/cloudevents-batch+json;charset=\"utf-8\"",
            Ok(Mode::Batch),
        );
        for other in ["application/json", "text/plain", "application/cloud", ""] {
            check(other, Ok(Mode::Binary));
        }
        assert_eq!(Mode::of(None), Ok(Mode::Binary));
        assert_eq!(Mode::of(Some(b"\xff\xfe")), Ok(Mode::Binary));
    }

    #[test]
    fn a_format_that_is_not_understood_is_no_binary_event() {
        for unsupported in [
            "application/cloudevents",
            "application/cloudevents+avro",
            "application/cloudevents-batch+avro",
            "application/cloudevents-batch",
            "application/cloudevents+json; charset=utf-16",
            "application/cloudevents+json; charset",
        ] {
            check(unsupported, Err(UnsupportedMediaType));
        }
        assert_eq!(
            Mode::of(Some(b"application/cloudevents+json\xff")),
            Err(UnsupportedMediaType)
        );
    }
}
