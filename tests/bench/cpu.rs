//! Processor time.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A span of work: what it took of the clock and of the processor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    pub wall: Duration,
    /// User and system time together.
    pub cpu: Duration,
}

impl Took {
    /// Microseconds of processor time for each of `count`.
    pub fn cpu_us(&self, count: u64) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count as f64
    }

    /// How many cores were at work.
    pub fn cores(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }

    /// How many of `count` in a second.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }
}

/// Whose processor time is measured.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// This process, with all its threads.
    Ours,
    /// Another process, with all its threads.
    Process(u32),
}

impl Whose {
    /// The processor time so far.
    pub fn cpu(self) -> Duration {
        match self {
            Self::Ours => clock(ClockId::ProcessCPUTime),
            Self::Process(pid) => of_process(pid),
        }
    }

    /// Measures what is done until [`Span::end`].
    pub fn begin(self) -> Span {
        Span {
            whose: self,
            cpu: self.cpu(),
            began: Instant::now(),
        }
    }
}

/// What is being measured.
#[derive(Debug)]
pub struct Span {
    whose: Whose,
    cpu: Duration,
    began: Instant,
}

impl Span {
    pub fn end(self) -> Took {
        Took {
            wall: self.began.elapsed(),
            cpu: self.whose.cpu().saturating_sub(self.cpu),
        }
    }
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn of_process(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    of_stat(&stat).1
}

/// The processor time so far of the threads that a process has, by their names.
pub fn of_threads(pid: u32) -> BTreeMap<String, Duration> {
    let mut threads = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        // One that ended meanwhile is not there any more.
        let Ok(stat) = fs::read_to_string(thread.unwrap().path().join("stat")) else {
            continue;
        };
        let (name, cpu) = of_stat(&stat);
        *threads.entry(name.to_owned()).or_default() += cpu;
    }
    threads
}

/// The time for which the cores had nothing to do so far, all of them together: the
/// fourth and the fifth figure in `/proc/stat`, in steps of 10 ms.
pub fn idle() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    of_ticks(stat.lines().next().unwrap().split_whitespace().skip(4))
}

/// The name, and user and system time, in proc_pid_stat(5), in steps of 10 ms: the
/// name is in brackets, the times are the 12th and the 13th field after it.
fn of_stat(stat: &str) -> (&str, Duration) {
    let (start, fields) = stat.rsplit_once(')').unwrap();
    let (_, name) = start.split_once('(').unwrap();
    (name, of_ticks(fields.split_whitespace().skip(11)))
}

/// The sum of the first two figures, in ticks of the system's clock.
fn of_ticks<'a>(figures: impl Iterator<Item = &'a str>) -> Duration {
    let ticks: u64 = figures
        .take(2)
        .map(|figure| figure.parse::<u64>().unwrap())
        .sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_nanos(ticks * 1_000_000_000 / per_second)
}
