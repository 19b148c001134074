//! What a handler may import.

use wasmtime::component::{Component, HasSelf, Linker};

use crate::bindings::logging;
use crate::sandbox::Sandbox;

/// The packages and interfaces that a handler may import, as their names begin.
const OFFERED: [&str; 8] = [
    "waystation:events/types@",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:logging/logging@0.1.0-draft",
    "wasi:random/",
    "wasi:sockets/",
];

/// All that a handler may import, linked.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    logging::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
    Ok(linker)
}

/// The imports of a component that are not offered.
pub(crate) fn refused(engine: &wasmtime::Engine, component: &Component) -> Vec<String> {
    component
        .component_type()
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .filter(|name| !OFFERED.iter().any(|offered| name.starts_with(offered)))
        .collect()
}
