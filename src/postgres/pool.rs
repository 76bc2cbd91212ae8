//! A bounded pool of connections under the service's role.

use std::str::FromStr;
use std::time::Duration;

use deadpool::managed::QueueMode;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Longest wait for a free connection before a caller is told that the database is busy.
const WAIT_MAX: Duration = Duration::from_secs(5);
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// No statement of ours needs longer; a stuck one must not hold a connection for ever. And none is
/// worth compiling, or processes of its own: the planner, which knows little of young tables, would
/// do either for milliseconds' work.
const SESSION_OPTIONS: &str = "-c jit=off -c max_parallel_workers_per_gather=0 -c statement_timeout=60000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=120000 -c timezone=UTC";

/// Why a pool cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("the database URL cannot be read: {0}")]
    Url(String),
    #[error("the pool cannot be built: {0}")]
    Build(String),
}

/// Parses a URL and adds our session settings.
///
/// # Errors
/// The URL is not one tokio-postgres reads. The error does not echo it: it may hold a password.
pub fn config(url: &str, application: &str) -> Result<Config, PoolError> {
    let mut config = Config::from_str(url).map_err(|e| PoolError::Url(e.to_string()))?;
    let options = config.get_options().map_or_else(|| SESSION_OPTIONS.to_owned(), |o| format!("{o} {SESSION_OPTIONS}"));
    config.options(options).application_name(application).connect_timeout(CONNECT_MAX);
    Ok(config)
}

/// Whether the server is reached over a Unix socket, where TLS has no place.
fn is_local(config: &Config) -> bool {
    config.get_hosts().iter().all(|h| matches!(h, Host::Unix(_))) || config.get_ssl_mode() == SslMode::Disable
}

fn tls() -> MakeRustlsConnect {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    MakeRustlsConnect::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// A pool of at most `size` connections.
///
/// # Errors
/// The URL cannot be read. Nothing is connected yet.
pub fn connect(url: &str, size: usize) -> Result<Pool, PoolError> {
    let config = config(url, "subledger")?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if is_local(&config) {
        Manager::from_config(config, NoTls, recycling)
    } else {
        Manager::from_config(config, tls(), recycling)
    };
    let timeouts = Timeouts { wait: Some(WAIT_MAX), create: Some(CONNECT_MAX), recycle: Some(CONNECT_MAX) };
    Pool::builder(manager)
        .max_size(size)
        // The one used last comes first: what its backend has planned and cached is warm.
        .queue_mode(QueueMode::Lifo)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|e| PoolError::Build(e.to_string()))
}

/// One connection outside any pool (migrations, tests).
///
/// # Errors
/// The URL cannot be read, or the server cannot be reached.
pub async fn single(url: &str) -> Result<tokio_postgres::Client, super::DbError> {
    let config = config(url, "subledger-single").map_err(|e| super::DbError::Corrupt(e.to_string()))?;
    if is_local(&config) {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    } else {
        let (client, connection) = config.connect(tls()).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}
