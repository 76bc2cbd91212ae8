//! The adopted rules: catalog and policy as an event of the system journal.

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use serde::{Deserialize, Serialize};

use super::append::{AppendError, NewDelivery, append};
use crate::config;
use crate::domain::hash;
use crate::domain::rules::Rules;
use crate::postgres::{DbError, query, query_opt};
use crate::sql;

/// The type of the event.
pub const CONFIG_ADOPTED: &str = "config_adopted";

/// The rules that count, and since which event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Position in the system journal; 0: nothing was adopted yet.
    pub position: i64,
    pub hash: String,
    pub rules: Rules,
    /// As it was given; of a file, the canonical text of its rules.
    pub text: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    hash: String,
    rules: Rules,
    #[serde(default)]
    text: Option<String>,
    who: String,
    reason: String,
}

/// The hash two instances compare.
#[must_use]
pub fn hash_of(rules: &Rules) -> String {
    hash::of(rules)
}

/// The rules last adopted, or none.
///
/// # Errors
/// The database cannot be read, or the event is not what was written.
pub async fn adopted(client: &impl GenericClient, system: i32) -> Result<Adopted, DbError> {
    parse(query_opt(client, sql!("schema/statements/last_of_type.sql"), &[&system, &CONFIG_ADOPTED]).await?)
}

/// The rules that counted at a position of the system journal.
///
/// # Errors
/// The database cannot be read, or the event is not what was written.
pub async fn adopted_up_to(client: &impl GenericClient, system: i32, position: i64) -> Result<Adopted, DbError> {
    parse(
        query_opt(client, sql!("schema/statements/last_of_type_up_to.sql"), &[&system, &CONFIG_ADOPTED, &position])
            .await?,
    )
}

fn parse(row: Option<tokio_postgres::Row>) -> Result<Adopted, DbError> {
    let Some(row) = row else { return Ok(Adopted::default()) };
    let body: Body = serde_json::from_slice(row.get(2))
        .map_err(|e| DbError::Corrupt(format!("the adopted rules cannot be read: {e}")))?;
    Ok(Adopted { position: row.get(0), hash: body.hash, rules: body.rules, text: body.text })
}

/// Adoptions that are listed.
const HISTORY_MAX: i64 = 1_000;

/// Every adoption as it was written, newest first: (position, recorded at, body).
///
/// # Errors
/// The database cannot be read.
pub async fn history(
    client: &impl GenericClient,
    system: i32,
) -> Result<Vec<(i64, DateTime<Utc>, serde_json::Value)>, DbError> {
    let rows =
        query(client, sql!("schema/statements/all_of_type.sql"), &[&system, &CONFIG_ADOPTED, &HISTORY_MAX]).await?;
    let said = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(serde_json::Value::Null);
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), said(row.get(2)))).collect())
}

/// Adopts rules: who, and why. The same rules adopted twice in a row are one event.
///
/// # Errors
/// Nothing was adopted.
pub async fn adopt(
    client: &impl GenericClient,
    system: i32,
    (rules, text): (&Rules, Option<&str>),
    who: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Adopted, AppendError> {
    let held = adopted(client, system).await?;
    let hash = hash_of(rules);
    if held.position > 0 && held.hash == hash {
        return Ok(held);
    }
    let text = Some(text.map_or_else(|| config::rules_text(rules), ToOwned::to_owned));
    let body = Body {
        hash: hash.clone(),
        rules: rules.clone(),
        text: text.clone(),
        who: who.to_owned(),
        reason: reason.to_owned(),
    };
    let body = serde_json::to_value(&body).map_err(|e| DbError::Corrupt(e.to_string()))?;
    let key = format!("{CONFIG_ADOPTED}:{}:{hash}", held.position);
    let delivery = NewDelivery::own(CONFIG_ADOPTED, &key, &body, now);
    let answer = append(client, system, None, &[delivery]).await?;
    let position = answer.first().map_or(held.position, |a| a.position);
    Ok(Adopted { position, hash, rules: rules.clone(), text })
}
