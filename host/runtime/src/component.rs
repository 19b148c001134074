//! A component: from bytes to code that can be instantiated.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::Instant;
use wasmtime::component::Component as Code;
use waystation_core::{Descriptor, Digest, Grants, HandlerName, limits};

use crate::bindings::HandlerPre;
use crate::compile::{self, Compiler, Excess, Kind};
use crate::deadline::within;
use crate::engine::Engine;
use crate::guest_log::Speaker;
use crate::http::Caller;
use crate::sandbox::{self, Reach, Sandbox};
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
    /// It cannot be read to its end.
    #[error("the file ends early or is damaged; build or copy it again")]
    Damaged,
    /// It is not valid, or more than the sandbox takes.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// Compiling it was given up.
    #[error("it is too much for the compiler: {0}")]
    TooMuch(Excess),
    /// It was refused in an earlier run of the host, with these words.
    #[error("{0}")]
    Remembered(String),
    /// It imports something that the host does not have.
    #[error("it imports {}, which this host does not offer", quoted(.0))]
    Imports(Vec<String>),
    /// What it imports or exports has another shape than expected.
    #[error("it does not fit the host: {0}")]
    Mismatch(String),
    /// It does not export what a handler must export.
    #[error("it does not export `waystation:events/handler@0.1.0`; is it built with the SDK?")]
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

    /// The same error on these bytes, unless they are not whole, which is why then.
    pub(crate) fn on(self, bytes: &[u8]) -> Self {
        match self {
            Self::Module(_) | Self::Compile(_) if !compile::is_whole(bytes) => Self::Damaged,
            error => error,
        }
    }

    /// Whether the same bytes would fail to compile in the same way after a restart.
    fn recurs(&self) -> bool {
        match self {
            Self::Module(_) | Self::Compile(_) | Self::Damaged => true,
            Self::TooMuch(excess) => excess.recurs(),
            _ => false,
        }
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
    /// itself. Takes the time of a compilation, on threads of its own. The handler
    /// runs on the thread of whoever awaits this.
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
        // What makes components of modules panics on one that is not whole.
        if Kind::of(bytes)? == Kind::Module && !compile::is_whole(bytes) {
            return Err(LoadError::Damaged);
        }
        let digest = Digest::of(bytes);
        let code = match cached(engine, digest) {
            Some(code) => code,
            None => compile_once(engine, digest, bytes)?,
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
        let caller = Caller {
            delivery: String::new(),
            traceparent: None,
            deadline: Instant::now() + limits::DESCRIBE_TIMEOUT,
        };
        let reach = Arc::new(Reach::new(&Grants::default(), limits::MEMORY_BYTES_MAX));
        let sandbox = Sandbox::new(engine, &reach, speaker, caller, None);
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
pub(crate) const HANDLER: &str = "waystation:events/handler@0.1.0";

fn cached(engine: &Engine, digest: Digest) -> Option<Code> {
    let cache = engine.cache.as_ref()?;
    let code = cache.get(&engine.wasmtime, digest)?;
    match deserialize(engine, &code) {
        Ok(code) => Some(code),
        Err(error) => {
            tracing::warn!(%digest, "compiled code cannot be used and is thrown away: {error:#}");
            cache.forget(&engine.wasmtime, digest);
            None
        }
    }
}

/// Compiles what was never compiled before, and keeps the code, or the reason why
/// there is none.
fn compile_once(engine: &Engine, digest: Digest, bytes: &[u8]) -> Result<Code, LoadError> {
    let limits = engine.compiler.as_deref().map(Compiler::budget);
    let cache = engine.cache.as_deref();
    if let Some(reason) = cache.and_then(|cache| cache.refusal(&engine.wasmtime, limits, digest)) {
        return Err(LoadError::Remembered(reason));
    }
    let compiled = match &engine.compiler {
        Some(compiler) => compiler.compile(bytes),
        None => compile::compile(&engine.wasmtime, bytes),
    };
    let loaded = compiled
        .map_err(|error| error.on(bytes))
        .and_then(|compiled| {
            let code = deserialize(engine, &compiled)
                .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
            Ok((code, compiled))
        });
    if let Some(cache) = cache {
        match &loaded {
            Ok((_, compiled)) => cache.put(&engine.wasmtime, digest, compiled),
            Err(error) if error.recurs() => {
                cache.refuse(&engine.wasmtime, limits, digest, &error.to_string());
            }
            Err(_) => {}
        }
    }
    loaded.map(|(code, _)| code)
}

fn deserialize(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Code> {
    // SAFETY: the bytes were made by `Engine::precompile_component` of an engine
    // with the same compatibility hash: either just now, by this process or by one
    // that this process started for it and that runs the same program; or earlier
    // (the hash is part of the entry's name), and since then they lay in a folder
    // and a file that only this user can write (checked by the cache at opening and
    // at reading), and their sum was verified after reading.
    unsafe { Code::deserialize(&engine.wasmtime, compiled) }
}
