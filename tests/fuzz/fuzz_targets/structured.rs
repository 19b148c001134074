//! The JSON format: what is taken in is an event, and comes back from its own
//! text as the same event, in the JSON format and in binary mode.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use waystation_core::formats::{http, json};

fuzz_target!(|body: &[u8]| {
    let Ok(event) = json::parse(body) else {
        return;
    };
    event.check().expect("what is taken in is an event");
    serde_json::from_slice::<&serde_json::value::RawValue>(body).expect("it was JSON");

    let again = json::to_json(&event).expect("an event has a JSON text");
    assert_eq!(json::parse(&again).expect("it reads back"), event);

    let headers = http::to_headers(&event);
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let data = event.data.clone().unwrap_or_default();
    let again = http::parse(headers, data).expect("it reads back from binary mode");
    let mut expected = event;
    // Binary mode cannot tell data of no bytes from no data.
    expected.data = expected.data.filter(|data: &Bytes| !data.is_empty());
    assert_eq!(again, expected);
});
