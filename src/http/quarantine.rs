//! `POST /v1/admin/quarantine/{id}/retry`: reads an event again that could not be read.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::Utc;
use serde_json::json;
use uuid::Uuid;

use super::act::{Body, Reason, reason};
use super::auth::Admin;
use super::{Problem, Shared, view};
use crate::ledger::append::{NewDelivery, append};
use crate::projector::retry;

/// The event that says who tried, and why.
const RETRIED: &str = "quarantine_retried";
/// What can be tried again.
const STUCK: [&str; 2] = ["quarantined", "unreadable"];

/// The id is the event's name, `stripe-main/1042`; the slash may be written `%2F`.
pub(super) async fn again(
    app: Shared,
    admin: Admin,
    id: web::Path<String>,
    Body(asked): Body<Reason>,
) -> Result<HttpResponse, Problem> {
    let why = reason(&asked.reason)?;
    let missing = || Problem::not_found("there is no such event: its name is like stripe-main/1042");
    let name = id.replace("%2F", "/").replace("%2f", "/");
    let (source, position) = name.split_once('/').ok_or_else(missing)?;
    let position: i64 = position.parse().map_err(|_| missing())?;
    let source = app.projector.registry.sources.get(source).ok_or_else(missing)?;
    let client = app.projector.pool.get().await?;
    let place = view::live(&client, source.journal).await?;
    let before = retry::now(&client, place, position).await?.ok_or_else(missing)?;
    if !STUCK.contains(&before.status.as_str()) {
        let detail = format!("the event is {}: there is nothing to try again", before.status);
        return Err(Problem::new(StatusCode::CONFLICT, "Conflict", detail));
    }
    let body = json!({"act": RETRIED, "event": name, "who": admin.0.name, "reason": why});
    let delivery = NewDelivery::own(RETRIED, &format!("{RETRIED}:{}", Uuid::now_v7()), &body, Utc::now());
    append(&client, source.journal, None, &[delivery]).await?;
    app.projector.wake.notify_one();
    match retry::again(&app.projector, source, position).await {
        // It cannot be saved now either; the reason of before stands.
        Err(e) if e.is_data_error() => {}
        done => done?,
    }
    let now = retry::now(&client, place, position).await?.ok_or_else(missing)?;
    let healed = !STUCK.contains(&now.status.as_str());
    Ok(HttpResponse::Ok().json(json!({
        "event": name,
        "status": now.status,
        "reason": now.reason,
        "customer_id": now.customer_id,
        "subscription_id": now.subscription_id,
        "healed": healed,
    })))
}
