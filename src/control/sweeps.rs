//! Sweeps: asked for, running, and what they found.

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::postgres::{DbError, execute, query, query_opt};
use crate::sql;

/// Seconds after which a sweep that nobody went on with is taken for that of a dead process. Whoever
/// runs one goes on several times a second, or holds the account's lease meanwhile.
const ABANDONED_S: f64 = 10.0;

/// Sweeps that are listed.
pub const LIST_MAX: i64 = 100;

/// A sweep as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct Sweep {
    pub id: Uuid,
    pub licensespring: String,
    pub kind: String,
    pub state: String,
    pub who: String,
    pub reason: String,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub rows_seen: i64,
    pub problem: Option<String>,
    pub findings: Option<Value>,
}

/// Asks for one.
///
/// # Errors
/// The database cannot be written.
pub async fn ask(
    client: &impl GenericClient,
    account: &str,
    kind: &str,
    who: &str,
    reason: &str,
) -> Result<Uuid, DbError> {
    let id = Uuid::now_v7();
    execute(client, sql!("schema/statements/sweep_create.sql"), &[&id, &account, &kind, &who, &reason]).await?;
    Ok(id)
}

/// The one that is to be run, marked as running.
#[derive(Debug, Clone)]
pub struct Due {
    pub id: Uuid,
    pub kind: String,
    pub who: String,
    pub reason: String,
    pub started_at: DateTime<Utc>,
}

/// Takes the oldest that waits, unless another process is at it; the account's lease makes that safe.
///
/// # Errors
/// The database cannot be written.
pub async fn next(client: &impl GenericClient, account: &str) -> Result<Option<Due>, DbError> {
    let row = query_opt(client, sql!("schema/statements/sweep_next.sql"), &[&account, &ABANDONED_S]).await?;
    Ok(row.map(|r| Due {
        id: r.get("id"),
        kind: r.get("kind"),
        who: r.get("who"),
        reason: r.get("reason"),
        started_at: r.get("started_at"),
    }))
}

/// Notes how far it is. `false`: somebody else has begun it anew, or it is over.
///
/// # Errors
/// The database cannot be written.
pub async fn progress(client: &impl GenericClient, due: &Due, rows: i64) -> Result<bool, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&due.id, &rows, &due.started_at];
    Ok(execute(client, sql!("schema/statements/sweep_progress.sql"), &params).await? == 1)
}

/// Ends it: with findings, or with the problem that cut it short.
///
/// # Errors
/// The database cannot be written.
pub async fn finish(
    client: &impl GenericClient,
    id: Uuid,
    rows: i64,
    problem: Option<&str>,
    findings: Option<&Value>,
) -> Result<(), DbError> {
    let state = if problem.is_none() { "done" } else { "failed" };
    let findings = findings.map(ToString::to_string);
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [&id, &state, &rows, &problem, &findings];
    execute(client, sql!("schema/statements/sweep_finish.sql"), &params).await?;
    Ok(())
}

/// Sweeps, newest first.
///
/// # Errors
/// The database cannot be read.
pub async fn list(client: &impl GenericClient, id: Option<Uuid>, account: Option<&str>) -> Result<Vec<Sweep>, DbError> {
    let rows = query(client, sql!("schema/statements/sweeps.sql"), &[&id, &account, &LIST_MAX]).await?;
    Ok(rows
        .iter()
        .map(|r| Sweep {
            id: r.get("id"),
            licensespring: r.get("account"),
            kind: r.get("kind"),
            state: r.get("state"),
            who: r.get("who"),
            reason: r.get("reason"),
            created_at: r.get("created_at"),
            started_at: r.get("started_at"),
            finished_at: r.get("finished_at"),
            rows_seen: r.get("rows_seen"),
            problem: r.get("problem"),
            findings: r.get("findings"),
        })
        .collect())
}

/// When the last finished sweep of a kind (none: of any) began, and what it found.
///
/// # Errors
/// The database cannot be read.
pub async fn last(
    client: &impl GenericClient,
    account: &str,
    kind: Option<&str>,
) -> Result<Option<(DateTime<Utc>, Value)>, DbError> {
    let row = query_opt(client, sql!("schema/statements/sweep_last.sql"), &[&account, &kind]).await?;
    Ok(row.map(|r| (r.get("started_at"), r.get::<_, Option<Value>>("findings").unwrap_or(Value::Null))))
}
