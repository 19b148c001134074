//! More comes than the host can take, and more than its handlers can.

use std::time::Duration;

use e2e::{backlog, guests, overload};

/// `make overload` is the same for longer.
#[test]
fn an_overloaded_host_refuses_keeps_its_memory_flat_and_loses_nothing() {
    let outcome = overload::run(&guests::scratch(), Duration::from_secs(6));
    println!("{outcome}");
    assert!(outcome.keeps_promises(), "{outcome}");
}

/// `make backlog` is the same for ten times as many.
#[test]
fn a_backlog_costs_neither_memory_nor_a_slow_start_and_drains() {
    let small = backlog::run(&guests::scratch(), 10_000);
    let large = backlog::run(&guests::scratch(), 100_000);
    println!("{small}\n{large}");
    assert!(small.keeps_promises(), "{small}");
    assert!(large.keeps_promises(), "{large}");
    assert!(large.grew_little_since(&small), "{small}\n{large}");
}
