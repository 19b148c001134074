//! Components outside of a host, for the verbs that look at one where it lies: the
//! engine of a host, without its folders.

use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use waystation_core::limits;
use waystation_runtime::{Cache, Compiler, Engine};

use super::exit::{Exit, Failure};
use super::output;
use super::run::{COMPILE, SELF};

/// An engine that compiles as a host does, in a process of its own, and keeps the
/// code in the user's cache.
pub fn engine() -> anyhow::Result<Engine> {
    Ok(Engine::new(cache())?.compile_with(Compiler::new(SELF, [COMPILE])))
}

/// What drives the code of a handler: a thread of its own, for a guest may wait.
pub fn runtime() -> anyhow::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the threads that run handlers")
}

/// Without a cache everything works, only slower.
fn cache() -> Option<Cache> {
    let folder = cache_folder()?;
    let made = fs::create_dir_all(&folder).map_err(anyhow::Error::from);
    let compiled = folder.join("compiled");
    let opened = made.and_then(|()| Ok(Cache::open(&compiled)?));
    match opened {
        Ok(cache) => Some(cache),
        Err(error) => {
            let folder = compiled.display();
            output::note(&format!("compiled code is not kept in `{folder}`: {error}"));
            None
        }
    }
}

/// The user's folder for what can be made again.
pub fn cache_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Some(caches?.join("waystation"))
}

/// The bytes of a component. One byte more than it may have is enough to know that
/// it is too large.
pub fn component(path: &Path) -> Result<Bytes, Failure> {
    Ok(read(path, limits::COMPONENT_BYTES_MAX + 1)?.into())
}

/// The text of a sidecar.
pub fn sidecar(path: &Path) -> Result<String, Failure> {
    String::from_utf8(bounded(path, limits::SIDECAR_BYTES_MAX)?).map_err(|_| {
        let text = format!("`{}` is not UTF-8 text", path.display());
        Failure::new(Exit::Usage, anyhow!(text))
    })
}

/// The bytes of a file that may have so many.
pub fn bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let bytes = read(path, bytes_max + 1)?;
    if bytes.len() as u64 > bytes_max {
        let text = format!("`{}` has more than {bytes_max} bytes", path.display());
        return Err(Failure::new(Exit::Usage, anyhow!(text)));
    }
    Ok(bytes)
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(bytes)
}
