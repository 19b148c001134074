//! The batch format of JSON: a batch is its events, one by one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waystation_core::formats::json;

fuzz_target!(|body: &[u8]| {
    let Ok(events) = json::parse_batch(body) else {
        return;
    };
    for event in &events {
        event.check().expect("what is taken in is an event");
    }
    let items: Vec<_> = serde_json::from_slice::<Vec<&serde_json::value::RawValue>>(body)
        .expect("a batch is a JSON array");
    assert_eq!(items.len(), events.len());
    for (item, event) in items.iter().zip(&events) {
        let alone = json::parse(item.get().as_bytes()).expect("each item is an event by itself");
        assert_eq!(alone, *event);
    }
});
