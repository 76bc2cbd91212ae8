//! `subledger rebuild`: a new generation beside the live one, while ingest and reads go on. It
//! causes no call.

use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::database::Database;
use super::failure::Failure;
use super::{ConfigArg, serve, settings};
use crate::config::Config;
use crate::ledger::journal;
use crate::projections::Place;
use crate::projections::generations::{self, Promotion};
use crate::projector::rebuild::{Scope, Target};
use crate::projector::{Projector, Step};

/// Exit code for "there are differences".
const EXIT_DIFFERENCES: u8 = 2;
/// Differences that are printed.
const SHOWN_MAX: usize = 20;
/// The live generation may move on while we catch up; so often it is followed.
const TRIES_MAX: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Only this source; its rows are exchanged with the live ones
    #[arg(long)]
    source: Option<String>,
    /// Only this customer of the source
    #[arg(long, requires = "source")]
    customer: Option<String>,
    /// Swap it in for the live one
    #[arg(long, conflicts_with = "dry_run")]
    promote: bool,
    /// Build, compare, and throw it away
    #[arg(long)]
    dry_run: bool,
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode, Failure> {
    let config = settings::find(&args.config)?;
    let database = Database::attach(&config).await?;
    let done = work(args, &config, &database).await;
    database.close().await?;
    done
}

async fn work(args: &Args, config: &Config, database: &Database) -> Result<ExitCode, Failure> {
    let pool = database.pool()?;
    let registry = Arc::new(serve::prepare(config, &pool).await?);
    let projector = Projector::new(pool.clone(), registry);
    let mut client = pool.get().await?;
    let scope = Scope { source: args.source.clone(), customer: args.customer.clone() };
    let done = match scope.target(&projector, &client).await? {
        Some(target) => part(args, &projector, &mut client, &target).await?,
        None => everything(args, &projector, &mut client).await?,
    };
    report(args, &done);
    let differ = !done.differences.is_empty() && !done.promoted;
    Ok(if differ { ExitCode::from(EXIT_DIFFERENCES) } else { ExitCode::SUCCESS })
}

/// What a rebuild came to.
struct Done {
    generation: i32,
    events: usize,
    differences: Vec<String>,
    promoted: bool,
}

async fn everything(
    args: &Args,
    projector: &Projector,
    client: &mut deadpool_postgres::Client,
) -> Result<Done, Failure> {
    let live = live_generation(client).await?;
    let journals = journal::all(client).await?;
    // Its rows can only be made by who knows its provider; without them the new generation would lose them.
    if let Some(unknown) = journals.values().find(|j| !projector.registry.knows(j.id)) {
        return Err(
            format!("the journal {} is not in this configuration: name it there, then rebuild", unknown.name).into()
        );
    }
    let journals: Vec<i32> = journals.into_keys().collect();
    let generation = generations::open(client, &journals, None).await?;
    let events = match build(projector, client, generation, &journals, args.json).await {
        Ok(events) => events,
        Err(e) => {
            generations::discard(client, generation).await?;
            return Err(e);
        }
    };
    let differences = compare(projector, client, live, generation).await?;
    let mut promoted = false;
    if args.promote {
        promoted = promote(projector, client, generation).await?;
    } else {
        generations::discard(client, generation).await?;
    }
    Ok(Done { generation, events, differences, promoted })
}

/// One source or customer: its rows are built beside the live ones and exchanged with them.
async fn part(
    args: &Args,
    projector: &Projector,
    client: &mut deadpool_postgres::Client,
    target: &Target<'_>,
) -> Result<Done, Failure> {
    let generation = target.open(client).await?;
    let done = build_part(args, projector, client, target, generation).await;
    if !args.promote || done.is_err() {
        generations::discard(client, generation).await?;
    }
    done
}

async fn build_part(
    args: &Args,
    projector: &Projector,
    client: &mut deadpool_postgres::Client,
    target: &Target<'_>,
    generation: i32,
) -> Result<Done, Failure> {
    let mut events = 0;
    if target.customer.is_none() {
        events = build(projector, client, generation, &[target.source.journal], args.json).await?;
    }
    let (differences, of_customer) = target.differences(projector, client, generation).await?;
    if args.promote {
        target.promote(projector, client, generation, None).await?;
    }
    Ok(Done { generation, events: of_customer.unwrap_or(events), differences, promoted: args.promote })
}

async fn live_generation(client: &deadpool_postgres::Client) -> Result<i32, Failure> {
    let live = generations::live(client).await?;
    live.values().next().map(|l| l.generation).ok_or_else(|| "no generation is live".into())
}

/// Folds journals into the generation, with a progress bar on a terminal.
async fn build(
    projector: &Projector,
    client: &deadpool_postgres::Client,
    generation: i32,
    journals: &[i32],
    quiet: bool,
) -> Result<usize, Failure> {
    let mut events = 0;
    for (id, journal) in journal::all(client).await?.into_iter().filter(|(id, _)| journals.contains(id)) {
        let tail = journal::tail(client, id).await?;
        let bar = if quiet { ProgressBar::hidden() } else { bar(&journal.name, tail) };
        let place = Place { generation, journal: id };
        loop {
            match projector.step(place).await? {
                Step::Advanced(n) => {
                    events += n;
                    bar.inc(u64::try_from(n).unwrap_or(0));
                }
                Step::Drained => break,
                Step::Busy => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
        bar.finish();
    }
    Ok(events)
}

fn bar(journal: &str, events: i64) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(events).unwrap_or(0));
    if let Ok(style) = ProgressStyle::with_template("{prefix:24} {bar:30} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.set_prefix(journal.to_owned());
    bar
}

async fn follow(projector: &Projector, client: &deadpool_postgres::Client, generation: i32) -> Result<(), Failure> {
    for id in journal::all(client).await?.into_keys() {
        projector.drain(Place { generation, journal: id }).await?;
    }
    Ok(())
}

/// Compares at equal positions: both follow to the same tail, which may move meanwhile.
async fn compare(
    projector: &Projector,
    client: &mut deadpool_postgres::Client,
    live: i32,
    generation: i32,
) -> Result<Vec<String>, Failure> {
    let journals: Vec<i32> = journal::all(client).await?.into_keys().collect();
    for _ in 0..TRIES_MAX {
        follow(projector, client, live).await?;
        follow(projector, client, generation).await?;
        if let Some(differences) = generations::differences(client, live, generation, &journals).await? {
            return Ok(differences);
        }
    }
    Err("the live generation kept moving and could not be compared: try again".into())
}

async fn promote(
    projector: &Projector,
    client: &mut deadpool_postgres::Client,
    generation: i32,
) -> Result<bool, Failure> {
    for _ in 0..TRIES_MAX {
        match generations::promote(client, generation).await? {
            Promotion::Promoted { .. } => return Ok(true),
            Promotion::GivenUp => return Err("a newer rebuild has taken this one's place".into()),
            Promotion::NotCaughtUp => {
                let live = live_generation(client).await?;
                follow(projector, client, live).await?;
                follow(projector, client, generation).await?;
            }
        }
    }
    Err("the live generation kept moving; the new one stays beside it: try again".into())
}

fn report(args: &Args, done: &Done) {
    let Done { generation, events, differences, promoted } = done;
    if args.json {
        let shown = json!({"generation": generation, "events": events, "differences": differences.len(), "differing": differences, "promoted": promoted});
        println!("{shown}");
        return;
    }
    println!("generation {generation}: {events} events folded, {} differences", differences.len());
    differences.iter().take(SHOWN_MAX).for_each(|d| println!("  ~ {d}"));
    if differences.len() > SHOWN_MAX {
        println!("  … and {} more", differences.len() - SHOWN_MAX);
    }
    let outcome = if *promoted {
        "promoted; the service saves a plan of the calls that follow from it, and makes none by itself"
    } else {
        "dropped (give --promote to swap it in)"
    };
    println!("{outcome}");
}
