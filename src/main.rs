//! The one front door.

use std::process::ExitCode;

fn main() -> ExitCode {
    subledger::cli::main()
}
