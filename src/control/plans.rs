//! Saved plans and their entries.

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::plan::entry::Entry;
use crate::postgres::{DbError, execute, query, query_opt};
use crate::sql;

/// Plans that are listed.
pub const LIST_MAX: i64 = 100;
/// Entries saved in one statement.
const ENTRIES_AT_ONCE: usize = 1_000;
/// Entries that are read at once.
pub const ENTRIES_MAX: i64 = 100_000;

/// Who has taken a plan that is owed and not saved it for so long, in seconds, has died over it.
const OWED_TAKEN_S: f64 = 600.0;

/// A plan, without its entries.
#[derive(Debug, Clone)]
pub struct Plan {
    pub id: Uuid,
    pub account: String,
    pub state: String,
    pub who: String,
    pub reason: String,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub approved: bool,
    pub decided: Option<(String, String, DateTime<Utc>)>,
    pub creates: i64,
    pub updates: i64,
    pub deactivates: i64,
    /// Announced ones are counted apart.
    pub destructive: i64,
    pub announced: i64,
    /// Not tried yet.
    pub open: i64,
    pub dropped: i64,
    /// Of all entries in their order.
    pub hash: String,
}

/// An entry in its place.
#[derive(Debug, Clone)]
pub struct Placed {
    pub ordinal: i32,
    pub entry: Entry,
    /// `done`, or why not; none: not tried yet.
    pub result: Option<String>,
}

fn plan_of(row: &Row) -> Plan {
    let decided_by: Option<String> = row.get("decided_by");
    Plan {
        id: row.get("id"),
        account: row.get("account"),
        state: row.get("state"),
        who: row.get("who"),
        reason: row.get("reason"),
        created_at: row.get("created_at"),
        changed_at: row.get("changed_at"),
        approved: row.get("approved"),
        decided: decided_by.map(|who| (who, row.get("decided_why"), row.get("decided_at"))),
        creates: row.get("creates"),
        updates: row.get("updates"),
        deactivates: row.get("deactivates"),
        destructive: row.get("destructive"),
        announced: row.get("announced"),
        open: row.get("open"),
        dropped: row.get("dropped"),
        hash: row.get("hash"),
    }
}

/// Plans, newest first.
///
/// # Errors
/// The database cannot be read.
pub async fn list(
    client: &impl GenericClient,
    id: Option<Uuid>,
    account: Option<&str>,
    states: Option<&[&str]>,
) -> Result<Vec<Plan>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&id, &account, &states, &LIST_MAX];
    Ok(query(client, sql!("schema/statements/plans.sql"), &params).await?.iter().map(plan_of).collect())
}

/// One plan.
///
/// # Errors
/// The database cannot be read.
pub async fn one(client: &impl GenericClient, id: Uuid) -> Result<Option<Plan>, DbError> {
    Ok(list(client, Some(id), None, None).await?.into_iter().next())
}

/// The entries of a plan in their order: of the subscriptions after one, at most `limit`.
///
/// # Errors
/// The database cannot be read.
pub async fn entries(
    client: &impl GenericClient,
    plan: Uuid,
    after: (&str, &str),
    limit: i64,
    open_only: bool,
) -> Result<Vec<Placed>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [&plan, &after.0, &after.1, &limit, &open_only];
    let rows = query(client, sql!("schema/statements/plan_entries.sql"), &params).await?;
    rows.iter()
        .map(|row| {
            let entry = serde_json::from_value(row.get("entry"))
                .map_err(|e| DbError::Corrupt(format!("an entry of a plan cannot be read: {e}")))?;
            Ok(Placed { ordinal: row.get("ordinal"), entry, result: row.get("result") })
        })
        .collect()
}

/// Saves a new plan with its entries, in their order.
///
/// # Errors
/// The database cannot be written.
pub async fn create(
    client: &mut deadpool_postgres::Client,
    account: &str,
    who: &str,
    reason: &str,
    entries: &[Entry],
) -> Result<Uuid, DbError> {
    let id = Uuid::now_v7();
    let tx = client.transaction().await?;
    execute(&tx, sql!("schema/statements/plan_create.sql"), &[&id, &account, &"proposed", &who, &reason]).await?;
    add(&tx, id, entries).await?;
    tx.commit().await?;
    Ok(id)
}

async fn add(client: &impl GenericClient, plan: Uuid, entries: &[Entry]) -> Result<(), DbError> {
    for (chunk, first) in entries.chunks(ENTRIES_AT_ONCE).zip((0..).step_by(ENTRIES_AT_ONCE)) {
        let mut json = Vec::with_capacity(chunk.len());
        for entry in chunk {
            json.push(serde_json::to_string(entry).map_err(|e| DbError::Corrupt(e.to_string()))?);
        }
        let sources: Vec<&str> = chunk.iter().map(|e| e.source.as_str()).collect();
        let subscriptions: Vec<&str> = chunk.iter().map(|e| e.subscription_id.as_str()).collect();
        let ordinals: Vec<i32> = (first..).take(chunk.len()).collect();
        let hashes: Vec<String> = chunk.iter().map(Entry::hash).collect();
        let ops: Vec<String> = chunk
            .iter()
            .map(|e| {
                serde_json::to_value(e.op).ok().and_then(|v| v.as_str().map(ToOwned::to_owned)).unwrap_or_default()
            })
            .collect();
        let destructive: Vec<bool> = chunk.iter().map(|e| e.destructive).collect();
        let announced: Vec<bool> = chunk.iter().map(|e| e.announced).collect();
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 9] =
            [&plan, &sources, &subscriptions, &ordinals, &json, &hashes, &ops, &destructive, &announced];
        execute(client, sql!("schema/statements/plan_entries_save.sql"), &params).await?;
    }
    Ok(())
}

/// The plan of an account that the guard holds.
///
/// # Errors
/// The database cannot be read.
pub async fn held(client: &impl GenericClient, account: &str) -> Result<Option<Uuid>, DbError> {
    Ok(query_opt(client, sql!("schema/statements/plan_held.sql"), &[&account]).await?.map(|r| r.get(0)))
}

/// Puts what waits of one subscription in the place of what waited of it before. The account's
/// held plan is opened where there is none, and closed where nothing is left of it.
///
/// # Errors
/// The database cannot be written.
pub async fn hold(
    client: &mut deadpool_postgres::Client,
    account: &str,
    reason: &str,
    subscription: (&str, &str),
    entries: &[Entry],
) -> Result<Option<Uuid>, DbError> {
    const WHO: &str = "guard";
    let tx = client.transaction().await?;
    let id = if entries.is_empty() {
        held(&tx, account).await?
    } else {
        let row = query_opt(&tx, sql!("schema/statements/plan_hold.sql"), &[&Uuid::now_v7(), &account, &WHO, &reason])
            .await?;
        row.map(|r| r.get(0))
    };
    let Some(id) = id else { return Ok(None) };
    // Whoever decides about it now is waited for: what is decided is what they saw.
    query(&tx, sql!("schema/statements/plan_lock.sql"), &[&id]).await?;
    if held(&tx, account).await? != Some(id) {
        return Ok(None);
    }
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&id, &subscription.0, &subscription.1];
    execute(&tx, sql!("schema/statements/plan_entries_forget.sql"), &params).await?;
    add(&tx, id, entries).await?;
    let closed = execute(&tx, sql!("schema/statements/plan_close_empty.sql"), &[&id]).await? == 1;
    tx.commit().await?;
    Ok((!closed).then_some(id))
}

/// Plans that an account is owed.
#[derive(Debug, Clone)]
pub struct Owed {
    ids: Vec<i64>,
    /// Why, by the last promotion.
    pub reason: String,
}

/// Takes the plans that an account is owed; nobody else does so for [`OWED_TAKEN_S`] seconds. One
/// plan does for all of them.
///
/// # Errors
/// The database cannot be written.
pub async fn take_owed(client: &impl GenericClient, account: &str) -> Result<Option<Owed>, DbError> {
    let rows = query(client, sql!("schema/statements/plan_owed_take.sql"), &[&account, &OWED_TAKEN_S]).await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.get("id")).collect();
    let last = rows.iter().max_by_key(|row| row.get::<_, i64>("id"));
    Ok(last.map(|last| Owed { reason: last.get("reason"), ids }))
}

/// They are saved, or nothing had to be.
///
/// # Errors
/// The database cannot be written.
pub async fn forget_owed(client: &impl GenericClient, owed: &Owed) -> Result<(), DbError> {
    execute(client, sql!("schema/statements/plan_owed_done.sql"), &[&owed.ids]).await?;
    Ok(())
}

/// They could not be saved: somebody else may try.
///
/// # Errors
/// The database cannot be written.
pub async fn give_back_owed(client: &impl GenericClient, owed: &Owed) -> Result<(), DbError> {
    execute(client, sql!("schema/statements/plan_owed_give_back.sql"), &[&owed.ids]).await?;
    Ok(())
}

/// Moves a plan from one of some states. `false`: it was in none of them.
///
/// # Errors
/// The database cannot be written.
pub async fn move_to(client: &impl GenericClient, id: Uuid, from: &[&str], to: &str) -> Result<bool, DbError> {
    Ok(execute(client, sql!("schema/statements/plan_move.sql"), &[&id, &from, &to]).await? == 1)
}

/// Locks a plan until the transaction ends.
///
/// # Errors
/// The database cannot be read.
pub async fn lock(tx: &deadpool_postgres::Transaction<'_>, id: Uuid) -> Result<(), DbError> {
    query(tx, sql!("schema/statements/plan_lock.sql"), &[&id]).await?;
    Ok(())
}

/// Notes who decided what, and why.
///
/// # Errors
/// The database cannot be written.
pub async fn decide(
    client: &impl GenericClient,
    id: Uuid,
    to: &str,
    approved: bool,
    who: &str,
    why: &str,
) -> Result<(), DbError> {
    execute(client, sql!("schema/statements/plan_decide.sql"), &[&id, &to, &approved, &who, &why]).await?;
    Ok(())
}

/// Notes what became of an entry.
///
/// # Errors
/// The database cannot be written.
pub async fn conclude(client: &impl GenericClient, plan: Uuid, placed: &Placed, result: &str) -> Result<(), DbError> {
    let (source, subscription) = (&placed.entry.source, &placed.entry.subscription_id);
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&plan, source, subscription, &placed.ordinal, &result];
    execute(client, sql!("schema/statements/plan_entry_result.sql"), &params).await?;
    Ok(())
}
