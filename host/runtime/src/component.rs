//! A component: from bytes to code that can be instantiated.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use wasmtime::component::Component as Code;
use waystation_core::{Descriptor, Digest, HandlerName, limits};

use crate::bindings::HandlerPre;
use crate::deadline::within;
use crate::engine::Engine;
use crate::guest_log::Speaker;
use crate::sandbox::{self, Sandbox};
use crate::{convert, offer};

/// A compiled component that was found to be a handler. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub(crate) pre: HandlerPre<Sandbox>,
    pub(crate) digest: Digest,
}

/// Why a file is no handler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// More bytes than a component may have.
    #[error(
        "the file has {bytes} bytes; a component may have {}",
        limits::COMPONENT_BYTES_MAX
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Native code instead of WebAssembly.
    #[error("this is compiled native code; put the WebAssembly component itself into the folder")]
    Precompiled,
    /// Neither a component nor a module.
    #[error("this is no WebAssembly file")]
    NotWebAssembly,
    /// A core module that cannot become a component.
    #[error(
        "this is a core module that cannot be made a component: {0}; build it for the target \
         wasm32-wasip2, whose output is a component, as `waystation build` does"
    )]
    Module(String),
    /// It is not valid, or too much for the compiler.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// It imports something that the host does not have.
    #[error("it imports {}, which this host does not offer", quoted(.0))]
    Imports(Vec<String>),
    /// What it imports or exports has another shape than expected.
    #[error("it does not fit the host: {0}")]
    Mismatch(String),
    /// It does not export what a handler must export.
    #[error(
        "it does not export `waystation:events/handler@0.1.0`, so it is no handler; is it built \
         with the SDK?"
    )]
    NoHandler,
    /// `describe` did not say what the handler wants.
    #[error("its `describe` failed: {0}")]
    Describe(String),
    /// `describe` did not end in time.
    #[error("its `describe` took longer than {} ms", limits::DESCRIBE_TIMEOUT.as_millis())]
    Slow,
    /// The host failed while it loaded.
    #[error("the host failed while it loaded this: {0}")]
    Host(String),
}

impl LoadError {
    /// Whether the same bytes may be loaded another time, because the host failed
    /// and not they.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Host(_))
    }
}

fn quoted(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl Component {
    /// Compiles exactly these bytes, checks them, and has the handler describe
    /// itself. Takes the time of a compilation, on threads of its own.
    pub async fn load(
        engine: &Engine,
        name: &HandlerName,
        bytes: bytes::Bytes,
    ) -> Result<(Self, Descriptor), LoadError> {
        let permit = engine.compiles.clone().acquire_owned().await;
        let permit = permit.map_err(|error| LoadError::Host(error.to_string()))?;
        let compiling = engine.clone();
        let component = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            Self::compile(&compiling, &bytes)
        })
        .await
        .map_err(|error| LoadError::Host(format!("the compiler failed: {error}")))??;
        let descriptor = component.describe(engine, name).await?;
        Ok((component, descriptor))
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    fn compile(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        if bytes.len() as u64 > limits::COMPONENT_BYTES_MAX {
            return Err(LoadError::TooLarge { bytes: bytes.len() });
        }
        let digest = Digest::of(bytes);
        let code = match cached(engine, digest) {
            Some(code) => code,
            None => {
                let component = componentise(bytes)?;
                let code = Code::from_binary(&engine.wasmtime, &component)
                    .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
                keep(engine, digest, &code);
                code
            }
        };
        let refused = offer::refused(&engine.wasmtime, &code);
        if !refused.is_empty() {
            return Err(LoadError::Imports(refused));
        }
        let pre = offer::linker(&engine.wasmtime)
            .and_then(|linker| linker.instantiate_pre(&code))
            .map_err(|error| LoadError::Mismatch(format!("{error:#}")))?;
        if code.get_export_index(None, HANDLER).is_none() {
            return Err(LoadError::NoHandler);
        }
        let pre =
            HandlerPre::new(pre).map_err(|error| LoadError::Mismatch(format!("{error:#}")))?;
        Ok(Self { pre, digest })
    }

    async fn describe(&self, engine: &Engine, name: &HandlerName) -> Result<Descriptor, LoadError> {
        let speaker = Speaker {
            handler: name.clone(),
            generation: self.digest,
            event: String::new(),
            attempt: 0,
        };
        let sandbox = Sandbox::new(speaker, limits::MEMORY_BYTES_MAX);
        let mut store = sandbox::store(&engine.wasmtime, sandbox);
        let call = async {
            let handler = self.pre.instantiate_async(&mut store).await?;
            handler
                .waystation_events_handler()
                .call_describe(&mut store)
                .await
        };
        let called = within(
            limits::DESCRIBE_TIMEOUT,
            AssertUnwindSafe(call).catch_unwind(),
        )
        .await;
        store.data().log().finish();
        let descriptor = match called {
            None => {
                return Err(LoadError::Slow);
            }
            Some(Err(_)) => return Err(LoadError::Host("a host function panicked".into())),
            Some(Ok(Err(error))) => {
                let failure = crate::attempt::explain(&error, store.data());
                return Err(LoadError::Describe(failure.reason));
            }
            Some(Ok(Ok(descriptor))) => descriptor,
        };
        convert::descriptor(descriptor).map_err(LoadError::Describe)
    }
}

/// The export that makes a component a handler.
const HANDLER: &str = "waystation:events/handler@0.1.0";

/// The bytes of a component, which a core module with WIT metadata becomes here.
fn componentise(bytes: &[u8]) -> Result<std::borrow::Cow<'_, [u8]>, LoadError> {
    if bytes.starts_with(b"\x7fELF") {
        return Err(LoadError::Precompiled);
    }
    match bytes.get(..8) {
        Some(b"\0asm\x0d\0\x01\0") => Ok(bytes.into()),
        Some(b"\0asm\x01\0\0\0") => wit_component::ComponentEncoder::default()
            .validate(true)
            .module(bytes)
            .and_then(|mut encoder| encoder.encode())
            .map(Into::into)
            .map_err(|error| LoadError::Module(format!("{error:#}"))),
        _ => Err(LoadError::NotWebAssembly),
    }
}

fn cached(engine: &Engine, digest: Digest) -> Option<Code> {
    let cache = engine.cache.as_ref()?;
    let code = cache.get(&engine.wasmtime, digest)?;
    // SAFETY: the bytes were made by `Component::serialize` of an engine with the
    // same compatibility hash (it is part of the entry's name), they lie in a
    // folder and a file that only this user can write (checked by the cache at
    // opening and at reading), and their sum was verified after reading.
    match unsafe { Code::deserialize(&engine.wasmtime, code) } {
        Ok(code) => Some(code),
        Err(error) => {
            tracing::warn!(%digest, "compiled code cannot be used and is thrown away: {error:#}");
            cache.forget(&engine.wasmtime, digest);
            None
        }
    }
}

fn keep(engine: &Engine, digest: Digest, code: &Code) {
    let Some(cache) = &engine.cache else { return };
    match code.serialize() {
        Ok(bytes) => cache.put(&engine.wasmtime, digest, &bytes),
        Err(error) => tracing::warn!(%digest, "compiled code is not kept: {error:#}"),
    }
}
