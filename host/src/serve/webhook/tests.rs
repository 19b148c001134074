use std::time::Duration;

use axum::http::Request;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use waystation_core::{ManualClock, Sequence, Timestamp};
use waystation_journal::embedded::{Embedded, Options};

use super::*;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SECONDS: u64 = 1_800_000_000;

struct Host {
    clock: Arc<ManualClock>,
    journal: Arc<Embedded>,
    router: Router,
    folder: TempDir,
}

/// A call of the webhook `crm`.
#[derive(Clone, Copy)]
struct Sent {
    id: &'static str,
    seconds: u64,
    key: &'static str,
    body: &'static str,
}

const SENT: Sent = Sent {
    id: "msg_1",
    seconds: SECONDS,
    key: KEY,
    body: r#"{"customer": 1}"#,
};

impl Sent {
    fn request(self) -> Request<Body> {
        let timestamp = self.seconds.to_string();
        let key = Key::new(self.key).unwrap();
        let signature = signature::sign(&key, self.id, &timestamp, self.body.as_bytes());
        Request::post("/webhooks/crm")
            .header("content-type", "application/json")
            .header("webhook-id", self.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(self.body.into())
            .unwrap()
    }
}

impl Host {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(SECONDS * 1_000)));
        let options = Options {
            folder: folder.path().to_owned(),
            clock: clock.clone(),
        };
        let journal = Arc::new(Embedded::open(options).unwrap());
        let crm = Webhook {
            name: "crm".to_owned(),
            event_type: "com.example.crm.changed.v1".to_owned(),
            source: "/webhooks/crm".to_owned(),
            keys: vec![Key::new(KEY).unwrap()],
        };
        let router = router(Webhooks {
            journal: journal.clone(),
            clock: clock.clone(),
            webhooks: vec![crm],
        });
        Self {
            clock,
            journal,
            router,
            folder,
        }
    }

    async fn send(&self, request: Request<Body>) -> (u16, HeaderMap, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 1_000_000).await;
        let body = serde_json::from_slice(&body.unwrap()).unwrap();
        (status, headers, body)
    }

    async fn stored(&self) -> Vec<Event> {
        let entries = self.journal.read(Sequence(0), 100, usize::MAX).await;
        let entries = entries.unwrap();
        entries.iter().map(|entry| entry.event.clone()).collect()
    }

    async fn refuses(&self, request: Request<Body>, expected: (u16, &str)) {
        let before = self.stored().await;
        let (status, _, problem) = self.send(request).await;
        let kind = format!("/problems/{}", expected.1);
        assert_eq!((status, &problem["type"]), (expected.0, &json!(kind)));
        assert_eq!(self.stored().await, before, "nothing was stored");
    }
}

#[tokio::test]
async fn a_signed_call_is_an_event() {
    let host = Host::start();
    let (status, _, body) = host.send(SENT.request()).await;
    let expected = json!({ "accepted": 1, "duplicates": 0, "sequences": [1] });
    assert_eq!((status, body), (202, expected));
    let expected = Event {
        id: "msg_1".to_owned(),
        source: "/webhooks/crm".to_owned(),
        event_type: "com.example.crm.changed.v1".to_owned(),
        time: Some("2027-01-15T08:00:00.000Z".to_owned()),
        data_content_type: Some("application/json".to_owned()),
        data: Some(SENT.body.into()),
        ..Event::default()
    };
    assert_eq!(host.stored().await, [expected]);
}

#[tokio::test]
async fn data_is_bytes_of_any_kind() {
    let host = Host::start();
    let mut request = SENT.request();
    let body = b"\xff\x00";
    let key = Key::new(KEY).unwrap();
    let signature = signature::sign(&key, SENT.id, &SECONDS.to_string(), body);
    let headers = request.headers_mut();
    headers.insert("webhook-signature", signature.parse().unwrap());
    headers.insert("content-type", "application/octet-stream".parse().unwrap());
    *request.body_mut() = Body::from(body.as_slice());
    assert_eq!(host.send(request).await.0, 202);
    assert_eq!(host.stored().await[0].data.as_deref(), Some(&body[..]));
}

/// A sender that heard no answer tries again, with the time and signature of the
/// new attempt.
#[tokio::test]
async fn a_call_that_is_sent_again_is_the_same_event() {
    let host = Host::start();
    host.send(SENT.request()).await;
    host.clock.advance(Duration::from_secs(3_600));
    let again = Sent {
        seconds: SECONDS + 3_600,
        ..SENT
    };
    let (status, _, body) = host.send(again.request()).await;
    let expected = json!({ "accepted": 0, "duplicates": 1, "sequences": [1] });
    assert_eq!((status, body), (202, expected));
    assert_eq!(host.stored().await.len(), 1);
}

#[tokio::test]
async fn another_body_under_a_known_id_is_refused() {
    let host = Host::start();
    host.send(SENT.request()).await;
    for body in [r#"{"customer": 2}"#, ""] {
        let other = Sent { body, ..SENT };
        host.refuses(other.request(), (409, "conflict")).await;
    }
}

#[tokio::test]
async fn what_was_overheard_is_of_no_use_later() {
    let host = Host::start();
    host.clock.advance(limits::WEBHOOK_TOLERANCE);
    assert_eq!(host.send(SENT.request()).await.0, 202);
    host.clock.advance(Duration::from_millis(1));
    host.refuses(SENT.request(), (401, "signature")).await;
}

#[tokio::test]
async fn a_call_that_is_not_the_senders_is_refused_alike_whatever_is_wrong() {
    let host = Host::start();
    let mut problems = Vec::new();
    let forged = Sent {
        key: "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ..SENT
    };
    let late = Sent {
        seconds: SECONDS - 301,
        ..SENT
    };
    let mut requests = vec![forged.request(), late.request()];
    for header in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut request = SENT.request();
        request.headers_mut().remove(header);
        requests.push(request);
        let mut request = SENT.request();
        request.headers_mut().insert(header, "1".parse().unwrap());
        requests.push(request);
    }
    let mut changed = SENT.request();
    *changed.body_mut() = r#"{"customer": 9}"#.into();
    requests.push(changed);
    for request in requests {
        let (status, headers, problem) = host.send(request).await;
        assert_eq!(status, 401, "{problem}");
        assert_eq!(headers[header::WWW_AUTHENTICATE], "Standard-Webhooks");
        problems.push(problem);
    }
    problems.dedup();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(host.stored().await, []);
}

#[tokio::test]
async fn a_webhook_has_its_bounds() {
    let host = Host::start();
    let mut large = SENT.request();
    *large.body_mut() = vec![b' '; limits::EVENT_BYTES_MAX + 1].into();
    host.refuses(large, (413, "too-large")).await;
    let nobody = Request::post("/webhooks/nobody").body(Body::empty());
    host.refuses(nobody.unwrap(), (404, "not-found")).await;
    let read = Request::get("/webhooks/crm").body(Body::empty());
    host.refuses(read.unwrap(), (405, "method")).await;
}

#[tokio::test]
async fn what_a_busy_journal_does_not_take_is_to_be_sent_again() {
    let host = Host::start();
    let file = host.folder.path().join("journal.sqlite");
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (status, headers, problem) = host.send(SENT.request()).await;
    assert_eq!(status, 503, "{problem}");
    assert_eq!(headers[header::RETRY_AFTER], "1");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(host.send(SENT.request()).await.0, 202);
}
