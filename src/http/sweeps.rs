//! `/v1/admin/sweeps` and `/v1/drift`: what LicenseSpring holds that is not as we left it.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::act::Body;
use super::auth::{Admin, Auditor};
use super::{Problem, Shared, act, view};
use crate::control::sweeps;
use crate::domain::dates::rfc3339;
use crate::domain::license::LicenseRecord;
use crate::domain::plan::entry::drift;
use crate::projections::licenses;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    reason: String,
    kind: Option<String>,
    licensespring: Option<String>,
}

/// Asks for a sweep. It reads; what it changes, the policy `reconciler.drift` says.
pub(super) async fn ask(app: Shared, admin: Admin, Body(asked): Body<Ask>) -> Result<HttpResponse, Problem> {
    let kind = asked.kind.as_deref().unwrap_or("full");
    if !["full", "incremental"].contains(&kind) {
        return Err(Problem::field("kind", "must be full or incremental"));
    }
    let desk = act::desk(&app, asked.licensespring.as_deref())?;
    let reason = Some(asked.reason.trim()).filter(|r| !r.is_empty()).unwrap_or("asked for by an admin");
    let client = app.projector.pool.get().await?;
    let id = sweeps::ask(&client, &desk.account.name, kind, &admin.0.name, reason).await?;
    app.projector.saved.notify_waiters();
    Ok(HttpResponse::Accepted().json(json!({"id": id, "kind": kind, "licensespring": desk.account.name})))
}

/// Every sweep, newest first.
pub(super) async fn list(app: Shared, _: Admin) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    Ok(HttpResponse::Ok().json(json!({"sweeps": sweeps::list(&client, None, None).await?})))
}

/// One sweep: how far it is, and what it found.
pub(super) async fn one(app: Shared, _: Admin, id: web::Path<Uuid>) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let found = sweeps::list(&client, Some(*id), None).await?.into_iter().next();
    Ok(HttpResponse::Ok().json(found.ok_or_else(|| Problem::not_found("there is no such sweep"))?))
}

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<String>,
}

/// What is not as we left it, each with its reason and the fix.
pub(super) async fn drifted(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(page.limit.as_deref())?;
    let client = app.projector.pool.get().await?;
    let (mut found, mut swept) = (Vec::new(), serde_json::Map::new());
    for account in app.projector.registry.accounts.values() {
        let place = view::live(&client, account.journal).await?;
        let ours = licenses::drifted(&client, place, limit).await?;
        found.extend(ours.iter().map(|record| of_ours(&account.name, record)));
        let Some((at, findings)) = sweeps::last(&client, &account.name, Some("full")).await? else { continue };
        swept.insert(account.name.clone(), json!(rfc3339(at)));
        let others = [
            (
                "foreign",
                "foreign_order",
                "somebody else made an order for a subscription of ours",
                "disable or delete it in LicenseSpring, or leave it: it is not touched",
            ),
            (
                "orphans",
                "orphan",
                "an order named as ours of which the ledger knows nothing",
                "find out who made it; it is not touched",
            ),
            (
                "duplicates",
                "duplicate",
                "a second license in one order of ours",
                "disable or delete the one that is not in use; it is not touched",
            ),
        ];
        for (key, kind, reason, fix) in others {
            let rows = findings[key]["listed"].as_array().into_iter().flatten();
            found.extend(rows.map(|row| {
                json!({"kind": kind, "licensespring": account.name, "order_id": row["order_id"], "license_id": row["license_id"],
                    "subscription_id": row["subscription_id"], "reason": reason, "fix": fix})
            }));
        }
    }
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(HttpResponse::Ok().json(json!({"drift": found, "swept_at": swept})))
}

fn of_ours(account: &str, record: &LicenseRecord) -> Value {
    let left = record.observed.as_ref();
    let changes = left.zip(record.seen.as_ref()).map(|(left, seen)| drift(left, seen)).unwrap_or_default();
    let switched_off = changes.iter().any(|c| c.field == "enabled" && c.new == json!(false));
    let (kind, reason, fix) = if record.gone {
        (
            "deleted",
            "it was deleted in LicenseSpring",
            "POST /v1/admin/parked/{order_id}/retry asks for a new one; by itself it is not recreated",
        )
    } else if switched_off {
        (
            "disabled_by_hand",
            "it was disabled in LicenseSpring",
            "enable it there, or set reconciler.drift = \"repair\"",
        )
    } else {
        (
            "edited_by_hand",
            "it was changed in LicenseSpring",
            "change it back there, or set reconciler.drift = \"repair\"; the next change of its subscription overwrites it",
        )
    };
    json!({
        "kind": kind,
        "licensespring": account,
        "order_id": record.order_id,
        "license_id": left.map(|o| o.license_id),
        "source": record.line.source,
        "subscription_id": record.line.subscription_id,
        "changes": changes,
        "reason": reason,
        "fix": fix,
    })
}
