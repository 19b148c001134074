//! A handler package: a folder with the manifest of its language.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// A folder that a component is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// The folder.
    pub dir: PathBuf,
    /// What it is written in.
    pub language: Language,
}

/// What a handler is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// Known by `Cargo.toml`.
    Rust,
    /// JavaScript or TypeScript, known by `package.json`.
    JavaScript,
    /// Known by `pyproject.toml`.
    Python,
}

impl Language {
    /// All of them. Where a folder has several manifests, the first one counts.
    const ALL: [Self; 3] = [Self::Rust, Self::JavaScript, Self::Python];

    /// The file that makes a folder a package of this language.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::JavaScript => "package.json",
            Self::Python => "pyproject.toml",
        }
    }

    /// What an author writes to make a handler of a function.
    pub fn how_to_be_a_handler(self) -> &'static str {
        match self {
            Self::Rust => {
                "no function has the attribute\n#[handler(on = \"com.example.orders.paid.v1\")]"
            }
            Self::JavaScript => "its module exports no handler made by `defineHandler`",
            Self::Python => "no function has the decorator `@handler`",
        }
    }

    fn of(dir: &Path) -> Result<Option<Self>> {
        for language in Self::ALL {
            let manifest = dir.join(language.manifest());
            if manifest.is_file()
                && (language != Self::Rust || !is_cargo_workspace_only(&manifest)?)
            {
                return Ok(Some(language));
            }
        }
        Ok(None)
    }
}

/// The folder itself if it is a package, else its direct children that are.
pub fn find(dir: &Path) -> Result<Vec<Package>> {
    let package = |dir: &Path| {
        let language = Language::of(dir)?;
        anyhow::Ok(language.map(|language| Package {
            dir: dir.to_owned(),
            language,
        }))
    };
    if let Some(package) = package(dir)? {
        return Ok(vec![package]);
    }
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
    let mut packages = Vec::new();
    for entry in entries {
        packages.extend(package(&entry?.path())?);
    }
    let [rust, javascript, python] = Language::ALL.map(Language::manifest);
    ensure!(
        !packages.is_empty(),
        "`{}` is no handler package and holds none: there is no `{rust}`, `{javascript}` or \
         `{python}` in it or in a folder of it\n  `waystation new NAME` makes one",
        dir.display()
    );
    packages.sort();
    Ok(packages)
}

fn is_cargo_workspace_only(manifest: &Path) -> Result<bool> {
    let text = fs::read_to_string(manifest)
        .with_context(|| format!("cannot read `{}`", manifest.display()))?;
    let table: toml::Table =
        toml::from_str(&text).with_context(|| format!("`{}` is no TOML", manifest.display()))?;
    Ok(!table.contains_key("package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(dir: PathBuf, language: Language) -> Package {
        fs::create_dir_all(&dir).unwrap();
        let text = match language {
            Language::Rust => "[package]\nname = \"a\"\n",
            Language::JavaScript => "{}",
            Language::Python => "",
        };
        fs::write(dir.join(language.manifest()), text).unwrap();
        Package { dir, language }
    }

    #[test]
    fn a_folder_is_a_package_or_holds_packages() {
        let folder = tempfile::tempdir().unwrap();
        let all = [
            package(folder.path().join("one"), Language::JavaScript),
            package(folder.path().join("three"), Language::Python),
            package(folder.path().join("two"), Language::Rust),
        ];
        fs::create_dir(folder.path().join("notes")).unwrap();
        assert_eq!(find(&all[0].dir).unwrap(), all[..1]);
        assert_eq!(find(folder.path()).unwrap(), all);

        fs::write(
            folder.path().join("Cargo.toml"),
            "[workspace]\nmembers = [\"*\"]\n",
        )
        .unwrap();
        assert_eq!(find(folder.path()).unwrap(), all);
    }

    #[test]
    fn a_folder_without_packages_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = find(folder.path()).unwrap_err().to_string();
        for part in [
            folder.path().to_str().unwrap(),
            "Cargo.toml",
            "package.json",
            "pyproject.toml",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
