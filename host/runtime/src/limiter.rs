//! The memory of one instance.

use wasmtime::ResourceLimiter;
use waystation_core::limits;

/// Keeps the memories and tables of one instance below their bounds, and
/// remembers that it had to.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes_max: usize,
    memory_bytes: usize,
    refused: Option<String>,
}

impl Limiter {
    pub(crate) fn new(memory_bytes_max: usize) -> Self {
        Self {
            memory_bytes_max,
            memory_bytes: 0,
            refused: None,
        }
    }

    /// Begins another attempt: what an earlier one was refused explains nothing.
    pub(crate) fn begin(&mut self) {
        self.refused = None;
    }

    /// The bytes of its memories. They never shrink.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// What was refused last, for people.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .memory_bytes
            .saturating_add(desired.saturating_sub(current));
        if total > self.memory_bytes_max {
            self.refused = Some(format!(
                "wanted {total} bytes of memory and may have {}",
                self.memory_bytes_max
            ));
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > limits::TABLE_ELEMENTS_MAX {
            self.refused = Some(format!(
                "wanted a table of {desired} elements and may have {}",
                limits::TABLE_ELEMENTS_MAX
            ));
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        limits::CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        limits::TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        limits::MEMORIES_MAX as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_for_all_memories_together() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap());
        assert_eq!(
            limiter.refused(),
            Some("wanted 120 bytes of memory and may have 100")
        );
        assert!(limiter.memory_growing(60, 100, None).unwrap());
    }

    #[test]
    fn another_attempt_is_not_blamed_for_an_earlier_one() {
        let mut limiter = Limiter::new(100);
        assert!(!limiter.memory_growing(0, 200, None).unwrap());
        limiter.begin();
        assert_eq!(limiter.refused(), None);
    }
}
