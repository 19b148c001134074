use serde_json::json;

use super::*;
use crate::load::{self, ORDERS, Script};

const SUBSCRIBERS: [Subscriber; 2] = [
    Subscriber {
        handler: "all",
        types: "test.scripted.",
    },
    Subscriber {
        handler: "orders",
        types: ORDERS,
    },
];

fn event(number: u64, script: Script) -> Event {
    Event {
        number,
        event_type: ORDERS,
        key: None,
        script,
        padding: 0,
    }
}

/// A ledger of event 1, which is handled; 2, which is not; 3, which publishes two
/// items; 4, which was refused; 5, which nobody knows of.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.note(&event(1, Script::Ack), Answer::Acknowledged);
    ledger.note(&event(2, Script::Reject), Answer::Acknowledged);
    ledger.note(
        &event(3, Script::Publish { count: 2 }),
        Answer::Acknowledged,
    );
    ledger.note(&event(4, Script::Ack), Answer::Refused);
    ledger.note(&event(5, Script::Ack), Answer::Unknown);
    ledger
}

fn store(found: &mut Findings, number: u64) {
    found.event(&json!({"source": load::source(number), "id": load::id(number)}));
}

fn effect(found: &mut Findings, handler: &str, cause: u64, index: Option<u32>) {
    found.event(&json!({
        "source": format!("/waystation/handlers/{handler}"),
        "type": if index.is_some() { load::ITEM } else { load::DONE },
        "causationid": load::id(cause),
        "data": {"index": index},
    }));
}

/// All that should be there of events 1 to 3, but what is left out.
fn findings(without: &[(&str, u64)]) -> Findings {
    let mut found = Findings::default();
    (1..=3).for_each(|number| store(&mut found, number));
    for handler in ["all", "orders"] {
        let is_there = |number: &u64| !without.contains(&(handler, *number));
        for number in [1, 3].into_iter().filter(is_there) {
            effect(&mut found, handler, number, None);
        }
        effect(&mut found, handler, 3, Some(1));
        effect(&mut found, handler, 3, Some(2));
        if is_there(&2) {
            found.dead(handler, 2);
        }
    }
    found
}

/// Compares with what should be there and this as well: how many are lost,
/// unexpected and repeated.
fn check(change: impl Fn(&mut Findings), expected: [usize; 3]) {
    let mut found = findings(&[]);
    change(&mut found);
    check_found(&found, expected);
}

fn check_found(found: &Findings, expected: [usize; 3]) {
    let report = ledger().check(&SUBSCRIBERS, found);
    let counts = [&report.lost, &report.unexpected, &report.repeated].map(Vec::len);
    assert_eq!(counts, expected, "{report}");
    assert_eq!(report.is_clean(), expected == [0; 3]);
}

#[test]
fn kept_promises_are_clean() {
    check(|_| {}, [0, 0, 0]);
}

#[test]
fn what_nobody_knows_of_may_be_there_or_not_but_not_half() {
    let stored_and_handled = |found: &mut Findings| {
        store(found, 5);
        effect(found, "all", 5, None);
        effect(found, "orders", 5, None);
    };
    check(stored_and_handled, [0, 0, 0]);
    check(|found| store(found, 5), [2, 0, 0]);
}

#[test]
fn a_loss_is_found() {
    check_found(&Findings::default(), [3, 0, 0]);
    check_found(&findings(&[("all", 1)]), [1, 0, 0]);
    check_found(&findings(&[("orders", 1), ("all", 2)]), [2, 0, 0]);
}

#[test]
fn effects_that_came_apart_are_found() {
    check_found(&findings(&[("orders", 3)]), [1, 0, 0]);
}

#[test]
fn what_should_not_be_there_is_found() {
    check(|found| store(found, 4), [2, 1, 0]);
    check(|found| store(found, 9), [0, 1, 0]);
    check(|found| effect(found, "all", 9, None), [0, 1, 0]);
    check(|found| effect(found, "other", 1, None), [0, 1, 0]);
    check(|found| effect(found, "all", 1, Some(1)), [0, 1, 0]);
    check(|found| found.dead("all", 9), [0, 1, 0]);
    check(|found| found.dead("all", 4), [0, 1, 0]);
    let foreign = json!({"source": "/elsewhere", "id": load::id(1)});
    check(|found| found.event(&foreign), [0, 1, 0]);
}

#[test]
fn a_repeat_is_found() {
    check(|found| store(found, 1), [0, 0, 1]);
    check(|found| effect(found, "all", 1, None), [0, 0, 1]);
    check(|found| effect(found, "orders", 3, Some(2)), [0, 0, 1]);
    check(|found| found.dead("all", 1), [0, 0, 1]);
}

#[test]
fn the_best_answer_to_an_event_counts() {
    let mut ledger = Ledger::default();
    for answer in [Answer::Refused, Answer::Acknowledged, Answer::Unknown] {
        ledger.note(&event(1, Script::Ack), answer);
    }
    let mut other = Ledger::default();
    other.note(&event(1, Script::Ack), Answer::Refused);
    ledger.merge(other);
    assert_eq!(ledger.count(Answer::Acknowledged), 1);
    let report = ledger.check(&SUBSCRIBERS, &Findings::default());
    assert_eq!((report.lost.len(), report.repeats), (1, 2));
}
