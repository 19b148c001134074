//! The pool of instances, which all handlers share.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::timeout;
use waystation_core::{Instances, Outcome, limits};
use waystation_runtime::Generation;

use crate::guest::{Guest, RESULT};
use crate::trial::{Trial, attempt};
use crate::wasi::with_clock;

/// The attempts that are dropped.
const DROPPED: u64 = 2_000;

/// How many of them run side by side.
const SIDE_BY_SIDE: usize = 64;

/// The longest that one of them runs, in microseconds: longer than the guest
/// takes, so that some end by themselves.
const MICROSECONDS_MAX: u64 = 4_000;

/// Computes for a while, waits a millisecond and computes again.
fn busy_and_waiting() -> Guest {
    with_clock(Guest::handle(format!(
        "(call $compute)
        (call $block (call $subscribe (i64.const 1_000_000)))
        (call $compute)
        (i32.const {RESULT})"
    )))
    .fields(
        "(func $compute (local $left i32)
            (local.set $left (i32.const 100_000))
            (loop $again
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if $again (local.get $left))))",
    )
}

/// Waits for ever.
fn waiting() -> Guest {
    with_clock(Guest::handle(
        "(call $block (call $subscribe (i64.const -1))) unreachable",
    ))
}

/// Begins so many attempts of a guest that waits. Each holds its instance until
/// it is dropped.
fn hold(waiting: &Generation, count: usize) -> Vec<impl Future + Unpin> {
    let mut held: Vec<_> = (0..count).map(|_| Box::pin(attempt(waiting))).collect();
    for attempt in &mut held {
        let ended = attempt.now_or_never();
        assert!(ended.is_none(), "it ended with {ended:?}");
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_attempts_leave_nothing_behind() {
    let trial = Trial::new().await;
    let hostile = trial.generation(&busy_and_waiting()).await;
    let mut tasks = JoinSet::new();
    for index in 0..DROPPED {
        if tasks.len() == SIDE_BY_SIDE {
            tasks.join_next().await.unwrap().unwrap();
        }
        let hostile = Arc::clone(&hostile);
        // The factor is prime, so the points spread over the whole range.
        let limit = Duration::from_micros(index * 7_919 % MICROSECONDS_MAX);
        tasks.spawn(async move { timeout(limit, attempt(&hostile)).await.is_ok() });
    }
    let ended = tasks.join_all().await;
    assert_eq!(ended.len(), SIDE_BY_SIDE);

    for _ in 0..2 * limits::INSTANCES_MAX {
        trial.attempt_of_neighbour().await;
    }
    let waiting = trial.generation_with(&waiting(), |_| ()).await;
    hold(&waiting, limits::INSTANCES_MAX as usize);
}

/// All attempts in flight are of a handler that has as much as one may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_in_flight_do_not_use_up_the_pool() {
    // Two core instances, one of them with a memory, are the guest's anyway.
    let memories = limits::MEMORIES_MAX as usize - 1;
    let tables = limits::TABLES_MAX as usize;
    let empty = limits::CORE_INSTANCES_MAX as usize - 2 - memories - tables;
    let guest = waiting()
        .outside("(core module $memory (memory 1))")
        .outside(&"(core instance (instantiate $memory))".repeat(memories))
        .outside("(core module $table (table 1 funcref))")
        .outside(&"(core instance (instantiate $table))".repeat(tables))
        .outside("(core module $empty)")
        .outside(&"(core instance (instantiate $empty))".repeat(empty));
    let trial = Trial::new().await;
    // It has the time that a handler has by default: none may end before all are held.
    let greedy = trial.generation_with(&guest, |_| ()).await;
    let _held = hold(&greedy, limits::ATTEMPTS_IN_FLIGHT_MAX);
    trial.attempt_of_neighbour().await;
}

/// Idle instances of many handlers together are more than the pool has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_instances_do_not_use_up_the_pool() {
    let trial = Trial::new().await;
    let side_by_side = limits::CONCURRENCY_MAX;
    let mut handlers = Vec::new();
    for _ in 0..=limits::INSTANCES_MAX / side_by_side {
        let handler = trial
            .generation_with(&busy_and_waiting(), |settings| {
                settings.instances = Instances::Reused;
                settings.concurrency = side_by_side;
            })
            .await;
        for ended in join_all((0..side_by_side).map(|_| attempt(&handler))).await {
            assert_eq!(ended.outcome, Outcome::Ack);
        }
        handlers.push(handler);
    }
    trial.attempt_of_neighbour().await;
}
