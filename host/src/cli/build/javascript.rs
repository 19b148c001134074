//! Handlers in JavaScript.

use std::path::Path;

use anyhow::{Result, bail};

use super::Component;

/// The tools for JavaScript.
pub struct Toolchain;

impl Toolchain {
    /// Finds them.
    pub fn find() -> Result<Self> {
        bail!("handlers in JavaScript cannot be built yet")
    }

    /// Makes a component of a package.
    pub fn compile(&self, dir: &Path) -> Result<Component> {
        bail!("{} cannot be built yet", dir.display())
    }
}
