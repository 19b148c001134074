//! `pyproject.toml`, as far as a handler's build reads it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// A handler's package.
#[derive(Debug)]
pub struct Project {
    /// The handler's name.
    pub name: String,
    /// The folder with the author's modules.
    pub source: PathBuf,
    /// What it needs from PyPI.
    pub dependencies: Vec<String>,
    /// The folder that holds the package `waystation_sdk`.
    pub sdk: PathBuf,
    /// The contract.
    pub wit: PathBuf,
    dir: PathBuf,
    module: String,
}

#[derive(Deserialize)]
struct Manifest {
    project: Option<Table>,
    #[serde(default)]
    tool: Tools,
}

#[derive(Deserialize)]
struct Table {
    name: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default)]
    waystation: Settings,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    sdk: Option<PathBuf>,
}

const SDK: &str = "waystation-sdk";

impl Project {
    /// Reads it.
    pub fn read(dir: &Path) -> Result<Self> {
        let file = dir.join("pyproject.toml");
        let text = fs::read_to_string(&file)
            .with_context(|| format!("cannot read `{}`", file.display()))?;
        let manifest: Manifest =
            toml::from_str(&text).with_context(|| format!("cannot read `{}`", file.display()))?;
        let project = manifest.project.with_context(|| {
            format!("`{}` has no table [project] with a `name`", file.display())
        })?;
        let module = project.name.replace(['-', '.'], "_");
        let source = dir.join("src");
        let [plain, package] = [format!("{module}.py"), format!("{module}/__init__.py")];
        ensure!(
            source.join(&plain).is_file() || source.join(&package).is_file(),
            "there is no `{}`: the module of a handler is named like its package, `{}`",
            source.join(&plain).display(),
            project.name
        );
        let sdk = dir.join(manifest.tool.waystation.sdk.unwrap_or_else(|| "sdk".into()));
        ensure!(
            sdk.join("waystation_sdk").is_dir(),
            "there is no SDK in `{}`: name its folder in `{}`\n    [tool.waystation]\n    sdk = \"sdk\"",
            sdk.display(),
            file.display()
        );
        // Beside a copy of the SDK, or at the root of Waystation's own repository.
        let wit = ["../wit", "../../wit"].map(|wit| sdk.join(wit));
        let wit = wit.into_iter().find(|wit| wit.join("events.wit").is_file());
        let wit = wit.with_context(|| {
            format!(
                "the SDK lacks its contract: there is no `{}/../wit`",
                sdk.display()
            )
        })?;
        let dependencies = project.dependencies.into_iter();
        Ok(Self {
            name: project.name,
            source,
            dependencies: dependencies.filter(|each| !is_sdk(each)).collect(),
            sdk,
            wit,
            dir: dir.to_owned(),
            module,
        })
    }

    /// The file that was read.
    pub fn manifest(&self) -> PathBuf {
        self.dir.join("pyproject.toml")
    }

    /// The SDK's own modules.
    pub fn sdk_package(&self) -> PathBuf {
        self.sdk.join("waystation_sdk")
    }

    /// The module that makes a component of the author's.
    pub fn entry(&self) -> String {
        format!(
            "from waystation_sdk import _guest\n\nHandler = _guest.load(\"{}\")\n",
            self.module
        )
    }
}

/// Whether a requirement is the SDK, which comes with Waystation.
fn is_sdk(requirement: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = requirement.find(|c| !is_of_name(c));
    let name = requirement.get(..end.unwrap_or(requirement.len()));
    name.is_some_and(|name| name.to_ascii_lowercase().replace(['_', '.'], "-") == SDK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(manifest: &str, files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("pyproject.toml"), manifest).unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    const FILES: [&str; 3] = [
        "src/mail_sender.py",
        "sdk/waystation_sdk/__init__.py",
        "wit/events.wit",
    ];

    #[test]
    fn what_a_package_needs_is_read() {
        let manifest = "[project]\nname = \"mail-sender\"\n\
             dependencies = [\"Waystation_SDK >= 0.1\", \"humanize==4.13.0\"]\n";
        let dir = package(manifest, &FILES);
        let project = Project::read(dir.path()).unwrap();
        assert_eq!(project.name, "mail-sender");
        assert_eq!(project.dependencies, ["humanize==4.13.0"]);
        assert_eq!(project.sdk, dir.path().join("sdk"));
        assert!(project.wit.join("events.wit").is_file());
        assert!(project.entry().contains("\"mail_sender\""));
    }

    #[test]
    fn what_is_missing_is_said_by_its_path() {
        let named = "[project]\nname = \"mail-sender\"\n";
        let check = |manifest: &str, files: &[&str], expected: &str| {
            let dir = package(manifest, files);
            let error = Project::read(dir.path()).unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        };
        check("", &FILES, "no table [project]");
        check(named, &FILES[1..], "src/mail_sender.py");
        check(named, &FILES[..1], "[tool.waystation]");
        check(named, &FILES[..2], "/../wit");
        let typo = format!("{named}[tool.waystation]\nskd = \"x\"\n");
        check(&typo, &FILES, "skd");
    }
}
