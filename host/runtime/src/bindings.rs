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

    /// Durable state.
    pub mod keyvalue {
        wasmtime::component::bindgen!({
            path: "../../wit",
            world: "wasi:keyvalue/imports",
            imports: { default: async | trappable },
            with: { "wasi:keyvalue/store.bucket": crate::state::Bucket },
        });
    }

    /// Configuration and secrets.
    pub mod config {
        wasmtime::component::bindgen!({
            path: "../../wit",
            world: "wasi:config/imports",
        });
    }
}

pub(crate) use generated::config::wasi::config::store as config;
pub(crate) use generated::keyvalue::wasi::keyvalue;
pub(crate) use generated::wasi::logging::logging;
pub(crate) use generated::waystation::events::types;
pub(crate) use generated::{LoggingEventHandler as Handler, LoggingEventHandlerPre as HandlerPre};
