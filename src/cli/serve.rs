//! `subledger serve`: introduces the parts to each other and runs them until told to stop.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App, HttpServer};
use chrono::Utc;
use deadpool_postgres::Pool;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::database::Database;
use super::failure::Failure;
use super::{ConfigArg, settings};
use crate::config::{self, Config, Drift, LogFormat, ReconcilerMode};
use crate::domain::account::Mode;
use crate::domain::guard::Limits;
use crate::domain::license::Action;
use crate::http;
use crate::intake::Intake;
use crate::ledger::{journal, rules};
use crate::licensespring::Client;
use crate::projections::generations;
use crate::projector::{Projector, rebuild};
use crate::providers::Refusal;
use crate::reconciler::{self, Reconciler, Settings, owed};
use crate::registry::Registry;
use crate::telemetry;

/// Threads that answer HTTP; the loops and the database do the rest of the work.
const HTTP_WORKERS: usize = 2;
/// Connections of each of them: what one has sent is buffered before anybody looks at it.
const CONNECTIONS_MAX: usize = 2_048;
/// Seconds open requests are given at a stop.
const STOP_WITHIN_S: u64 = 10;
/// Connections held open for idle providers.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

pub(super) async fn run(args: &ConfigArg) -> Result<ExitCode, Failure> {
    let config = settings::find(args)?;
    start_logging(&config)?;
    let listener = bind(config.server.listen)?;
    let database = Database::serve(&config).await?;
    let served = serve(&config, &database, listener).await;
    database.close().await?;
    served
}

/// Logs go to stderr in the shape that the configuration asks for.
pub(super) fn start_logging(config: &Config) -> Result<(), Failure> {
    let format = match config.telemetry.log_format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    Ok(telemetry::init(format, &config.telemetry.log_filter)?)
}

/// Takes the port first: the most likely thing to be wrong, and the cheapest to find out.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|e| {
        format!("cannot listen on {address}: {e}; stop what uses it, or set server.listen (SUBLEDGER__SERVER__LISTEN)")
            .into()
    })
}

/// Serves until a signal comes.
pub(super) async fn serve(config: &Config, database: &Database, listener: TcpListener) -> Result<ExitCode, Failure> {
    if config.server.tls.is_some() {
        return Err("server.tls: this version does not speak TLS itself; put a TLS-terminating proxy in front and remove the table".into());
    }
    if config.database.migrate {
        let migrated = database.migrate().await?;
        if !migrated.applied.is_empty() {
            info!(steps = migrated.applied.len(), "the schema was migrated");
        }
    }
    let pool = database.pool()?;
    let registry = Arc::new(prepare(config, &pool).await?);
    let projector = Projector::new(pool.clone(), registry.clone());
    let (stop, stopped) = watch::channel(false);
    let mut loops: JoinSet<()> = JoinSet::new();
    loops.spawn(projector.clone().run(stopped.clone()));
    loops.spawn(rebuild::run(projector.clone(), stopped.clone()));
    for reconciler in reconcilers(config, &projector).await? {
        reconciler::announce(&reconciler.account, &reconciler.settings);
        let (account, settings) = (reconciler.account.clone(), reconciler.settings.clone());
        loops.spawn(owed::run(projector.clone(), account, settings, stopped.clone()));
        loops.spawn(reconciler.run(stopped.clone()));
    }
    let metrics = telemetry::meter::start()?;
    let codes = || Refusal::ALL.iter().map(|r| r.code()).chain([http::TOO_LARGE]);
    registry.sources.keys().for_each(|name| telemetry::meter::open_source(name, codes()));
    registry.accounts.keys().for_each(|name| telemetry::meter::open_account(name, &Action::NAMES));
    let app = http::shared(http::App {
        intake: Intake::start(&pool, &registry, &projector.wake, &projector.at_the_door),
        projector,
        metrics,
        config: config.clone(),
        reconcilers: reconciler_settings(config),
    });
    let address = listener.local_addr()?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(app.clone())
            .wrap(from_fn(http::once)) // after the next one, which finds out who asks
            .wrap(from_fn(http::authenticate))
            .wrap(DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff")))
            .configure(http::routes)
    })
    .workers(HTTP_WORKERS)
    .max_connections(CONNECTIONS_MAX)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(STOP_WITHIN_S)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let serving = tokio::spawn(server);
    info!(%address, sources = registry.sources.len(), "serving");
    // A loop never ends by itself: if one does, stopping loudly beats serving half of the product.
    let broken = tokio::select! {
        () = stop_signal() => false,
        _ = loops.join_next() => true,
    };
    info!("stopping");
    handle.stop(true).await;
    let _ = stop.send(true);
    let rest = async { while loops.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(STOP_WITHIN_S), rest).await;
    let _ = serving.await;
    if broken {
        return Err("a loop of the service ended unexpectedly; see the log".into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens journals and generations, and adopts the file's rules where none were adopted yet.
pub(super) async fn prepare(config: &Config, pool: &Pool) -> Result<Registry, Failure> {
    let mut client = pool.get().await?;
    let registry = settings::registry(config, &client).await?;
    let journals = journal::all(&client).await?;
    generations::ensure(&mut client, &journals.keys().copied().collect::<Vec<_>>()).await?;
    for journal in journals.values().filter(|j| !registry.knows(j.id)) {
        warn!(journal = journal.name, "this configuration does not name the journal: nothing is folded from it here");
    }
    let adopted = rules::adopted(&client, registry.system).await?;
    if adopted.position == 0 {
        rules::adopt(
            &client,
            registry.system,
            (&config.rules, None),
            "subledger serve",
            "first start: nothing was adopted yet",
            Utc::now(),
        )
        .await?;
    } else if adopted.hash != rules::hash_of(&config.rules) {
        warn!("catalog and policy of this file are not the adopted ones: PUT /v1/admin/config adopts them");
    }
    Ok(registry)
}

/// How each account is reconciled, as the configuration says.
pub(super) fn reconciler_settings(config: &Config) -> BTreeMap<String, Settings> {
    let reconciler = &config.reconciler;
    let of = |(name, account): (&String, &config::Account)| {
        let silent = config.sources.iter().filter(|(_, s)| s.licensespring.as_ref() == Some(name));
        let settings = Settings {
            mode: match reconciler.mode {
                ReconcilerMode::Continuous => Mode::Continuous,
                ReconcilerMode::PlanOnly => Mode::PlanOnly,
                ReconcilerMode::Frozen => Mode::Frozen,
            },
            coalesce: Duration::from_millis(reconciler.coalesce_ms),
            requests_per_minute: account.requests_per_minute,
            rules_hash: rules::hash_of(&config.rules),
            limits: Limits {
                max_destructive: i64::from(reconciler.guard_max_destructive),
                max_percent: i64::from(reconciler.guard_max_percent),
                max_destructive_per_day: i64::from(reconciler.guard_max_destructive_per_day),
                max_announced_per_day: i64::from(reconciler.guard_max_announced_per_day),
            },
            repair: reconciler.drift == Drift::Repair,
            silence_hours: silent.filter_map(|(name, s)| Some((name.clone(), s.silence_hours?))).collect(),
        };
        (name.clone(), settings)
    };
    config.licensespring.iter().map(of).collect()
}

/// One reconciler an account.
pub(super) async fn reconcilers(config: &Config, projector: &Projector) -> Result<Vec<Reconciler>, Failure> {
    let mut reconcilers = Vec::new();
    let mut all = reconciler_settings(config);
    for account in projector.registry.accounts.values() {
        let (Some(configured), Some(settings)) = (config.licensespring.get(&account.name), all.remove(&account.name))
        else {
            continue;
        };
        let client =
            Client::new(&configured.base_url, &configured.api_key, Duration::from_millis(configured.timeout_ms))?;
        let reconciler = Reconciler { projector: projector.clone(), account: account.clone(), client, settings };
        reconciler.open().await?;
        reconcilers.push(reconciler);
    }
    Ok(reconcilers)
}

/// Ctrl-C or SIGTERM.
pub(super) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
