//! `waystation completions`: scripts that complete commands in a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::exit::Failure;
use super::{Cli, output};

/// Print a script that completes commands in a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "waystation", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
