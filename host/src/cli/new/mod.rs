//! `waystation new`: a handler package that builds, tests and runs as it is.

mod embedded;
mod template;
mod words;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;

use super::exit::{Exit, Failure};
use super::{output, shell};
use embedded::Files;
use words::{EventType, Name};

/// Make a handler package that builds, tests and runs as it is
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The name of the handler, such as welcome-mail
    #[arg(value_name = "NAME")]
    name: Name,
    /// The language that it is written in
    #[arg(long, value_enum, value_name = "LANG")]
    lang: Option<Language>,
    /// The type of the events that it handles
    #[arg(long, value_name = "TYPE")]
    on: Option<EventType>,
    /// The type of the events that it publishes [default: none]
    #[arg(long, value_name = "TYPE")]
    publishes: Option<EventType>,
    /// The folder to make [default: NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// An SDK that is there already, instead of a copy beside the package
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// What a handler is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Rust
    Rust,
    /// JavaScript or TypeScript
    #[value(alias = "javascript", alias = "typescript", alias = "ts")]
    Js,
    /// Python
    #[value(alias = "python")]
    Py,
}

/// What a package of a language is made of.
struct Kit {
    /// The file that makes a folder a package, the SDK's too.
    manifest: &'static str,
    sdk: Files,
    template: Files,
    /// The commands from a new package to its tests.
    test: &'static [&'static str],
}

impl Language {
    fn kit(self) -> Kit {
        match self {
            Self::Rust => Kit {
                manifest: "Cargo.toml",
                sdk: embedded::RUST_SDK,
                template: embedded::RUST_TEMPLATE,
                test: &["cargo test"],
            },
            Self::Js => Kit {
                manifest: "package.json",
                sdk: embedded::JAVASCRIPT_SDK,
                template: embedded::JAVASCRIPT_TEMPLATE,
                test: &["npm install", "npm test"],
            },
            Self::Py => Kit {
                manifest: "pyproject.toml",
                sdk: embedded::PYTHON_SDK,
                template: embedded::PYTHON_TEMPLATE,
                test: &[
                    "python3 -m venv .venv",
                    ".venv/bin/pip install pytest",
                    ".venv/bin/pytest",
                ],
            },
        }
    }
}

/// Makes the package and says what to do with it.
pub fn run(args: &Args) -> Result<(), Failure> {
    let (lang, on) = match (args.lang, &args.on) {
        (Some(lang), Some(on)) => (lang, on),
        (None, _) => return Err(incomplete(args, "`--lang`: rust, js or py")),
        (_, None) => return Err(incomplete(args, "`--on`: the type of its events")),
    };
    if args.publishes.as_ref() == Some(on) {
        let error = anyhow!("`--publishes` names the type that the handler handles itself");
        let hint = "each of its events would cause another one: name two types";
        return Err(Failure::new(Exit::Usage, error).with_hint(hint));
    }
    let kit = lang.kit();
    if kit.template.is_empty() {
        let error = anyhow!("this build of `waystation` makes no handlers in this language");
        return Err(Failure::new(Exit::Usage, error));
    }
    let name = args.name.as_str();
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(name));
    check_free(&dir)?;
    let sdk = match &args.sdk {
        Some(sdk) => path_to_sdk(sdk, &dir, &kit)?,
        None => "sdk".to_owned(),
    };
    let sdk = template::quoted(&sdk);
    let module = args.name.module();
    let values = [
        ("name", Some(name)),
        ("module", Some(module.as_str())),
        ("on", Some(on.as_str())),
        ("publishes", args.publishes.as_ref().map(EventType::as_str)),
        ("sdk", Some(sdk.as_str())),
    ];
    for (path, text) in kit.template {
        let path = template::fill(path, &values);
        write(&dir.join(path), &template::fill(text, &values))?;
    }
    if args.sdk.is_none() {
        copy(kit.sdk, &dir.join("sdk"))?;
        copy(embedded::WIT, &dir.join("wit"))?;
    }
    let types = [Some(on), args.publishes.as_ref()];
    for oddity in types.into_iter().flatten().filter_map(EventType::oddity) {
        output::note(&format!("a mistake? {oddity}"));
    }
    output::note(&format!("made `{}`; next:", dir.display()));
    let enter = format!("cd {}", shell::word(&dir));
    let invoke = format!("waystation invoke handlers/{name}.wasm cases/first/event.json");
    let build = [
        "waystation test",
        "waystation build",
        &invoke,
        "waystation dev",
    ];
    let commands = kit.test.iter().chain(&build);
    for command in [enter.as_str()].iter().chain(commands) {
        output::command(command);
    }
    Ok(())
}

fn incomplete(args: &Args, missing: &str) -> Failure {
    let name = args.name.as_str();
    let lang = args.lang.and_then(|lang| lang.to_possible_value());
    let lang = lang.map_or_else(|| "rust".to_owned(), |lang| lang.get_name().to_owned());
    let on = args.on.as_ref().map(EventType::as_str);
    let on = on.unwrap_or("com.example.orders.paid.v1");
    let error = anyhow!("`waystation new {name}` also needs {missing}");
    Failure::new(Exit::Usage, error).with_hint(format!(
        "for instance\nwaystation new {name} --lang {lang} --on {on}"
    ))
}

/// Nothing that is there is ever overwritten.
fn check_free(dir: &Path) -> Result<(), Failure> {
    let occupied = |what: &str| {
        let error = anyhow!("`{}` is there already and {what}", dir.display());
        Failure::new(Exit::Usage, error).with_hint("name another folder with `--dir`")
    };
    match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(occupied("is not empty")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(occupied("is no folder")),
        Err(error) => Err(anyhow!(error)
            .context(format!("cannot read `{}`", dir.display()))
            .into()),
    }
}

/// The way from the new package to an SDK that is there.
fn path_to_sdk(sdk: &Path, dir: &Path, kit: &Kit) -> Result<String, Failure> {
    if !sdk.join(kit.manifest).is_file() {
        let error = anyhow!("`{}` is no SDK for this language", sdk.display());
        let hint = format!("there is no `{}` in it", kit.manifest);
        return Err(Failure::new(Exit::Usage, error).with_hint(hint));
    }
    let cannot = || format!("cannot find `{}`", sdk.display());
    let to = fs::canonicalize(sdk).with_context(cannot)?;
    let from = absolute(dir)?;
    let way = way(&from, &to);
    let text = way.to_str().context("the path of the SDK is not UTF-8")?;
    Ok(text.to_owned())
}

/// The path of a folder that may not be there yet, without links as far as it is.
fn absolute(dir: &Path) -> anyhow::Result<PathBuf> {
    let dir = std::path::absolute(dir)?;
    for (depth, parent) in dir.ancestors().enumerate() {
        if let Ok(real) = fs::canonicalize(parent) {
            let rest: PathBuf = dir.iter().skip(dir.iter().count() - depth).collect();
            return Ok(real.join(rest));
        }
    }
    Ok(dir)
}

/// The relative way from one absolute folder to another.
fn way(from: &Path, to: &Path) -> PathBuf {
    let same = from.iter().zip(to.iter()).take_while(|(a, b)| a == b);
    let same = same.count();
    let up = from
        .iter()
        .skip(same)
        .map(|_| Component::ParentDir.as_os_str());
    up.chain(to.iter().skip(same)).collect()
}

fn copy(files: Files, to: &Path) -> anyhow::Result<()> {
    files
        .iter()
        .try_for_each(|(path, text)| write(&to.join(path), text))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdk_is_found_from_the_package() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(way(Path::new(from), Path::new(to)), Path::new(expected));
        };
        check("/a/handlers/mail", "/a/guest-sdk", "../../guest-sdk");
        check("/a/mail", "/a/mail/sdk", "sdk");
        check("/a", "/b/sdk", "../b/sdk");
    }

    #[test]
    fn a_folder_that_is_not_there_has_an_absolute_path() {
        let folder = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(folder.path()).unwrap();
        let found = absolute(&folder.path().join("new/mail")).unwrap();
        assert_eq!(found, real.join("new/mail"));
    }

    #[test]
    fn only_an_empty_folder_is_filled() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_free(folder.path()).is_ok());
        assert!(check_free(&folder.path().join("new")).is_ok());
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for (dir, expected) in [(folder.path(), "is not empty"), (&file, "is no folder")] {
            let (exit, text) = check_free(dir).unwrap_err().parts();
            assert_eq!(exit, Exit::Usage);
            assert!(text.contains(expected), "{text}");
        }
    }
}
