use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{Method, Request};
use axum::response::Response;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use waystation_core::{ManualClock, Sequence, Timestamp};
use waystation_journal::embedded::{Embedded, Options};

use super::super::door;
use super::*;

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

struct Host {
    journal: Arc<Embedded>,
    router: Router,
    folder: TempDir,
}

impl Host {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            folder: folder.path().to_owned(),
            clock: Arc::new(ManualClock::new(Timestamp::from_millis(1_000))),
        };
        let journal = Arc::new(Embedded::open(options).unwrap());
        let names = door::Names {
            bound: [127, 0, 0, 1].into(),
            hosts: Vec::new(),
        };
        let router = router(Ingest {
            journal: journal.clone(),
            door: Door {
                names: Some(names),
                token: None,
                open: &[],
            },
            reserved: vec!["/webhooks/crm".to_owned()],
        });
        Self {
            journal,
            router,
            folder,
        }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
        let response: Response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 1_000_000)
            .await
            .unwrap();
        (status, headers, serde_json::from_slice(&body).unwrap())
    }

    async fn publish(&self, content_type: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = post_request("/events").header("content-type", content_type);
        let (status, _, body) = self.send(request.body(body.into()).unwrap()).await;
        (status, body)
    }

    async fn stored(&self) -> Vec<Event> {
        let entries = self
            .journal
            .read(Sequence(0), 100, usize::MAX)
            .await
            .unwrap();
        entries.iter().map(|entry| entry.event.clone()).collect()
    }

    async fn refuses(&self, content_type: &str, body: impl Into<Body>, expected: Value) {
        let (status, problem) = self.publish(content_type, body).await;
        let expected = expected.as_object().unwrap();
        for (member, value) in expected {
            assert_eq!(&problem[member], value, "{member} of {problem}");
        }
        assert_eq!(problem["status"], status.as_u16());
        assert_eq!(self.stored().await, [], "{problem}");
    }
}

fn post_request(path: &str) -> Builder {
    Request::post(path).header("host", "localhost:8080")
}

fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/orders", "type": "com.example.orders.paid.v1",
        "datacontenttype": "application/json", "data": { "order_id": "A-1" },
    })
}

#[tokio::test]
async fn a_structured_event_is_stored() {
    let host = Host::start();
    let (status, body) = host.publish(STRUCTURED, event("1").to_string()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(
        body,
        json!({ "accepted": 1, "duplicates": 0, "sequences": [1] })
    );
    let stored = host.stored().await;
    assert_eq!(stored[0].id, "1");
    assert_eq!(
        stored[0].data.as_deref(),
        Some(br#"{"order_id":"A-1"}"#.as_slice())
    );
}

#[tokio::test]
async fn a_binary_event_is_stored() {
    let host = Host::start();
    let request = post_request("/events")
        .header("ce-specversion", "1.0")
        .header("ce-id", "1")
        .header("ce-source", "/orders")
        .header("ce-type", "com.example.orders.paid.v1")
        .header("content-type", "text/plain")
        .body(Body::from("paid"))
        .unwrap();
    let (status, _, body) = host.send(request).await;
    assert_eq!(
        (status, &body["sequences"]),
        (StatusCode::ACCEPTED, &json!([1]))
    );
    let stored = host.stored().await;
    assert_eq!(stored[0].data_content_type.as_deref(), Some("text/plain"));
    assert_eq!(stored[0].data.as_deref(), Some(b"paid".as_slice()));
}

#[tokio::test]
async fn a_batch_is_stored_and_duplicates_are_counted() {
    let host = Host::start();
    let (status, _) = host.publish(STRUCTURED, event("1").to_string()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let batch = json!([event("2"), event("1"), event("3")]);
    let (status, body) = host.publish(BATCH, batch.to_string()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(
        body,
        json!({ "accepted": 2, "duplicates": 1, "sequences": [2, 1, 3] })
    );
    let (status, body) = host.publish(BATCH, "[]").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(
        body,
        json!({ "accepted": 0, "duplicates": 0, "sequences": [] })
    );
    assert_eq!(host.stored().await.len(), 3);
}

#[tokio::test]
async fn a_malformed_event_is_named_and_not_stored() {
    let host = Host::start();
    let mut wrong = event("1");
    wrong["source"] = json!("not a uri");
    let expected = json!({
        "status": 400, "type": "/problems/attribute", "attribute": "source", "rule": "uri-reference",
    });
    host.refuses(STRUCTURED, wrong.to_string(), expected).await;

    let expected = json!({
        "status": 400, "attribute": "source", "rule": "uri-reference", "index": 1,
    });
    let batch = json!([event("2"), wrong, event("3")]);
    host.refuses(BATCH, batch.to_string(), expected).await;

    let expected = json!({ "status": 400, "type": "/problems/body", "rule": "json-syntax" });
    host.refuses(STRUCTURED, "{", expected).await;
}

#[tokio::test]
async fn plain_json_gets_a_hint() {
    let host = Host::start();
    let (status, problem) = host
        .publish("application/json", r#"{"order_id":"A-1"}"#)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("application/cloudevents+json"), "{detail}");
    assert_eq!(host.stored().await, []);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let host = Host::start();
    let expected = json!({ "status": 413, "rule": "body-size" });
    host.refuses(STRUCTURED, vec![b' '; limits::BODY_BYTES_MAX + 1], expected)
        .await;
    let mut large = event("1");
    large["data"] = json!("x".repeat(limits::EVENT_BYTES_MAX));
    let expected = json!({ "status": 413, "rule": "event-size" });
    host.refuses(STRUCTURED, large.to_string(), expected).await;
}

#[tokio::test]
async fn an_unknown_format_is_refused() {
    let expected = json!({ "status": 415, "type": "/problems/media-type" });
    Host::start()
        .refuses("application/cloudevents+avro", "x", expected)
        .await;
}

#[tokio::test]
async fn a_closed_journal_takes_nothing() {
    let host = Host::start();
    host.journal.close().await.unwrap();
    let request = post_request("/events").header("content-type", STRUCTURED);
    let (status, headers, _) = host
        .send(request.body(event("1").to_string().into()).unwrap())
        .await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers.get(header::RETRY_AFTER), None);
}

#[tokio::test]
async fn other_paths_and_methods_are_problems() {
    let host = Host::start();
    for (method, path, expected) in [
        (Method::GET, "/events", StatusCode::METHOD_NOT_ALLOWED),
        (Method::PUT, "/events", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/", StatusCode::NOT_FOUND),
        (Method::POST, "/events/", StatusCode::NOT_FOUND),
        (Method::GET, "/api/events", StatusCode::NOT_FOUND),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost:8080")
            .body(Body::empty())
            .unwrap();
        let (status, headers, problem) = host.send(request).await;
        assert_eq!(status, expected, "{path}");
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(problem["status"], expected.as_u16());
        let allow = headers
            .get(header::ALLOW)
            .map(|value| value.to_str().unwrap());
        assert_eq!(
            allow,
            (expected == StatusCode::METHOD_NOT_ALLOWED).then_some("POST")
        );
    }
}

/// Another program that holds the file makes every append wait and then fail, as
/// a queue that is full does.
#[tokio::test]
async fn what_a_busy_journal_does_not_take_is_to_be_sent_again() {
    let host = Host::start();
    let file = host.folder.path().join("journal.sqlite");
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let request = || {
        let request = post_request("/events").header("content-type", STRUCTURED);
        request.body(event("1").to_string().into()).unwrap()
    };
    let (status, headers, problem) = host.send(request()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(headers[header::RETRY_AFTER], "1");
    assert_eq!(problem["type"], "/problems/busy");
    other.execute_batch("ROLLBACK").unwrap();
    let (status, ..) = host.send(request()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn nobody_else_publishes_in_the_name_of_a_handler_or_a_webhook() {
    let host = Host::start();
    for source in ["/waystation/handlers/shipping", "/webhooks/crm"] {
        let mut forged = event("1");
        forged["source"] = json!(source);
        let expected = json!({ "status": 400, "attribute": "source", "rule": "reserved" });
        host.refuses(STRUCTURED, forged.to_string(), expected).await;
    }
}

/// A page may send these from anywhere without asking (Fetch Standard:
/// CORS-safelisted methods and media types). None of them is an event.
#[tokio::test]
async fn what_a_page_may_send_unasked_is_no_event() {
    let host = Host::start();
    for content_type in [
        "text/plain",
        "text/plain; charset=application/cloudevents+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let expected = json!({ "status": 400, "rule": "required" });
        host.refuses(content_type, event("1").to_string(), expected)
            .await;
    }
}

/// For anything else it must ask, and is not answered.
#[tokio::test]
async fn a_page_that_asks_is_not_allowed_to_publish() {
    let host = Host::start();
    let asks = Request::options("/events")
        .header("host", "localhost:8080")
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type, ce-id");
    let (status, headers, _) = host.send(asks.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let allows = |name: &str| name.starts_with("access-control");
    assert!(!headers.keys().any(|name| allows(name.as_str())));

    for (header, value) in [
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let request = post_request("/events")
            .header("content-type", STRUCTURED)
            .header(header, value);
        let request = request.body(event("1").to_string().into()).unwrap();
        assert_eq!(host.send(request).await.0, StatusCode::FORBIDDEN);
    }
    assert_eq!(host.stored().await, []);
}

/// A page that has its own name point to this machine counts as of one origin
/// with it, and need not ask.
#[tokio::test]
async fn a_name_that_was_pointed_here_does_not_publish() {
    let host = Host::start();
    let request = Request::post("/events")
        .header("host", "evil.example:8080")
        .header("origin", "http://evil.example:8080")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", STRUCTURED);
    let request = request.body(event("1").to_string().into()).unwrap();
    assert_eq!(host.send(request).await.0, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(host.stored().await, []);
}
