//! `subledger migrate`

use std::process::ExitCode;

use super::database::Database;
use super::failure::Failure;
use super::{ConfigArg, settings};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode, Failure> {
    let config = settings::find(&args.config)?;
    let database = Database::attach(&config).await?;
    let migrated = database.migrate().await;
    database.close().await?;
    let migrated = migrated?;
    if args.json {
        println!("{}", serde_json::to_string(&migrated)?);
    } else if migrated.applied.is_empty() {
        println!("the schema is up to date");
    } else {
        migrated.applied.iter().for_each(|step| println!("applied {step}"));
    }
    if migrated.projections_renewed && !args.json {
        println!("the projections' tables were made anew; `serve` fills them from the ledger");
    }
    Ok(ExitCode::SUCCESS)
}
