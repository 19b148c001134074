//! Handlers in Rust: which toolchain, which target, which flags.
//!
//! A `cdylib` built for wasm32-wasip2 is a component at once.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;
use waystation_core::{Digest, limits};

use super::Component;

const TARGET: &str = "wasm32-wasip2";
const TOOLCHAIN_SCRIPT: &str = include_str!("../../../../guest-sdk/toolchain.sh");

/// What an outer build leaves in the environment, which must not steer a guest's.
const OUTER_BUILD: [&str; 4] = [
    "RUSTC",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// A Rust toolchain that has the target.
pub struct Toolchain {
    rustc: PathBuf,
    cargo: PathBuf,
    /// Tells toolchains apart in the name of a folder.
    version: String,
}

impl Toolchain {
    /// The one that the SDK's script finds or makes.
    pub fn find() -> Result<Self> {
        let mut script = Command::new("sh")
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run sh, which finds the toolchain for handlers")?;
        let mut stdin = script.stdin.take().context("sh has no stdin")?;
        stdin.write_all(TOOLCHAIN_SCRIPT.as_bytes())?;
        drop(stdin);
        let output = script.wait_with_output()?;
        ensure!(
            output.status.success(),
            "there is no toolchain for handlers; the lines above say what to do"
        );
        let text = String::from_utf8(output.stdout)?;
        let rustc = PathBuf::from(
            text.lines()
                .last()
                .context("the toolchain script printed no path")?,
        );
        let beside = rustc.with_file_name("cargo");
        let cargo = if beside.is_file() {
            beside
        } else {
            "cargo".into()
        };
        let version = version(&rustc)?;
        Ok(Self {
            rustc,
            cargo,
            version,
        })
    }

    fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        for variable in OUTER_BUILD {
            command.env_remove(variable);
        }
        command.env("RUSTC", &self.rustc);
        command
    }

    /// Makes a component of a package. What cargo says goes to stderr.
    pub fn compile(&self, dir: &Path) -> Result<Component> {
        let package = self.package(dir)?;
        let file = self.cargo_build(dir, &package)?;
        Ok(Component {
            name: package.name,
            file,
        })
    }

    fn package(&self, dir: &Path) -> Result<Package> {
        let manifest = dir.join("Cargo.toml");
        let output = self
            .cargo()
            .args([
                "metadata",
                "--no-deps",
                "--format-version=1",
                "--manifest-path",
            ])
            .arg(&manifest)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot run `{}`", self.cargo.display()))?;
        ensure!(
            output.status.success(),
            "cargo cannot read `{}`",
            manifest.display()
        );
        let metadata: Metadata = serde_json::from_slice(&output.stdout)?;

        let manifest = fs::canonicalize(&manifest)?;
        let package = metadata
            .packages
            .into_iter()
            .find(|package| package.manifest_path == manifest)
            .with_context(|| {
                format!(
                    "cargo does not know the package of `{}`",
                    manifest.display()
                )
            })?;
        ensure!(
            package
                .targets
                .iter()
                .any(|target| is_cdylib(&target.crate_types)),
            "`{}` is no handler: set crate-type = [\"cdylib\"] under [lib] in `{}`",
            package.name,
            manifest.display()
        );
        // Cargo does not see that a toolchain was rebuilt, so each has a folder.
        // And it gives two packages of one name the same file: within a
        // workspace there are no two, but a target folder may serve several.
        let workspace = Digest::of(metadata.workspace_root.as_os_str().as_encoded_bytes());
        let target_dir = metadata.target_directory.join("handlers").join(format!(
            "{}-{}",
            self.version,
            workspace.short()
        ));
        Ok(Package {
            name: package.name,
            target_dir,
        })
    }

    /// Gives the path of the component in cargo's target folder.
    fn cargo_build(&self, dir: &Path, package: &Package) -> Result<PathBuf> {
        let mut cargo = self
            .cargo()
            .args(["build", "--release", "--lib", "--target", TARGET])
            .arg("--message-format=json-render-diagnostics")
            .args(configuration())
            .arg("--target-dir")
            .arg(&package.target_dir)
            .arg("--manifest-path")
            .arg(dir.join("Cargo.toml"))
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run `{}`", self.cargo.display()))?;
        let stdout = cargo.stdout.take().context("cargo has no stdout")?;
        let mut component = None;
        for line in BufReader::new(stdout).lines() {
            // A dependency's build script may print what is no message.
            if let Ok(Message { filenames, target }) = serde_json::from_str(&line?) {
                let is_wasm = |file: &PathBuf| file.extension() == Some(OsStr::new("wasm"));
                if is_cdylib(&target.crate_types) {
                    component = filenames.into_iter().find(is_wasm).or(component);
                }
            }
        }
        if !cargo.wait()?.success() {
            bail!(
                "`{}` does not compile; cargo's lines above say why",
                package.name
            );
        }
        component.ok_or_else(|| anyhow!("cargo made no component of `{}`", package.name))
    }
}

/// A handler package.
struct Package {
    name: String,
    target_dir: PathBuf,
}

/// What `cargo metadata` prints, as far as needed.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// A line of `cargo build --message-format=json` about something it made.
#[derive(Deserialize)]
struct Message {
    target: Target,
    filenames: Vec<PathBuf>,
}

fn is_cdylib(crate_types: &[String]) -> bool {
    crate_types.iter().any(|crate_type| crate_type == "cdylib")
}

/// Small and fast guests whose names are left for backtraces. Line tables would make
/// them four times as large, and the host read a guest's debug information at each trap;
/// a panic names its file and line without them.
///
/// The allocator of the guest's libc takes the memory that is there at the start
/// before it asks for more, so with this much an ordinary event never grows the
/// memory, which would cost the host more than the event itself.
fn configuration() -> Vec<String> {
    let flags = [
        format!(
            "-Clink-arg=--initial-memory={}",
            limits::GUEST_INITIAL_MEMORY_BYTES
        ),
        format!("-Clink-arg=-zstack-size={}", limits::GUEST_STACK_BYTES),
    ];
    [
        format!("target.{TARGET}.rustflags={flags:?}"),
        "profile.release.opt-level=3".to_owned(),
        "profile.release.lto=\"fat\"".to_owned(),
        "profile.release.codegen-units=1".to_owned(),
        "profile.release.panic=\"abort\"".to_owned(),
        "profile.release.debug=false".to_owned(),
        "profile.release.strip=\"debuginfo\"".to_owned(),
    ]
    .into_iter()
    .flat_map(|setting| ["--config".to_owned(), setting])
    .collect()
}

/// The release of the toolchain, and when its library for guests was made: cargo
/// does not notice a library that was made anew.
fn version(rustc: &Path) -> Result<String> {
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run `{}`", rustc.display()))?;
    ensure!(
        output.status.success(),
        "`{}` does not tell its version",
        rustc.display()
    );
    let text = String::from_utf8(output.stdout)?;
    let release = text
        .split_whitespace()
        .nth(1)
        .context("rustc --version names no release")?;
    let sysroot = rustc.ancestors().nth(2).unwrap_or(Path::new(""));
    let std = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let made = fs::metadata(&std)
        .and_then(|metadata| metadata.modified())
        .with_context(|| format!("cannot read `{}`", std.display()))?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(format!("{release}-{:x}", made.as_millis()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_toolchain_that_was_made_anew_has_another_version() {
        use std::os::unix::fs::PermissionsExt;
        let sysroot = tempfile::tempdir().unwrap();
        let std = sysroot.path().join("lib/rustlib").join(TARGET).join("lib");
        fs::create_dir_all(&std).unwrap();
        fs::create_dir(sysroot.path().join("bin")).unwrap();
        let rustc = sysroot.path().join("bin/rustc");
        fs::write(&rustc, "#!/bin/sh\necho 'rustc 1.2.3 (none)'\n").unwrap();
        fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).unwrap();
        let made = |seconds| {
            let at = UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::open(&std).unwrap().set_modified(at).unwrap();
            version(&rustc).unwrap()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        assert!(made(1).starts_with("1.2.3-"));
    }
}
