//! An event with all that it caused, drawn as a tree.

use super::deliveries::state;
use super::events::attribute;
use super::{clean, table};
use crate::api::{Attempt, AttemptOutcome, Branch, Event, Tree};

/// Something in the tree: its lines, and what hangs below it.
struct Node {
    lines: Vec<String>,
    children: Vec<Node>,
}

/// The tree of an event: its deliveries, the attempts of each, and the events
/// that it published, each again with its deliveries.
pub fn draw(tree: &Tree) -> String {
    let mut text = String::new();
    hang(&event_node(tree), "", "", &mut text);
    text
}

/// Draws a node. `first` leads its first line, `rest` every line after that.
fn hang(node: &Node, first: &str, rest: &str, text: &mut String) {
    let beside = if node.children.is_empty() {
        "  "
    } else {
        "│ "
    };
    for (number, line) in node.lines.iter().enumerate() {
        let lead = if number == 0 {
            first.to_owned()
        } else {
            format!("{rest}{beside}")
        };
        text.push_str(&format!("{lead}{line}\n"));
    }
    let last = node.children.len().saturating_sub(1);
    for (number, child) in node.children.iter().enumerate() {
        let (branch, trunk) = if number == last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        hang(
            child,
            &format!("{rest}{branch}"),
            &format!("{rest}{trunk}"),
            text,
        );
    }
}

fn event_node(tree: &Tree) -> Node {
    let mut children: Vec<Node> = tree.deliveries.iter().map(delivery_node).collect();
    if tree.cut {
        let line = "… and more that is not drawn; ask for one of these events to see it".to_owned();
        children.push(Node {
            lines: vec![line],
            children: Vec::new(),
        });
    }
    Node {
        lines: vec![event_line(&tree.event)],
        children,
    }
}

fn event_line(event: &Event) -> String {
    let [id, event_type, source] =
        ["id", "type", "source"].map(|name| clean::line(&attribute(event, name)));
    let accepted = clean::line(&event.accepted);
    format!(
        "event {}  {event_type}  {id}  from {source}  {accepted}",
        event.sequence
    )
}

fn delivery_node(branch: &Branch) -> Node {
    let delivery = &branch.delivery;
    let mut head = format!(
        "{}  {}  {}",
        delivery.handler,
        state(delivery.state),
        table::count(delivery.attempts_made, "attempt")
    );
    if let Some(due) = &delivery.due {
        head.push_str(&format!("  next at {}", clean::line(due)));
    }
    head.push_str(&format!("  {}", clean::line(&delivery.id)));
    let mut lines = vec![head];
    lines.extend(
        delivery
            .reason
            .iter()
            .flat_map(|reason| clean::lines(reason)),
    );

    let last_reason = delivery.reason.as_deref();
    let attempts = branch
        .attempts
        .iter()
        .map(|attempt| attempt_node(attempt, last_reason));
    let published = branch.published.iter().map(event_node);
    Node {
        lines,
        children: attempts.chain(published).collect(),
    }
}

/// The reason is left out where the delivery already says it.
fn attempt_node(attempt: &Attempt, last_reason: Option<&str>) -> Node {
    let outcome = match attempt.outcome {
        AttemptOutcome::Ack => "ack",
        AttemptOutcome::Retry => "retry",
        AttemptOutcome::Dead => "dead",
    };
    let code = attempt.code.map(|code| code.to_string());
    let code = code
        .filter(|code| code != outcome)
        .map_or_else(String::new, |code| format!(": {code}"));
    let head = format!(
        "attempt {}  {outcome}{code}  {}  {}  generation {}",
        attempt.attempt,
        clean::line(&attempt.started),
        took(attempt.took_us),
        attempt.generation.short()
    );
    let mut lines = vec![head];
    let reason = attempt
        .reason
        .as_deref()
        .filter(|reason| Some(*reason) != last_reason);
    lines.extend(reason.into_iter().flat_map(clean::lines));
    Node {
        lines,
        children: Vec::new(),
    }
}

/// A time in microseconds, for people.
fn took(micros: u64) -> String {
    format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(sequence: u64, id: &str, event_type: &str, deliveries: Value) -> Value {
        json!({
            "sequence": sequence, "accepted": "2026-01-31T12:00:00.000Z", "depth": 0,
            "event": {"id": id, "type": event_type, "source": "/orders"},
            "deliveries": deliveries,
        })
    }

    fn delivery(handler: &str, state: &str, attempts: &[Value], published: &[Value]) -> Value {
        let last = attempts.last();
        let of_last = |name| last.map_or(Value::Null, |last| last[name].clone());
        json!({
            "id": format!("{handler}.1.9f86d081884c"), "handler": handler, "sequence": 1,
            "event_id": "order-1", "event_source": "/orders", "event_type": "paid",
            "state": state, "attempts_made": attempts.len(), "due": null,
            "code": of_last("code"), "reason": of_last("reason"), "at": null,
            "attempts": attempts, "published": published,
        })
    }

    fn attempt(number: u32, outcome: &str, code: Option<&str>, reason: Option<&str>) -> Value {
        json!({
            "attempt": number, "generation": "ab".repeat(32), "took_us": 1_290,
            "started": "2026-01-31T12:00:01.000Z", "outcome": outcome,
            "code": code, "reason": reason,
        })
    }

    fn check(tree: Value, expected: &str) {
        assert_eq!(draw(&serde_json::from_value(tree).unwrap()), expected);
    }

    #[test]
    fn an_event_nobody_asked_for_is_one_line() {
        check(
            event(7, "order-1", "paid", json!([])),
            "event 7  paid  order-1  from /orders  2026-01-31T12:00:00.000Z\n",
        );
    }

    #[test]
    fn a_tree_shows_deliveries_attempts_and_what_was_published() {
        let mail = delivery(
            "mail",
            "dead",
            &[
                attempt(1, "retry", Some("timeout"), Some("took longer than 5 s")),
                attempt(
                    2,
                    "retry",
                    Some("trap"),
                    Some("unreachable\n  at handle\x1b[2J"),
                ),
                attempt(
                    3,
                    "dead",
                    Some("trap"),
                    Some("unreachable\n  at handle\x1b[2J"),
                ),
            ],
            &[],
        );
        let pending = delivery("stock", "pending", &[], &[]);
        let mut requested = event(
            2,
            "shipping.1.9f86d081884c.0",
            "requested",
            json!([pending]),
        );
        requested["cut"] = true.into();
        let shipping = delivery(
            "shipping",
            "done",
            &[attempt(1, "ack", None, None)],
            &[requested],
        );
        check(
            event(1, "order-1", "paid", json!([mail, shipping])),
            "\
event 1  paid  order-1  from /orders  2026-01-31T12:00:00.000Z
├─ mail  dead  3 attempts  mail.1.9f86d081884c
│  │ unreachable
│  │ at handle [2J
│  ├─ attempt 1  retry: timeout  2026-01-31T12:00:01.000Z  1.2 ms  generation abababababab
│  │    took longer than 5 s
│  ├─ attempt 2  retry: trap  2026-01-31T12:00:01.000Z  1.2 ms  generation abababababab
│  └─ attempt 3  dead: trap  2026-01-31T12:00:01.000Z  1.2 ms  generation abababababab
└─ shipping  done  1 attempt  shipping.1.9f86d081884c
   ├─ attempt 1  ack  2026-01-31T12:00:01.000Z  1.2 ms  generation abababababab
   └─ event 2  requested  shipping.1.9f86d081884c.0  from /orders  2026-01-31T12:00:00.000Z
      ├─ stock  pending  0 attempts  stock.1.9f86d081884c
      └─ … and more that is not drawn; ask for one of these events to see it
",
        );
    }
}
