//! The verbs: one file each. This is where the parts are introduced to each other.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod database;
mod dev;
mod failure;
mod migrate;
mod rebuild;
mod reconcile;
mod sandbox;
mod send;
mod serve;
mod settings;
mod stories;
mod token;

use failure::Failure;

/// Exit code of a command line that cannot be read (sysexits' EX_USAGE).
const EXIT_USAGE: u8 = 64;

/// An event-sourced subscription ledger: provider webhooks in, LicenseSpring licenses out.
#[derive(Debug, Parser)]
#[command(name = "subledger", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
struct ConfigArg {
    /// The configuration file. Default: ./subledger.toml, else what `subledger dev` wrote in ./.subledger
    #[arg(long, env = "SUBLEDGER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves webhooks and the API, projects, and reconciles, from a configuration file
    #[command(after_help = "Example: subledger serve --config subledger.toml")]
    Serve(ConfigArg),
    /// Everything on this machine: a private Postgres, the LicenseSpring sandbox, demo sources and a demo catalog
    #[command(after_help = "Example: subledger dev\n         subledger send stripe-main --example start")]
    Dev(dev::Args),
    /// The LicenseSpring sandbox alone
    #[command(after_help = "Example: subledger sandbox --listen 127.0.0.1:8081 --data sandbox.json")]
    Sandbox(sandbox::Args),
    /// Signs payloads as the provider would and posts them to a running instance
    #[command(
        after_help = "Example: subledger send stripe-main --example start\n         subledger send stripe-main event.json --repeat 3"
    )]
    Send(send::Args),
    /// Runs schema steps, guards and grants; refuses to run backwards
    #[command(after_help = "Example: subledger migrate --config subledger.toml")]
    Migrate(migrate::Args),
    /// Folds everything anew beside what is live; shows the differences; promotes it if told to
    #[command(
        after_help = "Example: subledger rebuild --dry-run\n         subledger rebuild --source stripe-main --customer cus_1 --promote"
    )]
    Rebuild(rebuild::Args),
    /// Plans calls, applies plans, and looks for what was not done by us
    #[command(after_help = "Example: subledger reconcile plan\n         subledger reconcile apply PLAN")]
    Reconcile(reconcile::Args),
    /// Creates, lists and revokes access tokens
    #[command(after_help = "Example: subledger token create --role auditor --name grafana --expires 90d")]
    Token(token::Args),
    /// Looks at the configuration
    #[command(after_help = "Example: subledger config check --config subledger.toml")]
    Config(check::Args),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return Failure::from(format!("no runtime: {e}")).report(),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(args) => serve::run(&args).await,
        Command::Dev(args) => dev::run(&args).await,
        Command::Sandbox(args) => sandbox::run(&args).await,
        Command::Send(args) => send::run(&args).await,
        Command::Migrate(args) => migrate::run(&args).await,
        Command::Rebuild(args) => rebuild::run(&args).await,
        Command::Reconcile(args) => reconcile::run(&args).await,
        Command::Token(args) => token::run(&args).await,
        Command::Config(args) => check::run(&args),
    }
}
