//! Binary mode and the JSON format carry the same event.

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::{http, json};
use crate::Event;

/// Any text that an attribute may hold, rich in what the formats escape.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![' ', '"', '%', '\\', ';', 'é', '€', '😀', '\u{A0}']);
    let any = any::<char>().prop_filter("a disallowed character", |c| {
        !c.is_control() && !is_noncharacter(*c)
    });
    vec(prop_oneof![special, any], 1..20).prop_map(String::from_iter)
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xFDD0..=0xFDEF).contains(&code) || code % 0x1_0000 >= 0xFFFE
}

fn content_type() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "application/json",
        "Application/Vnd.X+JSON; charset=utf-8",
        "text/plain",
        "text/plain; charset=\"iso-8859-1\"",
        "application/octet-stream",
    ])
    .prop_map(str::to_owned)
}

fn payload() -> impl Strategy<Value = Bytes> {
    let json = prop::sample::select(vec![
        "null",
        " 1 ",
        "{\"a\" : 1.0}",
        "[1,\n2]",
        "\"\\uD800\"",
        "\"text\"",
        "{\"a\":1,\"a\":2}",
        "{",
        "truefalse",
        "1e400",
    ]);
    prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(Bytes::from),
        ".{0,20}".prop_map(Bytes::from),
        json.prop_map(|text| Bytes::from_static(text.as_bytes())),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let required = (text(), "(/([a-z0-9._~-]|%[0-9A-F]{2}){1,8}){1,3}", text());
    let time = prop::sample::select(vec!["2026-01-31T12:00:00.10Z", "0000-01-01t00:00:00+01:00"]);
    let optional = (
        of(text()),
        of(time.prop_map(str::to_owned)),
        of(content_type()),
        of("[a-z]{1,5}:[a-z/?]{0,10}"),
    );
    let extensions = btree_map(
        "x[a-z0-9]{0,19}",
        prop_oneof![text(), Just(String::new())],
        0..5,
    );
    (required, optional, extensions, of(payload())).prop_map(
        |((id, source, event_type), optional, extensions, data)| {
            let (subject, time, data_content_type, data_schema) = optional;
            Event {
                id,
                source,
                event_type,
                subject,
                time,
                data_content_type,
                data_schema,
                extensions,
                data,
            }
        },
    )
}

/// A member of an event in JSON, right or wrong.
fn member() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "subject",
        "time",
        "datacontenttype",
        "dataschema",
        "data",
        "data_base64",
        "x",
        "X",
    ]);
    let value = prop::sample::select(vec![
        "null",
        "1",
        "1.5",
        "true",
        "[{}]",
        "{",
        "\"\"",
        "\"text/plain\"",
        "\"a/json\"",
        "\"e30=\"",
        "\"\\uD800\"",
        "\"\\n\"",
        "\"a:b\"",
    ]);
    (name, value).prop_map(|(name, value)| format!("\"{name}\":{value},"))
}

fn through_json(event: &Event) -> Event {
    json::parse(&json::to_json(event).unwrap()).unwrap()
}

fn through_http(event: &Event) -> Event {
    let headers = http::to_headers(event);
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    http::parse(headers, event.data.clone().unwrap_or_default()).unwrap()
}

proptest! {
    /// Every attribute and every byte of data comes back. HTTP alone cannot tell
    /// data of no bytes from no data.
    #[test]
    fn both_formats_keep_every_attribute_and_byte(event in event()) {
        prop_assert_eq!(event.check(), Ok(()));
        prop_assert_eq!(&through_json(&event), &event);

        let mut expected = event.clone();
        expected.data = event.data.clone().filter(|data| !data.is_empty());
        prop_assert_eq!(&through_http(&event), &expected);
        prop_assert_eq!(&through_json(&through_http(&event)), &expected);
        prop_assert_eq!(&through_http(&through_json(&event)), &expected);
    }

    /// No text makes a parser panic, and what it takes is an event.
    #[test]
    fn parsers_give_events_or_errors(members in vec(member(), 0..4), value in any::<Vec<u8>>()) {
        let required = r#""specversion":"1.0","id":"1","source":"/a","type":"t""#;
        let body = format!("{{{}{required}}}", members.concat());
        let batch = format!("[{body},{body}]");
        let events = json::parse(body.as_bytes()).into_iter();
        for event in events.chain(json::parse_batch(batch.as_bytes()).into_iter().flatten()) {
            prop_assert_eq!(event.check(), Ok(()));
            prop_assert_eq!(&through_json(&event), &event);
        }
        let headers = [("specversion", "1.0"), ("id", "1"), ("source", "/a"), ("type", "t")];
        let headers = headers.map(|(name, value)| (format!("ce-{name}"), value.as_bytes()));
        let headers = headers.iter().map(|(name, value)| (name.as_str(), *value));
        if let Ok(event) = http::parse(headers.chain([("ce-x", value.as_slice())]), Bytes::new()) {
            prop_assert_eq!(event.check(), Ok(()));
            prop_assert_eq!(&through_http(&event), &event);
        }
    }
}
