//! `/healthz`: the process is up. `/readyz`: it can do its work.

use actix_web::HttpResponse;
use serde_json::json;

use super::Shared;
use crate::postgres::migrate;
use crate::projections::generations;

/// The process is up.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// Database reachable, schema current, journals writable; coarse codes only.
pub(super) async fn readyz(app: Shared) -> HttpResponse {
    let checks = checks(&app).await;
    let ready = checks.iter().all(|(_, ok)| *ok);
    let checks: serde_json::Map<String, serde_json::Value> =
        checks.into_iter().map(|(name, ok)| (name.to_owned(), json!(if ok { "ok" } else { "failed" }))).collect();
    let body = json!({"status": if ready { "ready" } else { "not_ready" }, "checks": checks});
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

async fn checks(app: &Shared) -> Vec<(&'static str, bool)> {
    let Ok(client) = app.projector.pool.get().await else { return vec![("database", false)] };
    let schema = migrate::is_current(&client).await.unwrap_or(false);
    // A standby, or a database switched to read-only, cannot take an event.
    let writable = client.query_one("SELECT current_setting('transaction_read_only') = 'off'", &[]).await;
    let journals = generations::live(&client).await;
    vec![
        ("database", true),
        ("schema", schema),
        ("writable", writable.is_ok_and(|row| row.get(0))),
        (
            "journals",
            journals.is_ok_and(|live| app.projector.registry.sources.values().all(|s| live.contains_key(&s.journal))),
        ),
    ]
}
