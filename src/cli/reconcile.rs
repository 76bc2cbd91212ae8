//! `subledger reconcile`: plan, apply, sweep. It works beside a running `serve`, or alone:
//! whoever holds the account's row makes the calls.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use super::database::Database;
use super::failure::Failure;
use super::{ConfigArg, serve, settings};
use crate::config::Config;
use crate::control::plans::{self, ENTRIES_MAX, Placed, Plan};
use crate::control::sweeps;
use crate::domain::account::Mode;
use crate::domain::plan::entry::{Change, Op};
use crate::projector::Projector;
use crate::reconciler::planning::{Desk, eta_seconds};
use crate::reconciler::{Reconciler, Settings};

/// Exit code for "there are changes".
const EXIT_CHANGES: u8 = 2;
/// Colours of the three kinds of change.
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const RED: &str = "\u{1b}[31m";
const PLAIN: &str = "\u{1b}[0m";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Saves and shows the calls that would make licenses equal entitlements; exit code 2: there are some
    #[command(after_help = "Example: subledger reconcile plan")]
    Plan(Common),
    /// Makes the calls of a saved plan
    #[command(after_help = "Example: subledger reconcile apply 0198c0de-…")]
    Apply {
        plan: Uuid,
        #[command(flatten)]
        common: Common,
    },
    /// Reads everything LicenseSpring holds and reports what is not as we left it
    #[command(after_help = "Example: subledger reconcile sweep --kind full")]
    Sweep {
        /// `full`, or `incremental`: what was changed since the last sweep
        #[arg(long, default_value = "full", value_parser = ["full", "incremental"])]
        kind: String,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    config: ConfigArg,
    /// The LicenseSpring account; needed where there are several
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Why: it becomes part of the record
    #[arg(long, default_value = "asked for on the command line")]
    reason: String,
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode, Failure> {
    let common = match &args.command {
        Command::Plan(common) | Command::Apply { common, .. } | Command::Sweep { common, .. } => common,
    };
    let config = settings::find(&common.config)?;
    let database = Database::attach(&config).await?;
    let done = work(args, common, &config, &database).await;
    database.close().await?;
    done
}

async fn work(args: &Args, common: &Common, config: &Config, database: &Database) -> Result<ExitCode, Failure> {
    let pool = database.pool()?;
    let registry = Arc::new(serve::prepare(config, &pool).await?);
    let projector = Projector::new(pool, registry);
    match &args.command {
        Command::Plan(_) => plan(common, &chosen(common, config, &projector).await?).await,
        Command::Apply { plan, .. } => apply(*plan, common, config, &projector).await,
        Command::Sweep { kind, .. } => sweep(kind, common, &chosen(common, config, &projector).await?).await,
    }
}

/// The reconciler of the account that is meant.
async fn chosen(common: &Common, config: &Config, projector: &Projector) -> Result<Reconciler, Failure> {
    let all = serve::reconcilers(config, projector).await?;
    let names: Vec<String> = all.iter().map(|r| r.account.name.clone()).collect();
    let mut meant: Vec<Reconciler> =
        all.into_iter().filter(|r| common.account.as_ref().is_none_or(|name| r.account.name == *name)).collect();
    match (meant.len(), meant.pop()) {
        (1, Some(mut reconciler)) => {
            // Only what is asked for here: everything else is for `serve` to do.
            reconciler.settings.mode = reconciler.settings.mode.max(Mode::PlanOnly);
            Ok(reconciler)
        }
        (0, _) => Err(format!("there is no such LicenseSpring account; configured: {}", names.join(", ")).into()),
        _ => Err(format!("say which with --account: {}", names.join(", ")).into()),
    }
}

fn desk(reconciler: &Reconciler) -> Desk<'_> {
    Desk { projector: &reconciler.projector, account: &reconciler.account, settings: &reconciler.settings }
}

/// Who acts on a command line.
fn who() -> String {
    let user = std::env::var("USER").ok().filter(|u| !u.is_empty());
    user.map_or_else(|| "command line".to_owned(), |user| format!("command line ({user})"))
}

async fn plan(common: &Common, reconciler: &Reconciler) -> Result<ExitCode, Failure> {
    catch_up(reconciler).await?;
    let plan = desk(reconciler).propose(&who(), &common.reason).await?;
    let entries = entries(reconciler, plan.id).await?;
    if common.json {
        println!("{}", as_json(&plan, &entries, &reconciler.settings));
    } else {
        print!("{}", as_text(&plan, &entries, &reconciler.settings, std::io::stdout().is_terminal()));
    }
    Ok(if entries.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CHANGES) })
}

/// What was appended is folded first: without a running `serve` nobody else does.
async fn catch_up(reconciler: &Reconciler) -> Result<(), Failure> {
    while reconciler.projector.round().await?.worked {}
    Ok(())
}

async fn entries(reconciler: &Reconciler, plan: Uuid) -> Result<Vec<Placed>, Failure> {
    let client = reconciler.projector.pool.get().await?;
    Ok(plans::entries(&client, plan, ("", ""), ENTRIES_MAX, false).await?)
}

async fn apply(id: Uuid, common: &Common, config: &Config, projector: &Projector) -> Result<ExitCode, Failure> {
    let saved = plans::one(&projector.pool.get().await?, id).await?;
    let account = saved.ok_or("there is no such plan")?.account;
    let named =
        Common { account: Some(account), config: common.config.clone(), reason: common.reason.clone(), ..*common };
    let reconciler = chosen(&named, config, projector).await?;
    catch_up(&reconciler).await?;
    let plan = desk(&reconciler).apply(id, &who(), &common.reason).await?;
    if !common.json {
        println!("{} calls, about {} s", plan.open, eta_seconds(plan.open, &reconciler.settings));
    }
    reconciler
        .run_until(|| async {
            let client = reconciler.projector.pool.get().await?;
            Ok(plans::one(&client, id).await?.is_none_or(|p| p.state != "applying"))
        })
        .await?;
    let plan = plans::one(&projector.pool.get().await?, id).await?.ok_or("the plan is gone")?;
    let entries = entries(&reconciler, id).await?;
    let undone: Vec<&Placed> = entries.iter().filter(|p| p.result.as_deref() != Some("done")).collect();
    if common.json {
        println!("{}", as_json(&plan, &entries, &reconciler.settings));
    } else {
        println!("{}: {} of {} calls done", plan.state, entries.len() - undone.len(), entries.len());
        for placed in undone {
            println!("  {}: {}", placed.entry.order_id, placed.result.as_deref().unwrap_or("not tried"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn sweep(kind: &str, common: &Common, reconciler: &Reconciler) -> Result<ExitCode, Failure> {
    let client = reconciler.projector.pool.get().await?;
    let id = sweeps::ask(&client, &reconciler.account.name, kind, &who(), &common.reason).await?;
    reconciler
        .run_until(|| async {
            let client = reconciler.projector.pool.get().await?;
            let found = sweeps::list(&client, Some(id), None).await?;
            Ok(found.first().is_none_or(|s| s.finished_at.is_some()))
        })
        .await?;
    let swept = sweeps::list(&client, Some(id), None).await?.into_iter().next().ok_or("the sweep is gone")?;
    if common.json {
        println!("{}", json!(swept));
    } else {
        report(&swept);
    }
    if let Some(problem) = swept.problem {
        return Err(format!("the sweep changed nothing: {problem}").into());
    }
    Ok(ExitCode::SUCCESS)
}

fn report(swept: &sweeps::Sweep) {
    let Some(findings) = &swept.findings else { return };
    println!("{} licenses read, {} not as they were left", findings["licenses"], findings["drifted"]);
    if let Some(still) = findings["still_drifted"].as_i64().filter(|still| *still > 0) {
        println!("  and {still} still not, as earlier sweeps reported (GET /v1/drift)");
    }
    for found in findings["drift"].as_array().into_iter().flatten() {
        println!(
            "  ~ {} {}",
            found["order_id"].as_str().unwrap_or_default(),
            found["kind"].as_str().unwrap_or_default()
        );
    }
    for (key, words) in [("foreign", "foreign order"), ("orphans", "orphan"), ("duplicates", "duplicate")] {
        for row in findings[key]["listed"].as_array().into_iter().flatten() {
            println!("  ! {words} {} (license {})", row["order_id"], row["license_id"]);
        }
    }
}

fn as_json(plan: &Plan, entries: &[Placed], settings: &Settings) -> Value {
    let entries: Vec<Value> = entries
        .iter()
        .map(|p| {
            let mut shown = json!(p.entry);
            shown["result"] = json!(p.result);
            shown
        })
        .collect();
    json!({
        "id": plan.id,
        "state": plan.state,
        "licensespring": plan.account,
        "hash": plan.hash,
        "reason": plan.reason,
        "summary": {"create": plan.creates, "update": plan.updates, "deactivate": plan.deactivates,
            "destructive": plan.destructive, "announced": plan.announced},
        "calls": entries.len(),
        "eta_seconds": eta_seconds(plan.open, settings),
        "entries": entries,
    })
}

/// The difference as people read it; colour only where somebody looks.
fn as_text(plan: &Plan, entries: &[Placed], settings: &Settings, colour: bool) -> String {
    if entries.is_empty() {
        return format!("{}: nothing to do, licenses equal entitlements\n", plan.account);
    }
    let mut text = String::new();
    for entry in entries.iter().map(|p| &p.entry) {
        let (sign, paint) = match entry.op {
            Op::Create => ("+", GREEN),
            Op::Update => ("~", YELLOW),
            Op::Deactivate => ("-", RED),
        };
        let (paint, plain) = if colour { (paint, PLAIN) } else { ("", "") };
        let note = match (entry.destructive, entry.announced) {
            (_, true) => ", announced",
            (true, _) => ", destructive",
            _ => "",
        };
        text += &format!("{paint}{sign} {} {}{plain} ({}{note})\n", entry.action, entry.order_id, entry.reason);
        for Change { field, old, new } in &entry.changes {
            text += &format!("    {field}: {} → {}\n", bare(old), bare(new));
        }
        text += &format!("    because of {}\n", entry.because.join(", "));
    }
    text += &format!(
        "\nplan {}: {} to create, {} to update, {} to deactivate; {} calls, about {} s at {} a minute\napply it with: subledger reconcile apply {}\n",
        plan.id,
        plan.creates,
        plan.updates,
        plan.deactivates,
        entries.len(),
        eta_seconds(plan.open, settings),
        settings.requests_per_minute,
        plan.id,
    );
    text
}

fn bare(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
