//! Postgres: connections, migrations, the private cluster, and what its errors mean.

pub mod copy;
pub mod embedded;
pub mod migrate;
pub mod pool;

/// A statement of `schema/` or `projections/`: a file, named as the function that runs it.
#[macro_export]
macro_rules! sql {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path))
    };
}

/// SQLSTATEs raised by our own functions (class `SL`).
pub mod sqlstate {
    /// `ledger.append` was given an expected tail that is not the tail.
    pub const TAIL_MOVED: &str = "SL001";
    /// UPDATE, DELETE or TRUNCATE on the ledger.
    pub const APPEND_ONLY: &str = "SL002";
}

/// What went wrong at the database, as far as a caller can act on it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("no connection to Postgres: {0}")]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error("Postgres: {}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}

impl DbError {
    /// The SQLSTATE, where the server gave one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Postgres(e) => e.code().map(tokio_postgres::error::SqlState::code),
            _ => None,
        }
    }

    /// It got in the way of another transaction (a deadlock, a lock that took too long, a table that
    /// went meanwhile): the same may work the next time.
    #[must_use]
    pub fn is_lock_conflict(&self) -> bool {
        matches!(self.sqlstate(), Some("40P01" | "55P03" | "XX000"))
    }

    /// The data itself was refused (class 22 or 23): the same row would fail again.
    #[must_use]
    pub fn is_data_error(&self) -> bool {
        self.sqlstate().is_some_and(|s| s.starts_with("22") || s.starts_with("23"))
    }
}

/// tokio-postgres prints only "db error" by itself.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            cause.map_or_else(|| error.to_string(), |c| format!("{error}: {c}"))
        }
    }
}

/// Runs a statement that is prepared once per connection.
///
/// # Errors
/// What Postgres says.
pub async fn query(
    client: &impl deadpool_postgres::GenericClient,
    statement: &str,
    params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<Vec<tokio_postgres::Row>, DbError> {
    let prepared = client.prepare_cached(statement).await?;
    Ok(client.query(&prepared, params).await?)
}

/// [`query`], for statements that answer with at most one row.
///
/// # Errors
/// What Postgres says.
pub async fn query_opt(
    client: &impl deadpool_postgres::GenericClient,
    statement: &str,
    params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<Option<tokio_postgres::Row>, DbError> {
    Ok(query(client, statement, params).await?.into_iter().next())
}

/// [`query`], for statements without an answer; gives the number of rows touched.
///
/// # Errors
/// What Postgres says.
pub async fn execute(
    client: &impl deadpool_postgres::GenericClient,
    statement: &str,
    params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<u64, DbError> {
    let prepared = client.prepare_cached(statement).await?;
    Ok(client.execute(&prepared, params).await?)
}
