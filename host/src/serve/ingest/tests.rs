use axum::http::{Method, Request};
use axum::response::Response;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use waystation_core::{ManualClock, Sequence, Timestamp};
use waystation_journal::embedded::{Embedded, Options};

use super::*;

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

struct Host {
    journal: Arc<Embedded>,
    router: Router,
    _folder: TempDir,
}

impl Host {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            folder: folder.path().to_owned(),
            clock: Arc::new(ManualClock::new(Timestamp::from_millis(1_000))),
        };
        let journal = Arc::new(Embedded::open(options).unwrap());
        let router = router(Ingest {
            journal: journal.clone(),
        });
        Self {
            journal,
            router,
            _folder: folder,
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
        let request = Request::post("/events").header("content-type", content_type);
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
    let request = Request::post("/events")
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
    let request = Request::post("/events").header("content-type", STRUCTURED);
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
