//! Events over HTTP, in each mode, and what they cause.

use serde_json::{Value, json};

use e2e::host::{BATCH, STRUCTURED, Site};

const PAYMENT: &str = "com.example.orders.payment-completed.v1";
const SHIPMENT: &str = "com.example.shipping.shipment-requested.v1";

fn payment(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/orders", "type": PAYMENT,
        "data": {
            "order_id": id, "amount_cents": 4990, "currency": "EUR",
            "paid_at": "2026-03-14T09:26:53Z",
        },
    })
}

/// Each mode is answered 202, and the tree shows payment, delivery and shipment
/// with their causes.
#[test]
fn each_mode_is_accepted_and_its_tree_is_drawn() {
    let site = Site::with(&["shipping"]);
    let mut host = site.start();

    let (status, body) = host.post(&[STRUCTURED], payment("structured").to_string());
    assert_eq!(status, 202, "{body}");
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "binary"),
        ("ce-source", "/orders"),
        ("ce-type", PAYMENT),
        ("content-type", "application/json"),
    ];
    let (status, body) = host.post(&binary, payment("binary")["data"].to_string());
    assert_eq!(status, 202, "{body}");
    let batch = json!([payment("batch-1"), payment("batch-2")]);
    let (status, body) = host.post(&[BATCH], batch.to_string());
    assert_eq!(status, 202, "{body}");

    for id in ["structured", "binary", "batch-1", "batch-2"] {
        host.wait_for_delivery(id, "shipping", "done");
        let trees = host.cli_json(&["events", id]);
        let delivery = &trees[0]["deliveries"][0];
        assert_eq!(delivery["handler"], "shipping");
        assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1);
        let published = &delivery["published"][0]["event"];
        assert_eq!(published["type"], SHIPMENT);
        assert_eq!(published["correlationid"], id);
        assert_eq!(published["causationid"], id);
        assert_eq!(published["data"]["order_id"], id);
    }
}

#[test]
fn the_same_event_twice_is_one_event() {
    let site = Site::with(&["shipping"]);
    let mut host = site.start();
    for _ in 0..3 {
        let (status, body) = host.post(&[STRUCTURED], payment("once").to_string());
        assert_eq!(status, 202, "{body}");
    }
    host.wait_for_delivery("once", "shipping", "done");
    assert_eq!(host.of_type(PAYMENT).len(), 1);
    assert_eq!(host.of_type(SHIPMENT).len(), 1);
}

#[test]
fn a_malformed_event_is_refused_and_not_stored() {
    let site = Site::empty();
    let host = site.start();
    let mut no_id = payment("x");
    no_id.as_object_mut().unwrap().remove("id");
    let mut forged = payment("x");
    forged["source"] = "/waystation/handlers/shipping".into();
    let batch = json!([payment("good"), no_id]);
    let mut large = payment("large");
    large["data"]["order_id"] = "x".repeat(2 * 1024 * 1024).into();
    for (headers, body, status, attribute) in [
        (STRUCTURED, no_id.to_string(), 400, Some("id")),
        (
            STRUCTURED,
            payment("x").to_string().replace("1.0", "0.3"),
            400,
            Some("specversion"),
        ),
        (STRUCTURED, forged.to_string(), 400, Some("source")),
        (STRUCTURED, "{".to_owned(), 400, None),
        (BATCH, batch.to_string(), 400, Some("id")),
        (
            ("content-type", "application/cloudevents+avro"),
            String::new(),
            415,
            None,
        ),
        (
            ("content-type", "application/json"),
            "{}".to_owned(),
            400,
            Some("specversion"),
        ),
        (STRUCTURED, large.to_string(), 413, None),
    ] {
        let (answer, problem) = host.post(&[headers], &body);
        assert_eq!(answer, status, "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].is_string(), "{problem}");
        if let Some(attribute) = attribute {
            assert_eq!(problem["attribute"], attribute, "{problem}");
        }
    }
    assert_eq!(host.journal(), Vec::<Value>::new(), "nothing was stored");
}

/// One event, two contexts.
#[test]
fn an_event_goes_to_every_handler_that_asks_for_it() {
    let site = Site::with(&["catalogue", "stock", "shipping"]);
    let mut host = site.start();
    let event = include_str!("../../handlers/catalogue/event.json");
    let (status, body) = host.post(&[STRUCTURED], event);
    assert_eq!(status, 202, "{body}");
    for handler in ["catalogue", "stock"] {
        host.wait_for_delivery("product-88", handler, "done");
    }
    let deliveries = host.tree("product-88")["deliveries"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(deliveries, 2);
}

/// Each sample handler handles the sample event that lies beside it, and a
/// domain event becomes the integration event that shipping waits for.
#[test]
fn the_samples_handle_their_sample_events() {
    let samples = [
        "catalogue",
        "order-translator",
        "shipping",
        "stock",
        "storefront",
        "welcome-mail",
    ];
    let site = Site::with(&samples);
    let mut host = site.start();
    for sample in samples {
        let path = format!(
            "{}/../handlers/{sample}/event.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let event = std::fs::read_to_string(path).unwrap();
        let (status, body) = host.post(&[STRUCTURED], &event);
        assert_eq!(status, 202, "{body}");
        let event: Value = serde_json::from_str(&event).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        let delivery = host.wait_for_delivery(&id, sample, "done");
        assert_eq!(delivery["attempts"][0]["outcome"], "ack", "{delivery}");
    }
    let chain = host.wait_until("the order was shipped", |host| {
        let tree = host.tree("order-paid-4711");
        let payment = &tree["deliveries"][0]["published"][0];
        let shipment = &payment["deliveries"][0]["published"][0]["event"];
        shipment
            .is_object()
            .then(|| (payment["event"].clone(), shipment.clone()))
    });
    assert_eq!(chain.0["type"], PAYMENT);
    assert_eq!(chain.1["type"], SHIPMENT);
    assert_eq!(chain.1["correlationid"], "order-paid-4711");
    assert_eq!(chain.1["causationid"], chain.0["id"]);
}
