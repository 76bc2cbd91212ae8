//! `subledger token create|list|revoke`

use std::process::ExitCode;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::database::Database;
use super::failure::Failure;
use super::{ConfigArg, settings};
use crate::control::{self, Role};
use crate::domain::dates::rfc3339;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Makes a token; its secret is shown once
    Create {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(long)]
        role: Role,
        #[arg(long)]
        name: String,
        /// How long it lives: 90d, 12h; absent: until revoked
        #[arg(long, value_parser = control::lifetime)]
        expires: Option<TimeDelta>,
        #[arg(long)]
        json: bool,
    },
    /// Lists tokens, never their secrets
    List {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(long)]
        json: bool,
    },
    /// Revokes a token at once
    Revoke {
        #[command(flatten)]
        config: ConfigArg,
        id: Uuid,
    },
}

pub(super) async fn run(args: &Args) -> Result<ExitCode, Failure> {
    let config = match &args.command {
        Command::Create { config, .. } | Command::List { config, .. } | Command::Revoke { config, .. } => {
            settings::find(config)?
        }
    };
    let database = Database::attach(&config).await?;
    let done = work(&args.command, &database).await;
    database.close().await?;
    done
}

async fn work(command: &Command, database: &Database) -> Result<ExitCode, Failure> {
    let client = database.pool()?.get().await?;
    match command {
        Command::Create { role, name, expires, json, .. } => {
            let expires_at: Option<DateTime<Utc>> = expires.map(|lifetime| Utc::now() + lifetime);
            let (token, secret) = control::create(&client, name, *role, expires_at).await?;
            if *json {
                let shown = json!({"id": token.id, "name": token.name, "role": token.role, "expires_at": expires_at.map(rfc3339), "token": secret});
                println!("{shown}");
            } else {
                println!("{secret}");
                eprintln!("token {} ({}); this is the only time its secret is shown", token.id, role.as_str());
            }
        }
        Command::List { json, .. } => {
            let tokens = control::list(&client).await?;
            if *json {
                println!("{}", serde_json::to_string(&json!({"tokens": tokens}))?);
            } else {
                for t in tokens {
                    let end = match (t.revoked_at, t.expires_at) {
                        (Some(at), _) => format!("revoked {}", rfc3339(at)),
                        (None, Some(at)) => format!("expires {}", rfc3339(at)),
                        (None, None) => "until revoked".to_owned(),
                    };
                    println!("{}  {:8} {:30} {end}", t.id, t.role.as_str(), t.name);
                }
            }
        }
        Command::Revoke { id, .. } => {
            if !control::revoke(&client, *id).await? {
                return Err(format!("no token {id} that could still be used").into());
            }
            println!("revoked {id}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
