//! The binary mode of HTTP (HTTP binding, section 3.1): attributes in headers,
//! the data in the body.

use std::borrow::Cow;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Attributes, ParseError};
use crate::attribute::{self, AttributeError, Rule};
use crate::media_type::quoted_string;
use crate::{Event, EventError};

const PREFIX: &str = "ce-";
const CONTENT_TYPE: &str = "content-type";

/// What must be percent-encoded besides everything beyond ASCII (section
/// 3.1.3.2).
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// Reads an event in binary mode from all headers of a message, as name and raw
/// value, and its body. Headers that are neither `ce-` nor Content-Type are not
/// looked at.
///
/// An empty body is no data: HTTP cannot tell it from data of no bytes.
pub fn parse<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    body: Bytes,
) -> Result<Event, ParseError> {
    let mut attributes = Attributes::new();
    for (header, value) in headers {
        if let Some((name, value)) = attribute_of(header, value)? {
            match attributes.entry(Cow::Owned(name)) {
                Entry::Occupied(entry) => {
                    return Err(EventError::attribute_breaks(entry.key(), Rule::Duplicate).into());
                }
                Entry::Vacant(entry) => entry.insert(value),
            };
        }
    }
    let data = (!body.is_empty()).then_some(body);
    Ok(super::build(attributes, data)?)
}

/// The headers of an event in binary mode, as name and value. The body is its
/// data.
pub fn to_headers(event: &Event) -> Vec<(String, String)> {
    let required = [
        ("specversion", "1.0"),
        ("id", &event.id),
        ("source", &event.source),
        ("type", &event.event_type),
    ];
    let optional = [
        ("subject", &event.subject),
        ("time", &event.time),
        ("dataschema", &event.data_schema),
    ];
    let optional = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let extensions = event
        .extensions
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let attributes = required.into_iter().chain(optional).chain(extensions);
    let header = |(name, value)| {
        (
            format!("{PREFIX}{name}"),
            utf8_percent_encode(value, ENCODED).to_string(),
        )
    };
    let content_type = event.data_content_type.iter();
    attributes
        .map(header)
        .chain(content_type.map(|value| (CONTENT_TYPE.to_owned(), value.clone())))
        .collect()
}

/// The name and value of the attribute that a header carries, if it carries one.
fn attribute_of(header: &str, value: &[u8]) -> Result<Option<(String, String)>, EventError> {
    let header = header.to_ascii_lowercase();
    if header == CONTENT_TYPE {
        let name = "datacontenttype";
        return Ok(Some((name.to_owned(), printable(name, value)?.to_owned())));
    }
    let Some(name) = header.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    if name == "datacontenttype" {
        return Err(EventError::attribute_breaks(name, Rule::HeaderContentType));
    }
    attribute::check_name(name)?;
    let text = unquoted(name, printable(name, value)?)?;
    let value = percent_decoded(name, &text)?;
    Ok(Some((name.to_owned(), value)))
}

/// The value without the white space around it, if it is printable ASCII.
fn printable<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, AttributeError> {
    str::from_utf8(value)
        .ok()
        .map(|text| text.trim_matches([' ', '\t']))
        .filter(|text| text.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')))
        .ok_or_else(|| AttributeError::new(name, Rule::HeaderAscii))
}

/// The value without the quotes, if a double quote begins it: older senders quote
/// what has spaces. A quote elsewhere stands for itself.
fn unquoted<'a>(name: &str, text: &'a str) -> Result<Cow<'a, str>, AttributeError> {
    if !text.starts_with('"') {
        return Ok(Cow::Borrowed(text));
    }
    match quoted_string(text) {
        Some((value, "")) => Ok(Cow::Owned(value)),
        _ => Err(AttributeError::new(name, Rule::HeaderQuote)),
    }
}

/// One round of percent-decoding. A `%` without two hexadecimal digits is
/// refused, not guessed at: a sender must write `%25` for it.
fn percent_decoded(name: &str, text: &str) -> Result<String, AttributeError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, encoded)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, after) =
            hex_byte(encoded).ok_or_else(|| AttributeError::new(name, Rule::HeaderPercent))?;
        bytes.push(byte);
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| AttributeError::new(name, Rule::HeaderUtf8))
}

/// Takes two hexadecimal digits.
fn hex_byte(text: &str) -> Option<(u8, &str)> {
    let (digits, after) = text.split_at_checked(2)?;
    // `from_str_radix` takes a sign too.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some((u8::from_str_radix(digits, 16).ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Header = (&'static str, &'static [u8]);

    const REQUIRED: [Header; 4] = [
        ("ce-specversion", b"1.0"),
        ("ce-type", b"com.example.someevent"),
        ("ce-id", b"1234-1234-1234"),
        ("ce-source", b"/mycontext/subcontext"),
    ];

    fn parse_with(more: &[Header], body: &'static [u8]) -> Result<Event, ParseError> {
        let headers = REQUIRED.iter().chain(more).copied();
        parse(headers, Bytes::from_static(body))
    }

    #[test]
    fn the_example_of_section_3_1_4() {
        let event = parse_with(
            &[
                ("Host", b"webhook.example.com"),
                ("ce-time", b"2018-04-05T03:56:24Z"),
                ("Content-Type", b"application/json; charset=utf-8"),
                ("Content-Length", b"2"),
            ],
            b"{}",
        );
        let expected = Event {
            id: "1234-1234-1234".into(),
            source: "/mycontext/subcontext".into(),
            event_type: "com.example.someevent".into(),
            time: Some("2018-04-05T03:56:24Z".into()),
            data_content_type: Some("application/json; charset=utf-8".into()),
            data: Some(Bytes::from_static(b"{}")),
            ..Event::default()
        };
        assert_eq!(event, Ok(expected));
    }

    #[test]
    fn header_names_are_case_insensitive() {
        let event = parse_with(&[("CE-Subject", b"s"), ("cE-MyExt", b"x")], b"").unwrap();
        assert_eq!(event.subject.as_deref(), Some("s"));
        assert_eq!(event.extensions.get("myext").map(String::as_str), Some("x"));
    }

    #[test]
    fn an_empty_body_is_no_data() {
        assert_eq!(parse_with(&[], b"").unwrap().data, None);
        let typed = parse_with(&[("content-type", b"text/plain")], b"").unwrap();
        assert_eq!(typed.data, None);
        let untyped = parse_with(&[], b"\xff").unwrap();
        assert_eq!(untyped.data_content_type, None);
        assert_eq!(untyped.data, Some(Bytes::from_static(b"\xff")));
    }

    /// Section 3.1.3.2: first the quotes, then one round of percent-decoding.
    #[test]
    fn values_are_unquoted_and_then_percent_decoded_once() {
        for (value, expected) in [
            ("plain", "plain"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("Euro%20%e2%82%ac", "Euro €"),
            ("%41", "A"),
            ("%2525", "%25"),
            ("two words", "two words"),
            (" \t padded ", "padded"),
            (r#""two words""#, "two words"),
            (r#""a \"b\" \\ c""#, r#"a "b" \ c"#),
            (r#""\%41%42""#, "AB"),
            (r#""%22""#, "\""),
            (r#""""#, ""),
            (r#"a"b"#, r#"a"b"#),
            (r"a\b", r"a\b"),
            ("", ""),
        ] {
            let headers = REQUIRED.into_iter().chain([("ce-x", value.as_bytes())]);
            let event = parse(headers, Bytes::new());
            let found = event.map(|e| e.extensions.get("x").cloned());
            assert_eq!(found, Ok(Some(expected.to_owned())), "{value}");
        }
    }

    #[test]
    fn refuses_what_the_binding_refuses() {
        let rows: [(&str, Header, &str, &str); 21] = [
            (
                "3.1.1",
                ("ce-datacontenttype", b"a/b"),
                "datacontenttype",
                "header-content-type",
            ),
            (
                "3.1.1",
                ("content-type", b"json"),
                "datacontenttype",
                "media-type",
            ),
            ("3.1.1", ("content-type", b""), "datacontenttype", "empty"),
            (
                "3.1.1",
                ("content-type", b"a/\xe4"),
                "datacontenttype",
                "header-ascii",
            ),
            ("3.1.3.1", ("ce-", b"x"), "", "name"),
            ("3.1.3.1", ("ce-a-b", b"x"), "a-b", "name"),
            ("3.1.3.1", ("ce-data", b"x"), "data", "reserved"),
            (
                "3.1.3.1",
                ("ce-data_base64", b"eA=="),
                "data_base64",
                "name",
            ),
            ("3.1.3.2", ("ce-x", b"\xc3\xa9"), "x", "header-ascii"),
            ("3.1.3.2", ("ce-x", b"a\x7f"), "x", "header-ascii"),
            ("3.1.3.2", ("ce-x", b"%C0%A0"), "x", "header-utf8"),
            ("3.1.3.2", ("ce-x", b"%ED%A0%80"), "x", "header-utf8"),
            ("3.1.3.2", ("ce-x", b"100%"), "x", "header-percent"),
            ("3.1.3.2", ("ce-x", b"%4"), "x", "header-percent"),
            ("3.1.3.2", ("ce-x", b"%+4"), "x", "header-percent"),
            ("3.1.3.2", ("ce-x", b"\"a"), "x", "header-quote"),
            ("3.1.3.2", ("ce-x", b"\"a\"b"), "x", "header-quote"),
            ("3.1.3.2", ("ce-x", b"\"a\\\""), "x", "header-quote"),
            ("core, String", ("ce-x", b"a%0Ab"), "x", "character"),
            ("core, time", ("ce-time", b"now"), "time", "timestamp"),
            ("core, subject", ("ce-subject", b""), "subject", "empty"),
        ];
        for (section, header, attribute, rule) in rows {
            let error = parse_with(&[header], b"").unwrap_err();
            assert_eq!(
                (error.attribute(), error.rule()),
                (Some(attribute), rule),
                "{section}: {header:?}"
            );
        }
    }

    #[test]
    fn each_header_comes_once() {
        let rows: [([Header; 2], &str); 3] = [
            ([("ce-x", b"1"), ("CE-X", b"1")], "x"),
            ([("ce-id", b"1"), ("ce-y", b"")], "id"),
            (
                [("content-type", b"a/b"), ("Content-Type", b"a/b")],
                "datacontenttype",
            ),
        ];
        for (headers, attribute) in rows {
            let error = parse_with(&headers, b"").unwrap_err();
            assert_eq!(
                (error.attribute(), error.rule()),
                (Some(attribute), "duplicate")
            );
        }
    }

    #[test]
    fn the_required_attributes_are_required() {
        for (missing, _) in REQUIRED {
            let headers = REQUIRED.into_iter().filter(|(name, _)| *name != missing);
            let error = parse(headers, Bytes::new()).unwrap_err();
            assert_eq!(error.attribute(), missing.strip_prefix("ce-"));
            assert_eq!(error.rule(), "required");
        }
        let headers = [("ce-specversion", "0.3".as_bytes())];
        let error = parse(headers, Bytes::new()).unwrap_err();
        assert_eq!(
            (error.attribute(), error.rule()),
            (Some("specversion"), "version")
        );
    }

    #[test]
    fn headers_are_encoded_as_in_section_3_1_3_2() {
        let event = Event {
            id: "1".into(),
            source: "/a".into(),
            event_type: "t".into(),
            subject: Some("Euro € 😀 100%\"~".into()),
            data_content_type: Some("text/plain; charset=\"utf-8\"".into()),
            ..Event::default()
        };
        let expected = [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/a"),
            ("ce-type", "t"),
            ("ce-subject", "Euro%20%E2%82%AC%20%F0%9F%98%80%20100%25%22~"),
            ("content-type", "text/plain; charset=\"utf-8\""),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(to_headers(&event), expected);
    }
}
