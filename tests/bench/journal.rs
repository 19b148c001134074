//! The journal of a host that does not run.

use std::sync::Arc;

use e2e::host::Site;
use tokio::runtime::{Builder, Runtime};
use waystation_core::{Clock as _, ManualClock};
use waystation_journal::embedded::{Embedded, Options};

use crate::wall::Wall;

/// Opens it, with a runtime to await it on. Its clock stands still.
pub fn open(site: &Site) -> (Embedded, Runtime) {
    let journal = Embedded::open(Options {
        folder: site.data(),
        clock: Arc::new(ManualClock::new(Wall.now())),
    });
    let runtime = Builder::new_current_thread().build();
    (journal.unwrap(), runtime.unwrap())
}
