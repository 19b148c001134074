//! The memory of a process, looked at from outside.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it is looked at.
const PERIOD: Duration = Duration::from_millis(100);

pub const MIB: u64 = 1024 * 1024;

/// The memory that a process has in use, in bytes (`VmRSS` of
/// proc_pid_status(5)); none if it is gone.
pub fn of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line?.split_whitespace().next()?;
    kib.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Looks at the memory of a process until it is stopped.
pub struct Watch {
    stop: Sender<()>,
    samples: JoinHandle<Vec<u64>>,
}

impl Watch {
    pub fn start(pid: u32) -> Self {
        let (stop, stopped) = mpsc::channel();
        let samples = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while let Some(bytes) = of(pid) {
                samples.push(bytes);
                if stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            samples
        });
        Self { stop, samples }
    }

    /// What was seen, in bytes, oldest first.
    pub fn stop(self) -> Samples {
        drop(self.stop);
        Samples(self.samples.join().unwrap())
    }
}

/// The memory of a process over time, in bytes.
#[derive(Debug)]
pub struct Samples(Vec<u64>);

impl Samples {
    pub fn most(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or_default()
    }

    /// How much more was in use in the last quarter than ever before.
    pub fn growth(&self) -> u64 {
        let (before, last) = self.0.split_at(self.0.len() / 4 * 3);
        let most = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
        most(last).saturating_sub(most(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_what_the_last_quarter_adds() {
        let check = |samples: &[u64], expected| {
            assert_eq!(Samples(samples.to_vec()).growth(), expected, "{samples:?}");
        };
        check(&[], 0);
        check(&[1, 8, 9, 9], 0);
        check(&[1, 8, 9, 12], 3);
        check(&[20, 1, 1, 12], 0);
    }
}
