//! Guests that do not return.

use waystation_core::Code;
use waystation_runtime::LoadError;

use crate::guest::{Guest, RESULT};
use crate::trial::{Trial, check};
use crate::wasi::with_clock;

const FOR_EVER: &str = "(loop $again (br $again)) unreachable";

/// In nanoseconds, as long as a duration can be: more than 500 years.
const AGES: &str = "(i64.const -1)";

/// In nanoseconds, an hour.
const HOUR: &str = "(i64.const 3_600_000_000_000)";

async fn check_times_out(guest: Guest) {
    let reason = check(guest, Code::Timeout).await;
    assert_eq!(reason, "it took longer than 200ms");
}

async fn check_describe_times_out(guest: Guest) {
    assert_eq!(Trial::new().await.refusal(&guest).await, LoadError::Slow);
}

#[tokio::test]
async fn an_endless_handle() {
    check_times_out(Guest::handle(FOR_EVER)).await;
}

#[tokio::test]
async fn an_endless_describe() {
    check_describe_times_out(Guest::well_behaved().describe(FOR_EVER)).await;
}

#[tokio::test]
async fn an_endless_start_function() {
    let start = format!("(start $start) (func $start {FOR_EVER})");
    check_describe_times_out(Guest::well_behaved().fields(&start)).await;
}

/// What `describe` may have of memory an attempt may not.
#[tokio::test]
async fn a_start_function_that_is_endless_only_in_an_attempt() {
    let start = format!(
        "(start $start) (func $start
            (if (i32.eq (memory.grow (i32.const 1024)) (i32.const -1)) (then {FOR_EVER})))"
    );
    check_times_out(Guest::well_behaved().fields(&start)).await;
}

#[tokio::test]
async fn an_endless_function_after_the_result() {
    check_times_out(Guest::well_behaved().after(FOR_EVER)).await;
}

#[tokio::test]
async fn a_wait_past_the_deadline() {
    for duration in [HOUR, AGES] {
        check_times_out(with_clock(Guest::handle(format!(
            "(call $block (call $subscribe {duration})) (i32.const {RESULT})"
        ))))
        .await;
    }
}

#[tokio::test]
async fn a_poll_of_pollables_far_in_the_future() {
    check_times_out(with_clock(Guest::handle(format!(
        "(i32.store (i32.const 64) (call $subscribe {HOUR}))
        (i32.store (i32.const 68) (call $subscribe {AGES}))
        (call $poll (i32.const 64) (i32.const 2) (i32.const 128))
        (i32.const {RESULT})"
    ))))
    .await;
}

#[tokio::test]
async fn waits_of_no_time_without_end() {
    check_times_out(with_clock(Guest::handle(
        "(local $past i32)
        (local.set $past (call $subscribe (i64.const 0)))
        (loop $again (call $block (local.get $past)) (br $again))
        unreachable",
    )))
    .await;
}
