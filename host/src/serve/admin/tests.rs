//! Every route, over a real journal, a real dispatch and a real handlers folder.
//! Only the handler is played: `shipping` answers orders.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::broadcast;
use tower::ServiceExt as _;
use waystation_core::{
    Code, Descriptor, Digest, Draft, Event, Failure, Filter, HandlerName, Instances, ManualClock,
    Order, Outcome, Settings, StateAccess, Timestamp, TypePattern,
};
use waystation_dispatch::{Completion, Invocation, Invoke, Notice};
use waystation_folder::{Folder, LoadError, Loader};
use waystation_journal::embedded::{self, Embedded};

use super::*;

fn pattern(text: &str) -> TypePattern {
    TypePattern::try_from(text.to_owned()).unwrap()
}

/// Takes any file as the handler of orders.
struct Orders(Dispatch);

#[async_trait]
impl Loader for Orders {
    type Component = ();

    async fn load(
        &self,
        _: &HandlerName,
        _: Digest,
        bytes: Bytes,
    ) -> Result<((), Descriptor), LoadError> {
        if bytes.as_ref() == b"broken" {
            return Err(LoadError::new("this is no component"));
        }
        let filter = Filter {
            types: vec![pattern("orders.*")],
            source: None,
            subject: None,
        };
        let descriptor = Descriptor {
            description: "Ships what was paid".to_owned(),
            subscriptions: vec![filter],
            publishes: vec![pattern("orders.*"), pattern("shipping.*")],
            capabilities: Vec::new(),
            order: Order::None,
            instances: Instances::Fresh,
        };
        Ok(((), descriptor))
    }

    async fn install(
        &self,
        name: &HandlerName,
        digest: Digest,
        (): &(),
        settings: Settings,
    ) -> Result<(), LoadError> {
        let installed = self
            .0
            .install(name.clone(), settings, Arc::new(Shipping(digest)));
        installed
            .await
            .map_err(|error| LoadError::new(error.to_string()))
    }

    async fn retire(&self, name: &HandlerName) {
        self.0.retire(name.clone()).await.unwrap();
    }
}

struct Shipping(Digest);

/// The draft with data that nests as deep as it may within an event.
fn deepest(draft: Draft) -> Draft {
    let depth = limits::JSON_DEPTH_MAX - 1;
    let data = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    Draft {
        data_content_type: Some("application/json".to_owned()),
        data: Some(data.into()),
        ..draft
    }
}

#[async_trait]
impl Invoke for Shipping {
    fn generation(&self) -> Digest {
        self.0
    }

    async fn invoke(&self, invocation: Invocation) -> Completion {
        let event_type = invocation.entry.event.event_type.as_str();
        let draft = |event_type: &str| Draft {
            event_type: event_type.to_owned(),
            ..Draft::default()
        };
        let failure = |code| Failure::new(code, "no such address");
        let (outcome, drafts) = match event_type {
            "orders.paid" => (Outcome::Ack, vec![draft("shipping.requested")]),
            "orders.again" => (Outcome::Ack, vec![deepest(draft("orders.again"))]),
            "orders.retried" => (Outcome::Retry(failure(Code::Retry)), vec![]),
            "orders.rejected" => (Outcome::Reject(failure(Code::Reject)), vec![]),
            "orders.endless" => std::future::pending().await,
            other => panic!("{other}"),
        };
        Completion {
            outcome,
            drafts,
            state: StateAccess::default(),
            took: Duration::from_millis(3),
        }
    }
}

struct Host {
    journal: Arc<Embedded>,
    notices: broadcast::Receiver<Notice>,
    ready: watch::Sender<bool>,
    router: Router,
    _folders: [TempDir; 2],
}

impl Host {
    async fn start() -> Self {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [data, handlers] = &folders;
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
        let options = embedded::Options {
            folder: data.path().to_owned(),
            clock: clock.clone(),
        };
        let journal = Arc::new(Embedded::open(options).unwrap());
        let workers = tokio::runtime::Handle::current();
        let options = waystation_dispatch::Options {
            clock: clock.clone(),
            system: clock.clone(),
            workers,
        };
        let dispatch = Dispatch::start(journal.clone(), options);
        let notices = dispatch.notices();

        for (file, content) in [("shipping.wasm", "good"), ("stock.wasm", "broken")] {
            std::fs::write(handlers.path().join(file), content).unwrap();
        }
        let mut options =
            waystation_folder::Options::new(handlers.path(), data.path().join("approvals.json"));
        options.settle = Duration::from_millis(1);
        let loader = Arc::new(Orders(dispatch.clone()));
        let folder = Folder::start(options, clock.clone(), loader).await.unwrap();
        assert!(folder.loaded().await);

        let (ready, is_ready) = watch::channel(true);
        let door = Door {
            names: Some(door::Names {
                bound: [127, 0, 0, 1].into(),
                hosts: Vec::new(),
            }),
            token: None,
            open: OPEN,
        };
        let admin = Admin {
            journal: journal.clone(),
            dispatch,
            folder,
            capsules: Capsules::start(data.path(), handlers.path(), Duration::MAX, clock).unwrap(),
            ready: is_ready,
            door,
        };
        Self {
            journal,
            notices,
            ready,
            router: router(admin),
            _folders: folders,
        }
    }

    async fn publish(&self, id: &str, event_type: &str) {
        let event = Event {
            id: id.to_owned(),
            source: "/test".to_owned(),
            event_type: event_type.to_owned(),
            ..Event::default()
        };
        self.journal.append(vec![event]).await.unwrap();
    }

    /// Waits until so many attempts were settled.
    async fn settled(&mut self, mut count: usize) {
        while count > 0 {
            if let Notice::Settled(_) = self.notices.recv().await.unwrap() {
                count -= 1;
            }
        }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        assert!(
            !response
                .headers()
                .keys()
                .any(|name| name.as_str().starts_with("access-control"))
        );
        let body = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(request(Method::GET, path).body(Body::empty()).unwrap())
            .await
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body.as_array().unwrap().clone()
    }

    async fn redrive(&self, body: Value) -> (StatusCode, Value) {
        let request = request(Method::POST, "/api/dead-letters/redrive");
        let request = request.header("content-type", "application/json");
        self.send(request.body(body.to_string().into()).unwrap())
            .await
    }
}

fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:8081")
}

#[track_caller]
fn holds(found: &Value, expected: Value) {
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&found[member], value, "{member} of {found}");
    }
}

#[tokio::test]
async fn a_tree_shows_what_an_event_caused() {
    let mut host = Host::start().await;
    host.publish("a", "orders.paid").await;
    host.settled(1).await;

    let trees = host.list("/api/events/tree?id=a").await;
    assert_eq!(
        trees,
        host.list("/api/events/tree?id=1").await,
        "an id or a sequence"
    );
    let [tree] = trees.as_slice() else {
        panic!("{trees:?}")
    };
    holds(tree, json!({ "sequence": 1, "depth": 0, "cut": null }));
    let branch = &tree["deliveries"][0];
    let expected = json!({ "handler": "shipping", "state": "done", "attempts_made": 1 });
    holds(branch, expected);
    holds(
        &branch["attempts"][0],
        json!({ "attempt": 1, "outcome": "ack", "took_us": 3000 }),
    );
    let published = &branch["published"][0];
    holds(
        published,
        json!({ "sequence": 2, "depth": 1, "deliveries": [] }),
    );
    let expected =
        json!({ "type": "shipping.requested", "causationid": "a", "correlationid": "a" });
    holds(&published["event"], expected);
}

#[tokio::test]
async fn a_long_chain_is_cut_and_goes_on_from_its_end() {
    let mut host = Host::start().await;
    host.publish("a", "orders.again").await;
    // Each event causes the next, up to the last that may cause none.
    host.settled(limits::DEPTH_MAX as usize + 1).await;

    let mut tree = host.list("/api/events/tree?id=a").await.remove(0);
    serde_json::from_str::<crate::api::Tree>(&tree.to_string()).expect("no parser is overtaxed");
    let mut level = 0;
    while let Some(next) = tree["deliveries"][0]["published"].get(0).cloned() {
        assert_eq!(tree["cut"], Value::Null);
        tree = next;
        level += 1;
    }
    assert_eq!(level, limits::TREE_DEPTH_MAX);
    holds(&tree, json!({ "cut": true, "depth": level }));
    assert!(tree["event"]["data"].is_array(), "{tree}");
    let id = tree["event"]["id"].as_str().unwrap();
    let rest = host.list(&format!("/api/events/tree?id={id}")).await;
    assert_eq!(rest[0]["deliveries"][0]["published"][0]["depth"], level + 1);
}

#[tokio::test]
async fn an_event_that_is_not_there_is_named() {
    let host = Host::start().await;
    for id in ["a%1B", "7", "99999999999999999999999"] {
        let (status, problem) = host.get(&format!("/api/events/tree?id={id}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .starts_with("no event has the id `")
        );
    }
}

#[tokio::test]
async fn events_come_newest_first_and_in_pages() {
    let host = Host::start().await;
    for id in ["a", "b", "c"] {
        host.publish(id, "users.registered").await;
    }
    let ids = |rows: Vec<Value>| -> Vec<String> {
        let id = |row: &Value| row["event"]["id"].as_str().unwrap().to_owned();
        rows.iter().map(id).collect()
    };
    assert_eq!(ids(host.list("/api/events").await), ["c", "b", "a"]);
    assert_eq!(ids(host.list("/api/events?limit=2").await), ["c", "b"]);
    assert_eq!(ids(host.list("/api/events?before=2").await), ["a"]);
}

#[tokio::test]
async fn deliveries_are_shown_by_state() {
    let mut host = Host::start().await;
    for (id, event_type) in [
        ("a", "orders.paid"),
        ("b", "orders.rejected"),
        ("c", "orders.retried"),
        ("d", "orders.endless"),
    ] {
        host.publish(id, event_type).await;
    }
    host.settled(3).await;
    for (state, expected) in [
        (
            "done",
            json!({ "event_id": "a", "attempts_made": 1, "code": null }),
        ),
        (
            "dead",
            json!({ "event_id": "b", "attempts_made": 1, "code": "reject" }),
        ),
        (
            "waiting",
            json!({ "event_id": "c", "attempts_made": 1, "code": "retry", "reason": "no such address" }),
        ),
        (
            "pending",
            json!({ "event_id": "d", "attempts_made": 0, "at": null }),
        ),
    ] {
        let rows = host.list(&format!("/api/deliveries?state={state}")).await;
        assert_eq!(rows.len(), 1, "{state}: {rows:?}");
        holds(&rows[0], json!({ "handler": "shipping", "state": state }));
        holds(&rows[0], expected);
        assert_eq!(rows[0]["due"].is_string(), state == "waiting");
    }
    assert_eq!(host.list("/api/deliveries").await.len(), 4);
    assert_eq!(host.list("/api/deliveries?limit=2").await.len(), 2);
    assert_eq!(
        host.list("/api/deliveries?handler=stock").await,
        [] as [Value; 0]
    );
    for (query, key) in [
        ("state=gone", "state"),
        ("handler=a/b", "handler"),
        ("color=red", "color"),
    ] {
        let (status, problem) = host.get(&format!("/api/deliveries?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(
            problem["detail"].as_str().unwrap().contains(key),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn dead_letters_are_tried_again() {
    let mut host = Host::start().await;
    let (status, _) = host.redrive(json!({ "all": {} })).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "there is none");
    host.publish("a", "orders.rejected").await;
    host.settled(1).await;

    let rows = host.list("/api/dead-letters?handler=shipping").await;
    assert_eq!(rows.len(), 1);
    holds(
        &rows[0],
        json!({ "event_id": "a", "state": "dead", "reason": "no such address" }),
    );
    let id = &rows[0]["id"];
    for redrive in [
        json!({ "delivery": id }),
        json!({ "handler": "shipping" }),
        json!({ "all": {} }),
    ] {
        let (status, body) = host.redrive(redrive).await;
        assert_eq!(
            (status, &body["deliveries"]),
            (StatusCode::OK, &json!([id]))
        );
        host.settled(1).await;
    }
    assert_eq!(host.list("/api/dead-letters").await[0]["attempts_made"], 4);

    for (redrive, expected) in [
        (json!({ "handler": "stock" }), StatusCode::NOT_FOUND),
        (
            json!({ "delivery": "shipping.1.000000000000" }),
            StatusCode::NOT_FOUND,
        ),
        (json!({ "delivery": "shipping" }), StatusCode::BAD_REQUEST),
        (json!({ "everything": {} }), StatusCode::BAD_REQUEST),
    ] {
        let (status, problem) = host.redrive(redrive).await;
        assert_eq!(status, expected, "{problem}");
    }
}

#[tokio::test]
async fn a_redrive_takes_only_json() {
    let host = Host::start().await;
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
    ] {
        let request = request(Method::POST, "/api/dead-letters/redrive");
        let request = request.header("content-type", content_type);
        let (status, _) = host
            .send(request.body(r#"{"all":{}}"#.into()).unwrap())
            .await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
}

#[tokio::test]
async fn handlers_show_what_serves_and_what_was_refused() {
    let mut host = Host::start().await;
    host.publish("a", "orders.rejected").await;
    host.settled(1).await;
    host.publish("b", "orders.retried").await;
    host.settled(1).await;
    let rows = host.list("/api/handlers").await;
    let [shipping, stock] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    let expected =
        json!({ "name": "shipping", "dead": 1, "waiting": 1, "running": 0, "refused": null });
    holds(shipping, expected);
    let expected = json!({ "generation": Digest::of(b"good"), "bytes": 4, "timeout_ms": 5000 });
    holds(&shipping["serving"], expected);
    holds(
        stock,
        json!({ "name": "stock", "serving": null, "behind": 0 }),
    );
    assert!(
        stock["refused"]["reason"]
            .as_str()
            .unwrap()
            .contains("no component"),
        "{stock}"
    );
    let parsed: Vec<crate::api::Handler> = serde_json::from_value(Value::Array(rows)).unwrap();
    assert_eq!(parsed.len(), 2);
    assert_eq!(host.list("/api/strays").await, [] as [Value; 0]);
}

#[tokio::test]
async fn readiness_follows_the_host() {
    let host = Host::start().await;
    assert_eq!(
        host.get("/readyz").await,
        (StatusCode::OK, json!({ "status": "ok" }))
    );
    host.ready.send_replace(false);
    assert_eq!(host.get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(host.get("/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_request_for_another_host_is_refused_everywhere() {
    let host = Host::start().await;
    for path in [
        "/healthz",
        "/api/handlers",
        "/api/dead-letters/redrive",
        "/nowhere",
    ] {
        let request = Request::get(path).header("host", "evil.example");
        let (status, problem) = host.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{path}");
        assert_eq!(problem["type"], "/problems/host");
    }
    assert_eq!(host.get("/nowhere").await.0, StatusCode::NOT_FOUND);
    let (status, _) = host.get("/api/dead-letters/redrive").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}
