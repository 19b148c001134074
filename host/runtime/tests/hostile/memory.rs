//! Guests that want more than they may have.

use waystation_core::{Code, limits};

use crate::guest::{ANSWER, Guest, RESULT};
use crate::trial::{MEMORY_BYTES, MEMORY_PAGES, check};
use crate::wasi::{with_clock, with_function};

#[tokio::test]
async fn recursion_without_end() {
    let reason = check(
        Guest::handle("(call $down (local.get 0))")
            .fields("(func $down (param i32) (result i32) (call $down (local.get 0)) (i32.const 1) i32.add)"),
        Code::Trap,
    )
    .await;
    assert!(reason.contains("stack is full"), "{reason}");
    assert!(
        reason.matches("\n  at ").count() <= limits::BACKTRACE_FRAMES_MAX,
        "{reason}"
    );
}

#[tokio::test]
async fn a_memory_that_grows_without_end() {
    let reason = check(
        Guest::handle(
            "(loop $again
                (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            unreachable",
        ),
        Code::Memory,
    )
    .await;
    let (wanted, allowed) = (MEMORY_BYTES + 64 * 1024, MEMORY_BYTES);
    assert_eq!(
        reason,
        format!("wanted {wanted} bytes of memory and may have {allowed}")
    );
}

/// Three instances with a memory each grow in turn; if they get more pages
/// together than the handler may have, the event is acknowledged.
#[tokio::test]
async fn memories_that_grow_without_end_together() {
    const MEMORIES: [&str; 3] = ["a", "b", "c"];
    let all = |text: fn(&str) -> String| MEMORIES.map(text).concat();
    let grow_each = all(|name| {
        format!(
            "(if (i32.ne (call $grow-{name}) (i32.const -1)) (then
                (local.set $got (i32.add (local.get $got) (i32.const 1))) (br $again)))"
        )
    });
    let instances = all(|name| {
        format!(
            r#"(core instance $bomb-{name} (instantiate $bomb))
            (alias core export $bomb-{name} "grow" (core func $grow-{name}))"#
        )
    });
    let guest = Guest::handle(format!(
        "(local $got i32)
        (loop $again {grow_each})
        (if (i32.lt_u (local.get $got) (i32.const {MEMORY_PAGES})) (then unreachable))
        (i32.const {RESULT})"
    ))
    .outside(
        r#"(core module $bomb
            (memory 0)
            (func (export "grow") (result i32) (memory.grow (i32.const 1))))"#,
    )
    .outside(&instances);
    let guest = MEMORIES.iter().fold(guest, |guest, name| {
        guest.call(&format!("grow-{name}"), "(result i32)")
    });
    check(guest, Code::Memory).await;
}

/// What `describe` may have of memory an attempt may not.
#[tokio::test]
async fn a_memory_that_begins_too_large() {
    let pages = MEMORY_PAGES + 1;
    let outside =
        format!("(core module $large (memory {pages})) (core instance (instantiate $large))");
    let reason = check(Guest::well_behaved().outside(&outside), Code::Memory).await;
    assert!(reason.starts_with("wanted "), "{reason}");
}

#[tokio::test]
async fn a_table_that_grows_without_end() {
    let reason = check(
        Guest::handle(
            "(loop $again
                (br_if $again (i32.ne
                    (table.grow (ref.null func) (i32.const 1024)) (i32.const -1))))
            unreachable",
        )
        .fields("(table 0 funcref)"),
        Code::Memory,
    )
    .await;
    let (wanted, allowed) = (
        limits::TABLE_ELEMENTS_MAX + 1024,
        limits::TABLE_ELEMENTS_MAX,
    );
    assert_eq!(
        reason,
        format!("wanted a table of {wanted} elements and may have {allowed}")
    );
}

/// Each pollable is a resource of the host.
#[tokio::test]
async fn resources_of_the_host_that_are_never_dropped() {
    let reason = check(
        with_clock(Guest::handle(
            "(loop $again (drop (call $subscribe (i64.const -1))) (br $again)) unreachable",
        )),
        Code::Trap,
    )
    .await;
    assert!(reason.contains("resource table"), "{reason}");
}

/// A handle to a resource of the guest costs the host memory too. A guest that
/// gets one more than it may have acknowledges the event.
#[tokio::test]
async fn resources_of_the_guest_that_are_never_dropped() {
    let too_many = limits::RESOURCES_MAX + 1;
    let reason = check(
        Guest::handle(format!(
            "(local $made i32)
            (loop $again
                (drop (call $make (i32.const 0)))
                (local.set $made (i32.add (local.get $made) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $made) (i32.const {too_many}))))
            (i32.const {RESULT})"
        ))
        .outside(
            "(type $thing (resource (rep i32)))
            (core func $make (canon resource.new $thing))",
        )
        .call("make", "(param i32) (result i32)"),
        Code::Trap,
    )
    .await;
    assert!(reason.contains("handle limit exceeded"), "{reason}");
}

#[tokio::test]
async fn more_random_bytes_than_one_call_gives() {
    let too_many = limits::RANDOM_BYTES_MAX + 1;
    for (interface, name) in [
        ("random/random", "get-random-bytes"),
        ("random/insecure", "get-insecure-random-bytes"),
    ] {
        for length in [too_many, u64::MAX] {
            let guest = Guest::handle(format!(
                "(call ${name} (i64.const {length}) (i32.const {ANSWER})) (i32.const {RESULT})"
            ));
            let guest = with_function(
                guest,
                interface,
                name,
                r#"(param "len" u64) (result (list u8))"#,
                "(param i64 i32)",
            );
            let reason = check(guest, Code::Trap).await;
            assert!(reason.contains("exceeds limit"), "{reason}");
        }
    }
}
