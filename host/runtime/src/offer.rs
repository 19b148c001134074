//! What a handler may import.

use wasmtime::component::{Component, HasSelf, Linker};

use crate::bindings::keyvalue::{atomics, batch, store};
use crate::bindings::{config, logging};
use crate::sandbox::Sandbox;

/// The packages and interfaces that a handler may import, as their names begin.
const OFFERED: [&str; 14] = [
    "waystation:events/types@",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:config/store@0.2.0-rc.1",
    "wasi:filesystem/",
    "wasi:http/outgoing-handler@0.2.",
    "wasi:http/types@0.2.",
    "wasi:io/",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:logging/logging@0.1.0-draft",
    "wasi:random/",
    "wasi:sockets/",
];

/// All that a handler may import, linked. What is not granted answers that it is
/// not, so that a guest runs whose language links more than it uses.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    store::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
    atomics::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
    batch::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
    config::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
    logging::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
    Ok(linker)
}

/// The imports of a component that are not offered.
pub(crate) fn refused(engine: &wasmtime::Engine, component: &Component) -> Vec<String> {
    component
        .component_type()
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .filter(|name| !is_offered(name))
        .collect()
}

/// Whether a handler may import what has this name.
pub(crate) fn is_offered(import: &str) -> bool {
    OFFERED.iter().any(|offered| import.starts_with(offered))
}
