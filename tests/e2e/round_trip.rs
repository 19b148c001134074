//! An event from HTTP through the journal into a guest, and back: every attribute
//! and every byte of its data.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fastrand::Rng;
use serde_json::{Map, Value, json};

use e2e::host::{Host, STRUCTURED, Site};
use e2e::seed;

const EVENTS: usize = 400;

/// Optional attributes that one event may have.
const OPTIONAL: [&str; 6] = [
    "subject",
    "time",
    "dataschema",
    "partitionkey",
    "tenant",
    "x1",
];

/// An event as it is sent.
struct Sent {
    /// All attributes but `specversion` and `datacontenttype`.
    attributes: Map<String, Value>,
    data: Option<(&'static str, Vec<u8>)>,
}

/// A text that needs care in headers and in JSON.
fn text(random: &mut Rng) -> String {
    let alphabet: Vec<char> = "ab7 \"%\\;,=/é€😀\u{A0}%41+".chars().collect();
    let length = random.usize(1..12);
    (0..length)
        .map(|_| *random.choice(&alphabet).unwrap())
        .collect()
}

fn data(random: &mut Rng) -> Option<(&'static str, Vec<u8>)> {
    let json = ["null", "{ \"a\" : 1.0 }", "[1,\n2]", "\"\\u00e9\"", "1e400"];
    match random.u8(0..4) {
        0 => None,
        1 => {
            let bytes = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
            Some(("application/octet-stream", bytes))
        }
        2 => Some(("text/plain; charset=\"utf-8\"", text(random).into_bytes())),
        _ => Some(("application/json", (*random.choice(&json).unwrap()).into())),
    }
}

fn event(number: usize, random: &mut Rng) -> Sent {
    let mut attributes = Map::new();
    attributes.insert("id".into(), json!(format!("{number} {}", text(random))));
    attributes.insert("source".into(), json!(format!("/said/%20/{number}")));
    attributes.insert("type".into(), json!("test.said.v1"));
    for name in OPTIONAL {
        if random.bool() {
            let value = match name {
                "time" => "2026-02-28t23:59:59.1234567890+01:30".to_owned(),
                "dataschema" => "https://example.com/schema?v=1".to_owned(),
                _ => text(random),
            };
            attributes.insert(name.to_owned(), json!(value));
        }
    }
    Sent {
        attributes,
        data: data(random),
    }
}

/// As the HTTP binding has it in headers (section 3.1.3.2).
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'%' => format!("%{byte:02X}"),
            0x21..=0x7E => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

impl Sent {
    fn send_binary(&self, host: &Host) {
        let encoded: Vec<(String, String)> = self
            .attributes
            .iter()
            .map(|(name, value)| {
                (
                    format!("ce-{name}"),
                    percent_encoded(value.as_str().unwrap()),
                )
            })
            .collect();
        let mut headers = vec![("ce-specversion", "1.0")];
        headers.extend(
            encoded
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let body = self.data.as_ref().map_or(&[][..], |(content_type, bytes)| {
            headers.push(("content-type", *content_type));
            bytes
        });
        let (status, answer) = host.post(&headers, body);
        assert_eq!(status, 202, "{answer} {headers:?}");
    }

    fn send_structured(&self, host: &Host) {
        let mut event = self.attributes.clone();
        event.insert("specversion".into(), json!("1.0"));
        let mut raw = None;
        if let Some((content_type, bytes)) = &self.data {
            event.insert("datacontenttype".into(), json!(content_type));
            match *content_type {
                "application/json" => raw = Some(String::from_utf8(bytes.clone()).unwrap()),
                "application/octet-stream" => {
                    event.insert("data_base64".into(), json!(BASE64.encode(bytes)));
                }
                _ => {
                    event.insert(
                        "data".into(),
                        json!(String::from_utf8(bytes.clone()).unwrap()),
                    );
                }
            }
        }
        let mut body = Value::from(event).to_string();
        if let Some(raw) = raw {
            // As it is, for each byte of it counts.
            body.truncate(body.len() - 1);
            body.push_str(&format!(",\"data\":{raw}}}"));
        }
        let (status, answer) = host.post(&[STRUCTURED], &body);
        assert_eq!(status, 202, "{answer} {body}");
    }

    /// What the guest must have seen, as it says it.
    fn echo(&self) -> Value {
        let mut echo = self.attributes.clone();
        echo.remove("type");
        for (from, to) in [
            ("id", "echoid"),
            ("source", "echosource"),
            ("time", "echotime"),
        ] {
            if let Some(value) = echo.remove(from) {
                echo.insert(to.into(), value);
            }
        }
        if let Some((content_type, bytes)) = &self.data {
            echo.insert("echocontenttype".into(), json!(content_type));
            echo.insert("data_base64".into(), json!(BASE64.encode(bytes)));
        }
        echo.into()
    }
}

/// What a guest said that it saw, without what the host gives.
fn seen(mut echoed: Value) -> Value {
    let event = echoed.as_object_mut().unwrap();
    let given = [
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "correlationid",
        "causationid",
    ];
    event.retain(|name, _| !given.contains(&name.as_str()));
    event.remove("datacontenttype");
    // Data that is text is shown as text.
    if let Some(text) = event.remove("data") {
        let bytes = text.as_str().unwrap();
        event.insert("data_base64".into(), json!(BASE64.encode(bytes)));
    }
    echoed
}

#[test]
fn every_attribute_and_every_byte_reach_the_guest() {
    let mut random = Rng::with_seed(seed());
    let site = Site::with(&["echo"]);
    let mut host = site.start();
    let sent: Vec<Sent> = (0..EVENTS).map(|n| event(n, &mut random)).collect();
    for event in &sent {
        if random.bool() {
            event.send_binary(&host);
        } else {
            event.send_structured(&host);
        }
    }
    host.wait_until_settled();

    let by_id = |event: &Value| event["echoid"].as_str().unwrap().to_owned();
    let mut found: Vec<Value> = host
        .of_type("test.echoed.v1")
        .into_iter()
        .map(seen)
        .collect();
    let mut expected: Vec<Value> = sent.iter().map(Sent::echo).collect();
    found.sort_by_key(by_id);
    expected.sort_by_key(by_id);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}
