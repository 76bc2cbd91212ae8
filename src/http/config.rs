//! The adopted catalog and policy.

use actix_web::{HttpResponse, web};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;

use super::auth::Admin;
use super::{Problem, Shared};
use crate::domain::dates::rfc3339;
use crate::ledger::rules;
use crate::projector::timed;

/// What counts now, and whether this instance's file says the same.
pub(super) async fn show(app: Shared, _: Admin) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let adopted = rules::adopted(&client, app.projector.registry.system).await?;
    Ok(HttpResponse::Ok().json(json!({
        "event": (adopted.position > 0).then(|| format!("system/{}", adopted.position)),
        "hash": adopted.hash,
        "rules": adopted.rules,
        "file_hash": rules::hash_of(&app.file_rules),
        "file_is_adopted": adopted.hash == rules::hash_of(&app.file_rules),
    })))
}

#[derive(Deserialize)]
pub(super) struct Adopt {
    #[serde(default)]
    reason: String,
}

/// Adopts this instance's file: who, and why.
///
/// The body is read here and not by an extractor: who asks is checked before what is asked.
pub(super) async fn adopt(app: Shared, admin: Admin, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let asked: Adopt = serde_json::from_slice(&body)
        .map_err(|e| Problem::bad_request(format!("the body must be JSON such as {{\"reason\":\"…\"}}: {e}")))?;
    if asked.reason.trim().is_empty() {
        return Err(Problem::field("reason", "say why: it becomes part of the record"));
    }
    let client = app.projector.pool.get().await?;
    let system = app.projector.registry.system;
    let adopted =
        rules::adopt(&client, system, &app.file_rules, &admin.0.name, asked.reason.trim(), Utc::now()).await?;
    let mut looked_at = 0;
    for source in app.projector.registry.sources.values() {
        looked_at += timed::after_new_rules(&app.projector, source).await?;
    }
    Ok(HttpResponse::Ok().json(json!({
        "event": format!("system/{}", adopted.position),
        "hash": adopted.hash,
        "subscriptions_looked_at": looked_at,
    })))
}

/// Every adoption, newest first: who, why, and the rules themselves.
pub(super) async fn history(app: Shared, _: Admin) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let adoptions = rules::history(&client, app.projector.registry.system).await?;
    let shown: Vec<serde_json::Value> = adoptions
        .into_iter()
        .map(|(position, recorded_at, said)| {
            json!({"event": format!("system/{position}"), "recorded_at": rfc3339(recorded_at), "said": said})
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"history": shown})))
}
