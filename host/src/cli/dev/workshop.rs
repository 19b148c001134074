//! Where handlers are built again and again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};

use anyhow::{Context as _, Result};
use notify::event::EventKind;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use waystation_core::limits;

use super::super::build::{Package, Toolchains, find_packages, put};
use super::replay::Replay;
use super::shelf::Shelf;
use super::sources::{Identity, Sources, own_output};
use crate::cli::exit::Failure;
use crate::cli::shell;
use crate::terminal::say;

/// The packages and what they looked like when they were last built.
pub struct Workshop {
    /// What the host of this workshop lives in, beside the packages.
    home: PathBuf,
    packages: Vec<Package>,
    shelf: Shelf,
    built: BTreeMap<PathBuf, Sources>,
    toolchains: Toolchains,
    watcher: RecommendedWatcher,
    hints: Receiver<()>,
    /// No source, wherever it lies.
    own_output: Vec<Identity>,
    /// Compares each build with the one before, if that is asked for.
    replay: Option<Replay>,
}

impl Workshop {
    /// A workshop for the packages in a folder, with a place for its host.
    pub fn open(dir: &Path) -> Result<Self> {
        let packages = find_packages(dir)?;
        let home = dir.join(".waystation");
        let shelf = Shelf::open(&home, packages.iter().map(|it| it.dir.as_path()))?;
        let ignore = home.join(".gitignore");
        fs::write(&ignore, "*\n")
            .with_context(|| format!("cannot write `{}`", ignore.display()))?;
        let (hint, hints) = mpsc::channel();
        Ok(Self {
            home,
            packages,
            shelf,
            built: BTreeMap::new(),
            toolchains: Toolchains::default(),
            watcher: watcher(hint).context("the system does not tell when files change")?,
            hints,
            own_output: own_output(),
            replay: None,
        })
    }

    /// Has each build compared with the one before, from what serves now on.
    pub fn replay(&mut self, mut replay: Replay) -> Result<(), Failure> {
        let folder = self.handlers();
        let cannot = || format!("cannot read `{}`", folder.display());
        for entry in fs::read_dir(&folder).with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            if path.extension().is_some_and(|it| it == "wasm") {
                replay.remember(&path)?;
            }
        }
        self.replay = Some(replay);
        Ok(())
    }

    /// The folder that the host watches.
    pub fn handlers(&self) -> PathBuf {
        self.shelf.folder().to_owned()
    }

    /// The folder of the host's journal: events are there again with the next start.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// What to tell the author at the start.
    pub fn greeting(&self, listen: Option<SocketAddr>) -> Vec<String> {
        let mut lines = vec![
            "every grant that a handler asks for is given here; another host waits for \
             `waystation handlers approve`"
                .to_owned(),
        ];
        let sample = self
            .packages
            .iter()
            .flat_map(|package| {
                ["cases/first/event.json", "event.json"].map(|f| package.dir.join(f))
            })
            .find(|file| file.is_file());
        if let Some(sample) = sample {
            let sample = shell::word(&sample);
            let to = match listen {
                None => String::new(),
                Some(address) if address.port() == 0 => " --to HOST:PORT".to_owned(),
                Some(address) => format!(" --to {address}"),
            };
            lines.push(format!("try it: waystation publish --new-id {sample}{to}"));
        }
        lines
    }

    /// Builds what changed, for as long as the process runs.
    pub fn keep_built(mut self) {
        loop {
            self.build_changed();
            if !self.wait() {
                return;
            }
        }
    }

    /// Waits for a change, and until the changes have paused: editors and tools
    /// write several files at once.
    fn wait(&self) -> bool {
        if self.hints.recv().is_err() {
            return false;
        }
        loop {
            match self.hints.recv_timeout(limits::SOURCE_SETTLE) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// A hint is a hint: only a package whose files changed is built.
    fn build_changed(&mut self) {
        for package in self.packages.clone() {
            if let Err(error) = self.build_if_changed(&package) {
                report(&package.dir, error, self.shelf.has(&package.dir));
            }
        }
    }

    fn build_if_changed(&mut self, package: &Package) -> Result<()> {
        let sources = Sources::read(&package.dir, &self.own_output)?;
        for folder in &sources.folders {
            // To watch a folder twice is no error.
            self.watcher
                .watch(folder, RecursiveMode::NonRecursive)
                .with_context(|| format!("cannot watch `{}`", folder.display()))?;
        }
        if self.built.get(&package.dir) == Some(&sources) {
            return Ok(());
        }
        // What tools write into the package while they build it, such as a lock
        // file, belongs to this build; what the author writes meanwhile does not.
        self.built.insert(package.dir.clone(), sources);
        let component = self.toolchains.build(package, &self.handlers())?;
        component.show(&mut io::stdout());
        copy_sidecar(&package.dir, &component.path)?;
        for gone in self.shelf.put(&package.dir, &component.path)? {
            if let Some(replay) = &mut self.replay {
                replay.forget(&gone);
            }
        }
        if let Some(replay) = &mut self.replay
            && let Err(failure) = replay.compare(&component.path)
        {
            failure
                .within("cannot compare this build with the one before".to_owned())
                .report();
        }
        Ok(())
    }
}

/// An author's sidecar lies beside the source: `NAME.toml` for the handler NAME.
fn copy_sidecar(package: &Path, component: &Path) -> Result<()> {
    let to = component.with_extension("toml");
    let name = to.file_name().context("the component has no name")?;
    let from = package.join(name);
    if from.is_file() {
        put(&from, &to)
    } else if to.exists() {
        fs::remove_file(&to)
    } else {
        Ok(())
    }
    .with_context(|| format!("cannot copy `{}` to `{}`", from.display(), to.display()))
}

fn watcher(hint: Sender<()>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let reads = matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(_)));
        if !reads {
            // Nobody waits any more only when the process ends.
            let _ = hint.send(());
        }
    })
}

/// Says why a package was not built. Its tools have shown the author's mistake.
fn report(dir: &Path, error: anyhow::Error, is_served: bool) {
    Failure::from(error).report();
    let _ = io::stderr().flush();
    // Whoever says `.` knows the folder by its name.
    let shown = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let name = shown.file_name().unwrap_or(shown.as_os_str());
    let then = if is_served {
        "the last good build goes on"
    } else {
        "nothing serves yet"
    };
    say(&format!("=== {} was not built; {then}", name.display()));
}
