//! `/v1/journals`: which logs there are and how long they are.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::auth::Auditor;
use super::{Problem, Shared};
use crate::domain::dates::rfc3339;
use crate::ledger::journal::{self, Journal};
use crate::projections::generations;
use crate::sql;

async fn show(client: &deadpool_postgres::Client, journal: &Journal) -> Result<Value, Problem> {
    let tail = crate::postgres::query_opt(client, sql!("schema/statements/tail.sql"), &[&journal.id]).await?;
    let projected = generations::checkpoints(client).await?;
    let projected = projected.iter().find(|c| c.place.journal == journal.id && c.state == "live").map(|c| c.position);
    let head: i64 = tail.as_ref().map_or(0, |r| r.get(0));
    Ok(json!({
        "journal": journal.name,
        "kind": journal.kind.as_str(),
        "head": head,
        "events": head, // positions have no gaps
        "last_recorded_at": tail.map(|r| rfc3339(r.get(1))),
        "projected": projected,
    }))
}

/// Every journal.
pub(super) async fn list(app: Shared, _: Auditor) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let mut journals = Vec::new();
    for journal in journal::all(&client).await?.values() {
        journals.push(show(&client, journal).await?);
    }
    Ok(HttpResponse::Ok().json(json!({"journals": journals})))
}

/// One journal.
pub(super) async fn one(app: Shared, _: Auditor, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let journal = by_name(&client, &name).await?;
    Ok(HttpResponse::Ok().json(show(&client, &journal).await?))
}

/// A journal by name.
pub(super) async fn by_name(client: &deadpool_postgres::Client, name: &str) -> Result<Journal, Problem> {
    let journals = journal::all(client).await?;
    journals.into_values().find(|j| j.name == name).ok_or_else(|| Problem::not_found("there is no such journal"))
}
