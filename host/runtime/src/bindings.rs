//! The Rust side of the WIT contract, generated from `wit/`.

mod generated {
    #![allow(
        missing_docs,
        clippy::all,
        clippy::pedantic,
        reason = "generated from the WIT package"
    )]

    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "logging-event-handler",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(crate) use generated::wasi::logging::logging;
pub(crate) use generated::waystation::events::types;
pub(crate) use generated::{LoggingEventHandler as Handler, LoggingEventHandlerPre as HandlerPre};
