//! The program that the tests have compile, as the host has itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    waystation_runtime::compile_process()
}
