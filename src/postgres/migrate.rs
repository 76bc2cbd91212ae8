//! Schema steps: numbered, run once, never backwards; then the projections' tables and grants.

use sha2::{Digest, Sha256};
use tokio_postgres::{Client, Config};

use super::DbError;
use crate::sql;

mod steps {
    refinery::embed_migrations!("schema/migrations");
}

/// Two migrations at once would race; whoever holds this advisory lock runs them. It is taken
/// by the migrating session only, never by the service.
const MIGRATION_LOCK: i64 = 0x5375_626c_6564_6765;

/// The tables of every projection, in the order in which they are made.
pub const PROJECTION_TABLES: [&str; 8] = [
    sql!("projections/subscriptions/table.sql"),
    sql!("projections/books/table.sql"),
    sql!("projections/events/table.sql"),
    sql!("projections/links/table.sql"),
    sql!("projections/licenses/table.sql"),
    sql!("projections/accounts/table.sql"),
    sql!("projections/destructive/table.sql"),
    sql!("projections/overrides/table.sql"),
];

/// Why the schema is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error("migration refused: {0}")]
    Refused(String),
}

/// What a migration did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Migrated {
    /// Names of the steps that ran now.
    pub applied: Vec<String>,
    /// The projections' tables were made anew and have to be filled.
    pub projections_renewed: bool,
}

/// Runs what is missing, as the schema's owner, and grants the service's role its rights.
///
/// # Errors
/// The database holds a step this build does not know (it never runs backwards), a step that
/// differs from ours, or cannot be reached.
pub async fn run(owner: &mut Client, service_role: &str) -> Result<Migrated, MigrateError> {
    // A step over a large table takes as long as it takes; waiting for its lock still does not.
    owner.batch_execute("SET statement_timeout = 0").await.map_err(DbError::from)?;
    owner.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await.map_err(DbError::from)?;
    let result = run_locked(owner, service_role).await;
    owner.execute("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await.map_err(DbError::from)?;
    result
}

async fn run_locked(owner: &mut Client, service_role: &str) -> Result<Migrated, MigrateError> {
    let report =
        steps::migrations::runner().run_async(owner).await.map_err(|e| MigrateError::Refused(root_cause(&e)))?;
    let applied = report.applied_migrations().iter().map(ToString::to_string).collect();
    let projections_renewed = renew_projections(owner).await?;
    let grants = sql!("schema/grants.sql").replace("{service}", &quoted(service_role));
    owner.batch_execute(&grants).await.map_err(DbError::from)?;
    Ok(Migrated { applied, projections_renewed })
}

/// Drops and makes the projections' tables when their definition changed. They are derived:
/// the projector fills them again.
async fn renew_projections(owner: &mut Client) -> Result<bool, DbError> {
    let digest = hex::encode(Sha256::digest(PROJECTION_TABLES.concat().as_bytes()));
    let held = owner.query_opt("SELECT digest FROM control.projection_tables", &[]).await?;
    if held.is_some_and(|row| row.get::<_, String>(0) == digest) {
        return Ok(false);
    }
    let tx = owner.transaction().await?;
    tx.batch_execute(
        "DROP SCHEMA projection CASCADE; CREATE SCHEMA projection;
         DELETE FROM control.live; DELETE FROM control.checkpoints;
         UPDATE control.generations SET state = 'dropped' WHERE state <> 'dropped';",
    )
    .await?;
    for table in PROJECTION_TABLES {
        tx.batch_execute(table).await?;
    }
    tx.execute(
        "INSERT INTO control.projection_tables (digest) VALUES ($1)
         ON CONFLICT (one) DO UPDATE SET digest = excluded.digest, made_at = clock_timestamp()",
        &[&digest],
    )
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// Whether this build's steps are all there and none is unknown.
///
/// # Errors
/// The database cannot be read.
pub async fn is_current(client: &Client) -> Result<bool, DbError> {
    let known = steps::migrations::runner().get_migrations().len();
    let rows = client.query("SELECT count(*) FROM public.refinery_schema_history", &[]).await;
    match rows {
        Ok(rows) => Ok(rows.first().map(|r| r.get::<_, i64>(0)) == i64::try_from(known).ok()),
        Err(e) if e.code() == Some(&tokio_postgres::error::SqlState::UNDEFINED_TABLE) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// The role in a URL: who the service will be.
#[must_use]
pub fn role_of(config: &Config) -> String {
    config.get_user().unwrap_or("postgres").to_owned()
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
