//! `waystation build`: handler packages to components.
//!
//! What a folder is written in shows in its manifest ([`package`]); one module a
//! language knows the tools that make a component of it.

mod javascript;
mod package;
mod python;
mod rust;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use waystation_runtime::Surface;

use crate::cli::clean;

pub use package::{Package, find as find_packages};

use package::Language;

/// Compile handler packages to components
#[derive(Args, Clone, Debug)]
pub struct BuildArgs {
    /// Folders that are handler packages or hold some
    #[arg(default_value = ".", value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// The folder for the components; a host may be watching it
    #[arg(long, value_name = "DIR", default_value = "handlers")]
    pub out: PathBuf,
}

/// A component that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// What the tools of a language made of a package.
struct Component {
    /// The handler's name: the stem of its file in the handlers folder.
    name: String,
    /// Where the tools left it.
    file: PathBuf,
}

/// Builds what the arguments name and prints a line for each component.
///
/// # Errors
/// As [`build`].
pub fn run(args: &BuildArgs) -> Result<()> {
    build(&args.dirs, &args.out, &mut io::stdout()).map(drop)
}

/// Builds each handler package and puts NAME.wasm into `out`, one after another.
/// A line about each goes to `tell`, what the tools say to stderr.
///
/// # Errors
/// When a folder holds no handler package, a tool cannot be had, or a package does
/// not compile: the author's error has then been shown.
pub fn build(dirs: &[PathBuf], out: &Path, tell: &mut impl Write) -> Result<Vec<Built>> {
    let mut packages = Vec::new();
    for dir in dirs {
        packages.extend(find_packages(dir)?);
    }
    let mut toolchains = Toolchains::default();
    fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder `{}`", out.display()))?;
    let mut all = Vec::new();
    for package in &packages {
        let built = toolchains.build(package, out)?;
        built.show(tell);
        all.push(built);
    }
    Ok(all)
}

impl Built {
    /// Writes a line about it: the file, its size and how long it took.
    pub fn show(&self, out: &mut impl Write) {
        let path = clean::line(&self.path.display().to_string());
        let kb = self.bytes.div_ceil(1000);
        let seconds = self.took.as_secs_f64();
        // A terminal that is gone must not stop the build.
        let _ = writeln!(out, "{path:<28} {kb:>6} KB {seconds:>6.1} s");
    }
}

/// The tools of each language, found when the first package needs them.
#[derive(Default)]
pub struct Toolchains {
    rust: Option<rust::Toolchain>,
    javascript: Option<javascript::Toolchain>,
    python: Option<python::Toolchain>,
}

impl Toolchains {
    /// Builds a package and puts NAME.wasm into `out`.
    ///
    /// # Errors
    /// As [`build`].
    pub fn build(&mut self, package: &Package, out: &Path) -> Result<Built> {
        let started = Instant::now();
        let component = self.compile(package)?;
        check(package, &component)?;
        let path = out.join(format!("{}.wasm", component.name));
        put(&component.file, &path)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(Built {
            bytes: fs::metadata(&path)?.len(),
            path,
            took: started.elapsed(),
        })
    }

    fn compile(&mut self, package: &Package) -> Result<Component> {
        match package.language {
            Language::Rust => found(&mut self.rust, rust::Toolchain::find)?.compile(&package.dir),
            Language::JavaScript => {
                found(&mut self.javascript, javascript::Toolchain::find)?.compile(&package.dir)
            }
            Language::Python => {
                found(&mut self.python, python::Toolchain::find)?.compile(&package.dir)
            }
        }
    }
}

fn found<T>(slot: &mut Option<T>, find: impl FnOnce() -> Result<T>) -> Result<&T> {
    if slot.is_none() {
        *slot = Some(find()?);
    }
    slot.as_ref().context("there is no toolchain")
}

/// A package may well compile to something else than a handler, which a host would
/// only refuse.
fn check(package: &Package, component: &Component) -> Result<()> {
    let file = &component.file;
    let bytes = fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    ensure!(
        Surface::of(&bytes)?.is_handler(),
        "`{}` compiles, but it is no handler: {}",
        component.name,
        package.language.how_to_be_a_handler()
    );
    Ok(())
}

/// Puts a whole file in place at once: a host may be watching the folder.
pub fn put(from: &Path, to: &Path) -> io::Result<()> {
    let partial = to.with_extension("partial");
    fs::copy(from, &partial)?;
    fs::rename(&partial, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_put_in_place_whole() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "shipping.wasm"].map(|name| folder.path().join(name));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        put(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "new");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "nothing is left over"
        );
    }
}
