//! The long runs: `endurance soak ROUNDS`, `endurance overload SECONDS` and
//! `endurance backlog EVENTS`. Each ends by itself, prints its figures, and
//! exits with 1 if a promise was broken.
//!
//! `WAYSTATION_BINARY` names another host than the debug build beside this
//! program; `WAYSTATION_SEED` repeats a soak.

use std::process::ExitCode;
use std::time::Duration;

use e2e::{backlog, guests, overload, seed, soak};

/// The rounds after which a soak says that it goes on.
const PROGRESS_ROUNDS: u32 = 50;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let kept = match arguments.as_slice() {
        ["soak", rounds] => rounds.parse().ok().map(endure_kills),
        ["overload", seconds] => seconds.parse().ok().map(endure_overload),
        ["backlog", events] => events.parse().ok().map(endure_backlog),
        _ => None,
    };
    match kept {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("usage: endurance soak ROUNDS | overload SECONDS | backlog EVENTS");
            ExitCode::from(2)
        }
    }
}

fn endure_kills(rounds: u32) -> bool {
    let seed = seed();
    let outcome = soak::run(&guests::scratch(), rounds, seed, |round| {
        if round % PROGRESS_ROUNDS == 0 {
            println!("{round} of {rounds} rounds");
        }
    });
    println!("{outcome}\nWAYSTATION_SEED={seed}");
    outcome.keeps_promises()
}

fn endure_overload(seconds: u64) -> bool {
    let outcome = overload::run(&guests::scratch(), Duration::from_secs(seconds));
    println!("{outcome}");
    outcome.keeps_promises()
}

/// A tenth of the events first, to compare with.
fn endure_backlog(events: u64) -> bool {
    let small = backlog::run(&guests::scratch(), events / 10);
    println!("{small}");
    let large = backlog::run(&guests::scratch(), events);
    println!("{large}");
    small.keeps_promises() && large.keeps_promises() && large.grew_little_since(&small)
}
