//! What a compilation may use, and the ways to go beyond it.

use std::time::Duration;

use waystation_core::limits;

/// What one compilation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Processor time of all its threads together, in seconds.
    pub processor_seconds: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// The compiled code, in bytes.
    pub code_bytes: u64,
    /// The time from beginning to end, however busy the machine is.
    pub timeout: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            processor_seconds: limits::COMPILE_PROCESSOR_TIME.as_secs(),
            memory_bytes: limits::COMPILE_MEMORY_BYTES,
            code_bytes: limits::COMPILED_COMPONENT_BYTES_MAX,
            timeout: limits::COMPILE_TIMEOUT,
        }
    }
}

/// What a compilation had too much of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Excess {
    /// Processor time.
    #[error(
        "it takes more than {} s of processor time to compile; make it smaller, for instance with \
         fewer or smaller libraries",
        limits::COMPILE_PROCESSOR_TIME.as_secs()
    )]
    ProcessorTime,
    /// Memory.
    #[error(
        "it takes more than {} MiB of memory to compile; make it smaller, for instance with fewer or \
         smaller libraries",
        limits::COMPILE_MEMORY_BYTES >> 20
    )]
    Memory,
    /// Compiled code.
    #[error(
        "its compiled code is larger than {} MiB; make it smaller, for instance with fewer or \
         smaller libraries",
        limits::COMPILED_COMPONENT_BYTES_MAX >> 20
    )]
    Code,
    /// Time, while it did not even get its processor time: the machine was busy.
    #[error(
        "it did not end in time on a busy machine; replace the file or restart the host to try again"
    )]
    Time,
    /// The compiler broke, and these were its last words.
    #[error("it breaks the compiler: {0}")]
    Crash(String),
}

impl Excess {
    /// Whether the same bytes would go beyond the same budget another time.
    pub fn recurs(&self) -> bool {
        matches!(self, Self::ProcessorTime | Self::Memory | Self::Code)
    }
}
