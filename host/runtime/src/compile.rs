//! From bytes to compiled code, which the compiler may be asked for by someone
//! who means harm.
//!
//! The compiler cannot be interrupted and knows no bounds, so the host has
//! [`process`] start a process for each component, in which [`worker`] gives away
//! what it does not need, compiles, and answers. What the two say to each other is
//! in [`message`]. None of them knows what a handler is.

mod budget;
mod message;
mod process;
mod worker;

use std::borrow::Cow;

use crate::LoadError;

pub use budget::{Budget, Excess};
pub use process::Compiler;
pub use worker::compile_process;

/// What a file claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Component,
    /// A core module, which becomes a component if it carries WIT metadata.
    Module,
}

impl Kind {
    /// Looks at nothing but the first bytes.
    pub fn of(bytes: &[u8]) -> Result<Self, LoadError> {
        match bytes.get(..8) {
            Some(b"\0asm\x0d\0\x01\0") => Ok(Self::Component),
            Some(b"\0asm\x01\0\0\0") => Ok(Self::Module),
            _ if bytes.starts_with(b"\x7fELF") => Err(LoadError::Precompiled),
            _ => Err(LoadError::NotWebAssembly),
        }
    }
}

/// Compiles in this process, for as long and with as much memory as it takes. Gives
/// what `wasmtime::component::Component::deserialize` takes.
pub(crate) fn compile(engine: &wasmtime::Engine, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    let component = componentise(bytes)?;
    engine.precompile_component(&component).map_err(|error| {
        if error.is::<wasmtime::error::OutOfMemory>() {
            LoadError::TooMuch(Excess::Memory)
        } else {
            LoadError::Compile(format!("{error:#}"))
        }
    })
}

/// Whether all parts of a file are there. What is in them is not checked.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let parts = wasmparser::Parser::new(0).parse_all(bytes);
    parts.into_iter().all(|part| part.is_ok())
}

/// The bytes of a component, which a core module with WIT metadata becomes here.
pub(crate) fn componentise(bytes: &[u8]) -> Result<Cow<'_, [u8]>, LoadError> {
    match Kind::of(bytes)? {
        Kind::Component => Ok(bytes.into()),
        Kind::Module if !is_whole(bytes) => Err(LoadError::Damaged),
        Kind::Module => wit_component::ComponentEncoder::default()
            .validate(true)
            .module(bytes)
            .and_then(|mut encoder| encoder.encode())
            .map(Into::into)
            .map_err(|error| LoadError::Module(format!("{error:#}"))),
    }
}
