//! How the memory of an instance is made clean for the next one.

use std::fs;

use wasmtime::PoolingAllocationConfig;

/// How the memory of an instance is made clean for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryReset {
    /// The kernel is asked which pages were written; only those are reset. The
    /// fastest way, and right only where no page can be swapped out: the scan
    /// does not see a dirty page that went to swap.
    Scan,
    /// Memory goes back to the kernel, several instances at a time.
    Decommit,
}

impl MemoryReset {
    /// The fastest way that is safe on this machine, and why it is not the scan
    /// if it is not.
    pub fn probe() -> (Self, Option<&'static str>) {
        if !PoolingAllocationConfig::is_pagemap_scan_available() {
            return (
                Self::Decommit,
                Some("the kernel has no PAGEMAP_SCAN (Linux 6.7 or later)"),
            );
        }
        if swap_is_possible() {
            return (Self::Decommit, Some("this machine may swap"));
        }
        (Self::Scan, None)
    }
}

/// Whether a page of this process can be swapped out. Says yes when in doubt.
fn swap_is_possible() -> bool {
    // The first line is a heading; each further line is a swap area.
    let areas = fs::read_to_string("/proc/swaps").map_or(true, |text| text.lines().count() > 1);
    areas && !cgroup_forbids_swap()
}

/// Whether the control group of this process, or one above it, has a swap limit
/// of zero.
fn cgroup_forbids_swap() -> bool {
    let Ok(groups) = fs::read_to_string("/proc/self/cgroup") else {
        return false;
    };
    let Some(path) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return false;
    };
    std::path::Path::new(path).ancestors().any(|group| {
        let file = std::path::Path::new("/sys/fs/cgroup")
            .join(group)
            .join("memory.swap.max");
        fs::read_to_string(file).is_ok_and(|limit| limit.trim() == "0")
    })
}
