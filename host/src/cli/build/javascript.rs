//! Handlers in JavaScript and TypeScript.
//!
//! The SDK has a script that makes a component of a package; this finds what it
//! needs, fetches the package's dependencies where they are missing, and runs it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::Component;

/// The oldest Node.js that runs the script and the tests of a package.
const NODE: (u32, u32) = (20, 6);

const INSTALL: &str = "install Node.js 20.6 or later, for instance with\nsudo apt-get install nodejs npm\n  or from https://nodejs.org";

/// The SDK, as npm puts it into a package.
const SDK: &str = "node_modules/@waystation/sdk";

/// What was made, within the package's `node_modules`, which is never kept.
const MADE: &str = "node_modules/.cache/waystation";

/// Node.js and npm.
pub struct Toolchain;

impl Toolchain {
    /// Looks whether they are there, and new enough.
    pub fn find() -> Result<Self> {
        let found = output("node")?;
        ensure!(
            version(&found).is_some_and(|version| version >= NODE),
            "handlers in JavaScript need Node.js {}.{}, found {}\n  {INSTALL}",
            NODE.0,
            NODE.1,
            found.trim()
        );
        Ok(Self)
    }

    /// Makes a component of a package. What is wrong with it goes to stderr.
    pub fn compile(&self, dir: &Path) -> Result<Component> {
        let dir = std::path::absolute(dir)?;
        let name = name(&dir)?;
        install(&dir)?;
        let file = dir.join(MADE).join(format!("{name}.wasm"));
        let status = Command::new("node")
            .arg(dir.join(SDK).join("build.mjs"))
            .args([&dir, &file])
            .stdout(Stdio::null())
            .status()
            .context("cannot run node")?;
        ensure!(
            status.success(),
            "`{name}` is not built; the lines above say why"
        );
        Ok(Component { name, file })
    }
}

/// What a tool says of its version.
fn output(tool: &str) -> Result<String> {
    let output = Command::new(tool).arg("--version").output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8(output.stdout)?),
        Ok(_) => bail!("`{tool} --version` fails\n  {INSTALL}"),
        Err(_) => bail!("handlers in JavaScript need `{tool}`, which is not here\n  {INSTALL}"),
    }
}

/// Major and minor of `v20.6.1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.');
    let mut number = || parts.next()?.parse().ok();
    Some((number()?, number()?))
}

/// What of package.json is needed.
#[derive(Deserialize)]
struct Manifest {
    name: Option<String>,
}

/// The package's name, without the scope before it.
fn name(dir: &Path) -> Result<String> {
    let path = dir.join("package.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    let manifest: Manifest = serde_json::from_str(&text)
        .with_context(|| format!("`{}` is not what npm expects", path.display()))?;
    let name = manifest
        .name
        .with_context(|| format!("`{}` has no `name`, the handler's name", path.display()))?;
    let stem = name.rsplit('/').next().unwrap_or(&name);
    let name = waystation_core::HandlerName::new(stem)
        .with_context(|| format!("`{}`: `name` names no handler", path.display()))?;
    Ok(name.to_string())
}

/// Fetches the dependencies where they are missing, as the lock file has them.
fn install(dir: &Path) -> Result<()> {
    let script = dir.join(SDK).join("build.mjs");
    if !dir.join("node_modules").is_dir() || !script.is_file() {
        npm_install(dir)?;
    }
    ensure!(
        script.is_file(),
        "`{}` does not depend on the SDK\n  add it with\nnpm install PATH/TO/guest-sdk/javascript",
        dir.join("package.json").display()
    );
    // npm links an SDK that lies elsewhere, and gives it nothing of what it needs.
    let linked = std::fs::canonicalize(&script)
        .with_context(|| format!("cannot read `{}`", script.display()))?;
    let has = |folder: &Path| folder.join("node_modules/componentize-qjs").is_dir();
    match linked.parent() {
        Some(sdk) if !linked.ancestors().any(has) => npm_install(sdk),
        _ => Ok(()),
    }
}

fn npm_install(dir: &Path) -> Result<()> {
    output("npm")?;
    let command = if dir.join("package-lock.json").is_file() {
        "ci"
    } else {
        "install"
    };
    let status = Command::new("npm")
        .args([command, "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(dir)
        .stdout(Stdio::null())
        .status()
        .context("cannot run npm")?;
    ensure!(
        status.success(),
        "the dependencies of `{}` cannot be installed; npm's lines above say why",
        dir.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let check = |text, expected| assert_eq!(version(text), expected, "{text}");
        check("v20.6.1\n", Some((20, 6)));
        check("v9.11.2", Some((9, 11)));
        check("20", None);
        check("", None);
    }

    #[test]
    fn a_handler_has_the_name_of_its_package() {
        let folder = tempfile::tempdir().unwrap();
        let check = |text: &str, expected: Result<&str, &str>| {
            std::fs::write(folder.path().join("package.json"), text).unwrap();
            match (name(folder.path()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => {
                    assert!(found.to_string().contains(expected), "{found}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        };
        check(r#"{"name": "price-watch"}"#, Ok("price-watch"));
        check(r#"{"name": "@shop/price-watch"}"#, Ok("price-watch"));
        check(r#"{"name": ""}"#, Err("names no handler"));
        check("{}", Err("no `name`"));
        check("{", Err("is not what npm expects"));
    }
}
