//! `/v1/admin/reconciler`: how accounts are reconciled, and how they stand.

use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use super::act::{self, Body};
use super::auth::Admin;
use super::{Problem, Shared, view};
use crate::control::plans;
use crate::domain::account::{AccountEvent, Mode, ModeChange};
use crate::domain::breaker;
use crate::domain::dates::rfc3339;
use crate::projections::{accounts, destructive};
use crate::projector::database_now;
use crate::reconciler::budget::Budget;
use crate::reconciler::planning::Desk;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Change {
    mode: Option<Mode>,
    #[serde(default)]
    reason: String,
    licensespring: Option<String>,
}

/// Changes the mode: who, and why. The stricter of this and the file counts.
pub(super) async fn change(
    app: Shared,
    admin: Admin,
    request: HttpRequest,
    Body(asked): Body<Change>,
) -> Result<HttpResponse, Problem> {
    let reason = act::reason(&asked.reason)?;
    let mode = asked.mode.ok_or_else(|| Problem::field("mode", "must be continuous, plan_only or frozen"))?;
    let key = act::key(&request, "reconciler_mode");
    let client = app.projector.pool.get().await?;
    let mut shown = Vec::new();
    for desk in act::desks(&app, asked.licensespring.as_deref())? {
        let change = ModeChange { mode, who: admin.0.name.clone(), reason: reason.to_owned() };
        let position = desk.say(&client, &key, &AccountEvent::ReconcilerMode(change)).await?;
        let effective = desk.mode().await?;
        shown.push(json!({
            "licensespring": desk.account.name,
            "mode": effective,
            "said": mode,
            "file": desk.settings.mode,
            "event": format!("{}/{position}", desk.journal()),
        }));
    }
    app.projector.saved.notify_waiters();
    Ok(HttpResponse::Ok().json(json!({"mode": mode, "accounts": shown})))
}

/// How every account stands: mode, guard, budget, what is held.
pub(super) async fn status(app: Shared, _: Admin) -> Result<HttpResponse, Problem> {
    let mut shown = Vec::new();
    for desk in act::desks(&app, None)? {
        shown.push(standing(&app, desk).await?);
    }
    Ok(HttpResponse::Ok().json(json!({"accounts": shown})))
}

async fn standing(app: &Shared, desk: Desk<'_>) -> Result<Value, Problem> {
    let client = app.projector.pool.get().await?;
    let place = view::live(&client, desk.account.journal).await?;
    let now = database_now(&client).await?;
    let said = accounts::mode(&client, place).await?;
    let counts = destructive::count(&client, place, now).await?;
    let held = plans::held(&client, &desk.account.name).await?;
    let budget = Budget::load(&client, &desk.account.name, desk.settings.requests_per_minute).await?;
    let limits = &desk.settings.limits;
    Ok(json!({
        "licensespring": desk.account.name,
        "mode": Mode::effective(desk.settings.mode, said.map(|(mode, _)| mode)),
        "file": desk.settings.mode,
        "said": said.map(|(mode, _)| mode),
        "said_by": said.map(|(_, at)| format!("{}/{at}", desk.journal())),
        "guard": {
            "hour": counts.hour,
            "day": counts.day,
            "announced_day": counts.announced_day,
            "enabled_licenses": counts.enabled,
            "max_destructive": limits.max_destructive,
            "max_percent": limits.max_percent,
            "max_destructive_per_day": limits.max_destructive_per_day,
            "max_announced_per_day": limits.max_announced_per_day,
        },
        "held_plan": held,
        "budget": budget.map(|b| json!({
            "calls_left": b.calls_left(),
            "requests_per_minute": desk.settings.requests_per_minute,
            "not_before": b.is_closed().then(|| rfc3339(b.not_before)),
            "failures": b.failures,
            "circuit": breaker::state(b.failures, b.is_closed()),
        })),
    }))
}
