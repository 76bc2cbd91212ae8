//! `subledger config check`: every problem at once, with file, key and the fix.

use std::process::ExitCode;

use super::failure::Failure;
use super::{ConfigArg, settings};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Reads the configuration as `serve` would and lists every problem
    Check(ConfigArg),
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let Command::Check(config) = &args.command;
    let path = settings::path(config)?;
    let config = settings::read(&path)?;
    println!(
        "{}: ok ({} sources, {} LicenseSpring accounts, {} catalog rules)",
        path.display(),
        config.sources.len(),
        config.licensespring.len(),
        config.rules.catalog.len()
    );
    Ok(ExitCode::SUCCESS)
}
