//! Binary mode: lines of `name: value` up to an empty line, then the body. What
//! is taken in is an event and comes back from its own headers.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use waystation_core::formats::{Mode, http, json};

fuzz_target!(|message: &[u8]| {
    let mut rest = message;
    let mut headers = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            break;
        };
        let Ok(name) = std::str::from_utf8(&line[..colon]) else {
            return;
        };
        headers.push((name.to_ascii_lowercase(), line[colon + 1..].trim_ascii()));
    }
    for (name, value) in &headers {
        if name == "content-type" {
            let _ = Mode::of(Some(value));
        }
    }
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), *value));
    let Ok(event) = http::parse(pairs, Bytes::copy_from_slice(rest)) else {
        return;
    };
    event.check().expect("what is taken in is an event");

    let headers = http::to_headers(&event);
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let data = event.data.clone().unwrap_or_default();
    assert_eq!(http::parse(pairs, data).expect("it reads back"), event);

    let text = json::to_json(&event).expect("an event has a JSON text");
    assert_eq!(json::parse(&text).expect("it reads back"), event);
});
