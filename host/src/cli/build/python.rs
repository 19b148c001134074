//! Handlers in Python, by componentize-py.
//!
//! It loads the author's module into an interpreter, as the component will find it,
//! and keeps that interpreter's memory. What it needs lies in the user's cache: the
//! author's environment is not touched, and only what the package declares is found.

mod inputs;
mod project;
mod said;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use waystation_core::Digest;

use self::project::Project;
use super::Component;
use crate::cli::{offline, output};

/// The release of componentize-py, which brings the interpreter with it.
const COMPONENTIZE: &str = "componentize-py==0.25.0";

/// The version of that interpreter: libraries are chosen for it.
const GUEST_PYTHON: &str = "3.14";

/// The oldest Python that runs the tools.
const OLDEST: (u32, u32) = (3, 10);

/// What joins the author's module to the contract.
const ENTRY: &str = "waystation_entry";

/// The tools for Python.
pub struct Toolchain {
    python: PathBuf,
    /// Holds componentize-py.
    tools: PathBuf,
    cache: PathBuf,
}

impl Toolchain {
    /// Finds them; what Debian does not have comes from PyPI, once.
    pub fn find() -> Result<Self> {
        let python = PathBuf::from("python3");
        let version = version(&python)?;
        ensure!(
            version >= OLDEST,
            "handlers in Python are built with Python {}.{} or newer, found {}.{}\n  name a newer \
             one `python3` in your PATH",
            OLDEST.0,
            OLDEST.1,
            version.0,
            version.1
        );
        let cache = offline::cache_folder()
            .context("there is no folder for the tools: neither HOME nor XDG_CACHE_HOME is set")?
            .join("python");
        let tools = cache.join(format!("{COMPONENTIZE}-py{}.{}", version.0, version.1));
        let toolchain = Self {
            python,
            tools,
            cache,
        };
        if !toolchain.tools.is_dir() {
            output::note(&format!("gets {COMPONENTIZE}, which is done once"));
            toolchain.install(&[COMPONENTIZE.to_owned()], &[], &toolchain.tools)?;
        }
        Ok(toolchain)
    }

    /// Makes a component of a package, unless it is what it was made of before.
    pub fn compile(&self, dir: &Path) -> Result<Component> {
        let project = Project::read(dir)?;
        let folder = fs::canonicalize(dir)?;
        let folder = Digest::of(folder.as_os_str().as_encoded_bytes()).short();
        let folder = self.cache.join("packages").join(folder);
        let component = Component {
            file: folder.join(format!("{}.wasm", project.name)),
            name: project.name.clone(),
        };
        let inputs = self.inputs(&project)?;
        let stamp = folder.join("inputs");
        let is_known = fs::read_to_string(&stamp).is_ok_and(|known| known == inputs.to_string());
        if is_known && component.file.is_file() {
            return Ok(component);
        }
        let entry = folder.join("entry");
        fs::create_dir_all(&entry).with_context(|| format!("cannot make `{}`", entry.display()))?;
        fs::write(entry.join(format!("{ENTRY}.py")), project.entry())?;
        let libraries = self.libraries(&project)?;
        let made = folder.join(format!("{}.partial", std::process::id()));
        self.componentize(&project, &entry, &libraries, &made)?;
        fs::rename(&made, &component.file)?;
        fs::write(stamp, inputs.to_string())?;
        Ok(component)
    }

    fn inputs(&self, project: &Project) -> Result<Digest> {
        let text = format!("{} {project:?}", self.tools.display());
        inputs::digest(
            &text,
            &[&project.source, &project.sdk_package(), &project.wit],
        )
    }

    /// The folder whose `site-packages` has what the package depends on.
    fn libraries(&self, project: &Project) -> Result<PathBuf> {
        let key = Digest::of(project.dependencies.join("\n").as_bytes()).short();
        let home = self.cache.join("libraries").join(key);
        let packages = home.join("site-packages");
        if packages.is_dir() {
            return Ok(home);
        }
        fs::create_dir_all(&home).with_context(|| format!("cannot make `{}`", home.display()))?;
        if project.dependencies.is_empty() {
            fs::create_dir(&packages)?;
            return Ok(home);
        }
        let for_guest = [
            "--only-binary=:all:",
            "--platform=any",
            "--implementation=py",
            "--abi=none",
            "--python-version",
            GUEST_PYTHON,
        ];
        self.install(&project.dependencies, &for_guest, &packages)
            .with_context(|| {
                format!(
                    "what `{}` depends on cannot be had; a handler takes libraries that are written \
                     in Python alone",
                    project.manifest().display()
                )
            })?;
        Ok(home)
    }

    /// Has pip put packages into a folder, which is there whole or not at all.
    fn install(&self, packages: &[String], options: &[&str], to: &Path) -> Result<()> {
        let has_pip = self.python().args(["-m", "pip", "--version"]).output()?;
        ensure!(
            has_pip.status.success(),
            "python3 has no pip, which gets what handlers are built with; on Debian\n    apt-get \
             install python3-pip"
        );
        let partial = to.with_extension(format!("{}.partial", std::process::id()));
        let status = self
            .python()
            .args(["-m", "pip", "install", "--quiet"])
            .args(["--disable-pip-version-check", "--no-compile"])
            .args(options)
            .arg("--target")
            .arg(&partial)
            .arg("--")
            .args(packages)
            // It goes into a folder of its own, whoever runs it.
            .env("PIP_ROOT_USER_ACTION", "ignore")
            .stdout(Stdio::null())
            .status()?;
        ensure!(
            status.success(),
            "pip cannot get `{}`; its lines above say why",
            packages.join("` and `")
        );
        match fs::rename(&partial, to) {
            // Another build was quicker.
            Err(_) if to.is_dir() => Ok(fs::remove_dir_all(&partial)?),
            renamed => renamed.with_context(|| format!("cannot make `{}`", to.display())),
        }
    }

    fn componentize(
        &self,
        project: &Project,
        entry: &Path,
        libraries: &Path,
        to: &Path,
    ) -> Result<()> {
        let run = "import sys; sys.path.insert(0, sys.argv.pop(1)); import componentize_py; \
                   sys.argv[0] = 'componentize-py'; componentize_py.script()";
        let mut command = self.python();
        command.arg("-c").arg(run).arg(&self.tools);
        for wit in [&project.wit, &project.sdk_package().join("world.wit")] {
            command.arg("-d").arg(wit);
        }
        command.args(["-q", "-w", "waystation:python/python-handler"]);
        command.arg("componentize");
        // The author's folder is the first, which is how the SDK knows it.
        for path in [&project.source, entry, &project.sdk] {
            command.arg("-p").arg(path);
        }
        command.arg(ENTRY).arg("-o").arg(to);
        // Else it takes what happens to be installed beside the tools.
        command.env("VIRTUAL_ENV", libraries);
        let output = command.output()?;
        if !output.status.success() {
            return Err(failed(project, &output));
        }
        Ok(())
    }

    /// Python with nothing of the author's environment.
    fn python(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-I");
        command
    }
}

/// Shows the author's mistake, or all that the tools said.
fn failed(project: &Project, output: &Output) -> anyhow::Error {
    let text = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    match said::by_author(&text) {
        Some(mistake) => {
            output::quote(mistake);
            let hint = said::hint(mistake, &project.manifest());
            anyhow::anyhow!(
                "`{}` does not load; the lines above say why{hint}",
                project.name
            )
        }
        None => {
            output::quote(&text);
            anyhow::anyhow!(
                "componentize-py made no component of `{}`; its lines above say why",
                project.name
            )
        }
    }
}

fn version(python: &Path) -> Result<(u32, u32)> {
    let print = "import sys; print(*sys.version_info[:2])";
    let output = match Command::new(python).args(["-I", "-c", print]).output() {
        Ok(output) => output,
        Err(_) => bail!(
            "there is no python3, which builds handlers in Python; on Debian\n    apt-get install python3 python3-pip"
        ),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!(
            "python3 does not tell its version:\n{}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    }
}
