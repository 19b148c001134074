//! What the programs offer, and what many rounds of a measurement come to.

use std::collections::BTreeMap;

use waystation_core::Event;

/// The type of the events that the handlers of the programs ask for.
pub const TYPE: &str = "test.measured.order.v1";

/// An event for the `measured` fixture, whose data takes so many bytes.
pub fn event(number: u64, data_bytes: usize) -> Event {
    let empty = data(number, "");
    let padding = "x".repeat(data_bytes.saturating_sub(empty.len()));
    Event {
        id: format!("bench-{number}"),
        source: "/bench".into(),
        event_type: TYPE.into(),
        subject: Some(format!("o-{number}")),
        time: Some("2026-01-01T00:00:00Z".into()),
        data_content_type: Some("application/json".into()),
        data_schema: None,
        extensions: BTreeMap::new(),
        data: Some(data(number, &padding).into()),
    }
}

fn data(number: u64, padding: &str) -> String {
    format!(r#"{{"order_id": "o-{number}", "padding": "{padding}"}}"#)
}

/// So many bytes, for people.
pub fn size(bytes: usize) -> String {
    match bytes {
        1024.. => format!("{} KiB", bytes / 1024),
        _ => format!("{bytes} B"),
    }
}

/// The middle one, which one disturbed round does not move.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
