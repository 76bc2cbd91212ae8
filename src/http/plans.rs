//! `/v1/admin/plans`: what would change, looked at before it changes.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::act::{self, Act, Body};
use super::auth::Admin;
use super::{Problem, Shared};
use crate::control::plans::{self, ENTRIES_MAX, Placed, Plan};
use crate::domain::dates::rfc3339;
use crate::reconciler::Settings;
use crate::reconciler::planning::{Desk, PlanError, eta_seconds};

impl From<PlanError> for Problem {
    fn from(e: PlanError) -> Self {
        match e {
            PlanError::Append(e) => e.into(),
            PlanError::NotReady => Self::unavailable(e.to_string()),
            PlanError::Stale(moved) => {
                let detail = PlanError::Stale(moved.clone()).to_string();
                let errors = moved.into_iter().map(|what| json!({"moved": what})).collect();
                Self { errors, ..Self::new(StatusCode::CONFLICT, "Stale plan", detail) }
            }
            other => Self::new(StatusCode::CONFLICT, "Conflict", other.to_string()),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Decide {
    #[serde(default)]
    reason: String,
    hash: Option<String>,
}

/// Compares everything and saves the calls that are needed.
pub(super) async fn propose(app: Shared, admin: Admin, Body(asked): Body<Act>) -> Result<HttpResponse, Problem> {
    let desk = act::desk(&app, asked.licensespring.as_deref())?;
    let reason = Some(asked.reason.trim()).filter(|r| !r.is_empty()).unwrap_or("asked for by an admin");
    let plan = desk.propose(&admin.0.name, reason).await?;
    Ok(HttpResponse::Created().json(whole(&app, &plan).await?))
}

#[derive(Deserialize)]
pub(super) struct Filter {
    state: Option<String>,
    licensespring: Option<String>,
}

/// Plans, newest first.
pub(super) async fn list(app: Shared, _: Admin, filter: web::Query<Filter>) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let states = super::view::present(filter.state.as_deref()).map(|s| vec![s]);
    let account = super::view::present(filter.licensespring.as_deref());
    let plans = plans::list(&client, None, account, states.as_deref()).await?;
    let shown: Vec<Value> = plans.iter().map(|p| show(p, app.reconcilers.get(&p.account))).collect();
    Ok(HttpResponse::Ok().json(json!({"plans": shown})))
}

async fn find(app: &Shared, id: Uuid) -> Result<Plan, Problem> {
    let client = app.projector.pool.get().await?;
    plans::one(&client, id).await?.ok_or_else(|| Problem::not_found("there is no such plan"))
}

fn desk_of<'a>(app: &'a Shared, plan: &Plan) -> Result<Desk<'a>, Problem> {
    act::desk(app, Some(&plan.account))
}

/// One plan with its entries.
pub(super) async fn one(app: Shared, _: Admin, id: web::Path<Uuid>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(whole(&app, &find(&app, *id).await?).await?))
}

/// Has it applied; its calls are made in the background, and the plan shows how far they are.
pub(super) async fn apply(
    app: Shared,
    admin: Admin,
    id: web::Path<Uuid>,
    Body(asked): Body<Decide>,
) -> Result<HttpResponse, Problem> {
    let reason = act::reason(&asked.reason)?;
    let plan = find(&app, *id).await?;
    let plan = desk_of(&app, &plan)?.apply(plan.id, &admin.0.name, reason).await?;
    Ok(HttpResponse::Accepted().json(whole(&app, &plan).await?))
}

/// Lets exactly this plan through the guard.
pub(super) async fn approve(
    app: Shared,
    admin: Admin,
    id: web::Path<Uuid>,
    Body(asked): Body<Decide>,
) -> Result<HttpResponse, Problem> {
    let reason = act::reason(&asked.reason)?;
    let plan = find(&app, *id).await?;
    let plan = desk_of(&app, &plan)?.approve(plan.id, asked.hash.as_deref(), &admin.0.name, reason).await?;
    Ok(HttpResponse::Ok().json(whole(&app, &plan).await?))
}

/// Has it not done.
pub(super) async fn reject(
    app: Shared,
    admin: Admin,
    id: web::Path<Uuid>,
    Body(asked): Body<Decide>,
) -> Result<HttpResponse, Problem> {
    let reason = act::reason(&asked.reason)?;
    let plan = find(&app, *id).await?;
    let plan = desk_of(&app, &plan)?.reject(plan.id, asked.hash.as_deref(), &admin.0.name, reason).await?;
    Ok(HttpResponse::Ok().json(whole(&app, &plan).await?))
}

/// A plan in the shape of the contract.
pub(super) fn show(plan: &Plan, settings: Option<&Settings>) -> Value {
    let calls = plan.creates + plan.updates + plan.deactivates;
    let decision = plan
        .decided
        .as_ref()
        .map(|(who, why, at)| json!({"who": who, "reason": why, "at": rfc3339(*at), "approved": plan.approved}));
    json!({
        "id": plan.id,
        "state": plan.state,
        "licensespring": plan.account,
        "created_at": rfc3339(plan.created_at),
        "changed_at": rfc3339(plan.changed_at),
        "who": plan.who,
        "reason": plan.reason,
        "hash": plan.hash,
        "summary": {
            "create": plan.creates,
            "update": plan.updates,
            "deactivate": plan.deactivates,
            "destructive": plan.destructive,
            "announced": plan.announced,
        },
        "calls": calls,
        "calls_left": plan.open,
        "eta_seconds": settings.map(|s| eta_seconds(plan.open, s)),
        "decision": decision,
    })
}

async fn whole(app: &Shared, plan: &Plan) -> Result<Value, Problem> {
    let client = app.projector.pool.get().await?;
    let entries = plans::entries(&client, plan.id, ("", ""), ENTRIES_MAX, false).await?;
    let is_dropped = |p: &&Placed| p.result.as_deref().is_some_and(|r| r != "done");
    let dropped: Vec<Value> = entries
        .iter()
        .filter(is_dropped)
        .map(|p| json!({"order_id": p.entry.order_id, "action": p.entry.action, "why": p.result}))
        .collect();
    let entries: Vec<Value> = entries
        .iter()
        .map(|p| {
            let mut shown = json!(p.entry);
            shown["result"] = json!(p.result);
            shown
        })
        .collect();
    let mut shown = show(plan, app.reconcilers.get(&plan.account));
    shown["entries"] = json!(entries);
    shown["dropped"] = json!(dropped);
    Ok(shown)
}
