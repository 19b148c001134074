//! One handler of several types of events, through the real host.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use e2e::host::{Host, STRUCTURED, Site};

/// Has the handler take an event, and gives what it told.
fn take(host: &mut Host, event_type: &str, more: &Value) -> Value {
    let mut event = json!({
        "specversion": "1.0", "id": event_type, "source": "/test", "type": event_type,
    });
    let members = event.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    let id = members["id"].as_str().unwrap().to_owned();
    let (status, body) = host.post(&[STRUCTURED], event.to_string());
    assert_eq!(status, 202, "{body}");
    host.wait_for_delivery(&id, "several", "done");
    let told = host.of_type("test.result.taken.v1").pop().unwrap();
    told["data"].clone()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a handler's clock is the system's, which this test reads too"
)]
fn an_enum_takes_each_type_as_its_own_data() {
    let site = Site::with(&["several"]);
    site.sidecar("several", "[grants]\nstate = ['several']\n");
    let mut host = site.start();

    let number = json!({"data": 7});
    let first = take(&mut host, "test.several.number.v1", &number);
    assert_eq!(
        (&first["what"], &first["is_first"]),
        (&json!("the number 7"), &json!(true))
    );
    let second = take(
        &mut host,
        "test.several.number.v1",
        &json!({"id": "again", "data": 8}),
    );
    assert_eq!(
        (&second["what"], &second["is_first"]),
        (&json!("the number 8"), &json!(false))
    );
    assert_ne!(first["chance"], second["chance"]);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let told = second["seconds"].as_u64().unwrap();
    assert!(now.abs_diff(told) < 60, "{told} is not {now}");

    let bytes = json!({"datacontenttype": "image/png", "data_base64": "AAEC"});
    let told = take(&mut host, "test.several.bytes.v2", &bytes);
    assert_eq!(told["what"], "3 bytes");
    let told = take(&mut host, "test.several.nothing.v1", &json!({}));
    assert_eq!(told["what"], "nothing");
}
