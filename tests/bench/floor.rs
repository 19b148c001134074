//! What one event costs where there is nothing but wasmtime.

use e2e::guests;
use waystation_core::Instances;
use waystation_runtime::Engine;

use crate::cpu::Took;
use crate::engine::{Bare, Call};
use crate::events::{event, median, size};
use crate::report::{Report, Table};

const ROUNDS: usize = 7;
const PAYLOADS: [usize; 3] = [200, 1024, 64 * 1024];

/// What is measured beside each other: how the guest is called, on which
/// instances, on how many threads.
const WAYS: [(Call, Instances, u64); 8] = [
    (Call::Plain, Instances::Fresh, 1),
    (Call::Plain, Instances::Fresh, 2),
    (Call::Fiber, Instances::Fresh, 1),
    (Call::Fiber, Instances::Fresh, 2),
    (Call::Plain, Instances::Reused, 1),
    (Call::Plain, Instances::Reused, 2),
    (Call::Fiber, Instances::Reused, 1),
    (Call::Fiber, Instances::Reused, 2),
];

/// How many events each thread has handled in one measurement.
pub fn count(instances: Instances, payload: usize) -> u64 {
    match (instances, payload) {
        (_, 4096..) => 3_000,
        (Instances::Fresh, _) => 10_000,
        (Instances::Reused, _) => 60_000,
    }
}

pub fn run() -> Report {
    let engine = Engine::new(None).unwrap();
    let bare = Bare::new(&engine, &guests::component("measured"));
    let columns = PAYLOADS.map(size);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut cpu = Table::new("floor: µs of CPU for each event", &columns);
    let mut rate = Table::new("floor: events a second", &columns);
    let mut cores = Table::new("floor: cores that it had", &columns);
    let found = PAYLOADS.map(|payload| rounds(&bare, payload));
    for (index, (call, instances, threads)) in WAYS.into_iter().enumerate() {
        let name = name(call, instances, threads);
        let figures = |figure: fn(&Took, u64) -> f64| {
            let payloads = found.iter().zip(PAYLOADS);
            payloads.map(move |(rounds, payload)| {
                let count = threads * count(instances, payload);
                median(rounds.iter().map(|round| figure(&round[index], count))).into()
            })
        };
        cpu.row(&name, figures(Took::cpu_us));
        rate.row(&name, figures(Took::per_second));
        cores.row(&name, figures(|took, _| took.cores()));
    }
    Report {
        tables: vec![cpu, rate, cores],
        notes: vec![
            "A store with an empty WASI context and an empty table, instantiated from what is \
             linked before, one typed call, and the drop of it all; reused: the call alone. The \
             engine is the host's, with its pool and its epochs. On a fiber: as the host calls, \
             so that a guest can be interrupted. Two threads say something of each other only \
             where they had two cores."
                .into(),
        ],
        ..Report::new("floor")
    }
}

fn rounds(bare: &Bare, payload: usize) -> Vec<Vec<Took>> {
    let event = event(1, payload);
    let round = || {
        let ways = WAYS.iter();
        ways.map(|&(call, instances, threads)| {
            let each = count(instances, payload);
            bare.measure(call, instances, &event, threads, each)
        })
        .collect()
    };
    let _warm: Vec<Took> = round();
    (0..ROUNDS).map(|_| round()).collect()
}

fn name(call: Call, instances: Instances, threads: u64) -> String {
    let instance = match instances {
        Instances::Fresh => "fresh",
        Instances::Reused => "reused",
    };
    let fiber = match call {
        Call::Plain => "",
        Call::Fiber => ", on a fiber",
    };
    let threads = match threads {
        1 => "1 thread".to_owned(),
        more => format!("{more} threads"),
    };
    format!("{instance}{fiber}, {threads}")
}
