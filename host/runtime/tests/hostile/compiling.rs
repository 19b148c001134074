//! What costs the compiler too much is given up, and the process that runs the
//! handlers does not notice.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use waystation_core::HandlerName;
use waystation_runtime::{Budget, Cache, Compiler, Component, Engine, Excess, LoadError};

use crate::bomb;
use crate::guest::Guest;

/// Enough for any handler written by hand.
const BUDGET: Budget = Budget {
    processor_seconds: 1,
    memory_bytes: 256 * 1024 * 1024,
    code_bytes: 4 * 1024 * 1024,
    timeout: Duration::from_secs(120),
};

/// By how much the memory of this process may grow, in bytes: with copies of the
/// component and of the compiled code.
const GROWTH_BYTES_MAX: u64 = 96 * 1024 * 1024;

fn compiler(budget: Budget) -> Compiler {
    let program = env!("CARGO_BIN_EXE_compile-for-tests");
    Compiler::new(program, [""; 0]).with_budget(budget)
}

fn engine(cache: Option<Cache>, budget: Budget) -> Engine {
    Engine::new(cache).unwrap().compile_with(compiler(budget))
}

async fn load(engine: &Engine, bytes: &Bytes) -> Result<(), LoadError> {
    let name = HandlerName::new("test").unwrap();
    let loaded = Component::load(engine, &name, bytes.clone()).await;
    loaded.map(drop)
}

/// The most memory that this process ever used, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.trim().parse().ok())
        .unwrap();
    kib * 1024
}

/// Loads a bomb, which must be refused for this reason.
async fn check(budget: Budget, bomb: Bytes, expected: Excess) {
    let engine = engine(None, budget);
    let before = peak_memory();
    assert_eq!(
        load(&engine, &bomb).await,
        Err(LoadError::TooMuch(expected))
    );
    let growth = peak_memory() - before;
    assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes");
    // The next one is compiled as if nothing had been.
    let handler = Guest::well_behaved().component();
    assert_eq!(load(&engine, &handler).await, Ok(()));
}

/// Loads a bomb, which must be refused for want of memory, with time to spare.
async fn check_memory(bomb: Bytes) {
    let budget = Budget {
        processor_seconds: 60,
        ..BUDGET
    };
    check(budget, bomb, Excess::Memory).await;
}

#[tokio::test]
async fn one_huge_function() {
    check_memory(bomb::huge_function(700_000)).await;
}

#[tokio::test]
async fn a_million_functions() {
    check_memory(bomb::many_functions(1_000_000)).await;
}

#[tokio::test]
async fn a_million_types() {
    check_memory(bomb::many_types(1_000_000)).await;
}

#[tokio::test]
async fn jump_tables_without_end() {
    check_memory(bomb::jump_tables(100, 20_000)).await;
    check_memory(bomb::jump_tables(2_000, 1_000)).await;
}

#[tokio::test]
async fn a_hundred_thousand_blocks_within_each_other() {
    let bomb = bomb::deep_nesting(100_000);
    check(BUDGET, bomb, Excess::ProcessorTime).await;
}

#[tokio::test]
async fn code_that_is_larger_than_it_may_be() {
    let bomb = bomb::huge_data(8 * 1024 * 1024);
    check(BUDGET, bomb, Excess::Code).await;
}

#[tokio::test]
async fn what_is_beyond_the_bounds_of_webassembly_is_said_so() {
    let engine = engine(None, BUDGET);
    let error = load(&engine, &bomb::many_functions(1_000_001)).await;
    let LoadError::Compile(reason) = error.unwrap_err() else {
        panic!("it was not refused as invalid")
    };
    assert!(reason.contains("functions count exceeds"), "{reason}");
}

/// The cache has one entry, the reason; and with the reason there, nothing is
/// compiled any more, not even with a compiler that would never come back.
#[tokio::test]
async fn what_was_too_much_is_not_compiled_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("compiled");
    let bomb = bomb::huge_function(700_000);
    let cache = || Some(Cache::open(&folder).unwrap());
    let first = load(&engine(cache(), BUDGET), &bomb).await.unwrap_err();
    assert_eq!(entries(&folder), 1);

    let broken = Compiler::new("/nowhere/at/all", [""; 0]);
    let restarted = Engine::new(cache()).unwrap();
    let same_budget = restarted
        .clone()
        .compile_with(broken.clone().with_budget(BUDGET));
    let again = load(&same_budget, &bomb).await.unwrap_err();
    assert_eq!(again, LoadError::Remembered(first.to_string()));
    assert!(!again.may_pass());

    // With more to spend it is worth another try.
    let error = load(&restarted.compile_with(broken), &bomb).await;
    assert!(matches!(error, Err(LoadError::Host(_))), "{error:?}");
    assert_eq!(entries(&folder), 1, "what may pass is not remembered");
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// What another process made serves like what this one makes.
#[tokio::test]
async fn a_handler_is_compiled_once_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("compiled");
    let handler = Guest::well_behaved().component();
    let cache = || Some(Cache::open(&folder).unwrap());
    assert_eq!(load(&engine(cache(), BUDGET), &handler).await, Ok(()));
    let nothing = Compiler::new("/nowhere/at/all", [""; 0]);
    let restarted = Engine::new(cache()).unwrap().compile_with(nothing);
    assert_eq!(load(&restarted, &handler).await, Ok(()));
}
