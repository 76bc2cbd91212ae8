//! The adopted catalog and policy.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::act::{Body, reason};
use super::auth::Admin;
use super::{Problem, Shared};
use crate::config::{Problems, rules_from_text};
use crate::domain::dates::rfc3339;
use crate::ledger::append::{NewDelivery, append};
use crate::ledger::rules;
use crate::projector::{outlook, timed};

/// What counts now, and whether this instance's file says the same.
pub(super) async fn show(app: Shared, _: Admin) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let adopted = rules::adopted(&client, app.projector.registry.system).await?;
    Ok(HttpResponse::Ok().json(json!({
        "event": (adopted.position > 0).then(|| format!("system/{}", adopted.position)),
        "hash": adopted.hash,
        "rules": adopted.rules,
        "catalog_and_policy": adopted.text,
        "file_hash": rules::hash_of(&app.config.rules),
        "file_is_adopted": is_of_file(&app, &adopted),
        "note": note(&app, &adopted),
    })))
}

fn is_of_file(app: &Shared, adopted: &rules::Adopted) -> bool {
    adopted.hash == rules::hash_of(&app.config.rules)
}

/// Two instances with different files cannot fight.
fn note(app: &Shared, adopted: &rules::Adopted) -> Option<&'static str> {
    (!is_of_file(app, adopted)).then_some(
        "this instance's file differs from what is adopted: it folds by the adopted rules and makes no calls; \
         write them into its file and start it anew, or adopt the file",
    )
}

/// The event that says who let a plan of rules through.
const APPROVED: &str = "config_plan_approved";

/// What nobody knows is refused: a `dryRun` would adopt.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adopt {
    #[serde(default)]
    reason: String,
    /// TOML as in the file, or the JSON that `GET` shows; absent: what this instance's file says.
    catalog_and_policy: Option<String>,
    /// Only show the plan.
    #[serde(default)]
    dry_run: bool,
    /// The hash of the plan that was looked at: its calls may be made.
    approve: Option<String>,
}

/// Adopts a file or a text: who, and why. What it leads to is answered as a plan, and causes no
/// call before somebody has looked at it.
pub(super) async fn adopt(app: Shared, admin: Admin, Body(asked): Body<Adopt>) -> Result<HttpResponse, Problem> {
    let why = reason(&asked.reason)?;
    let text = asked.catalog_and_policy.as_deref();
    if text.is_some_and(|text| text.trim().is_empty()) {
        return Err(Problem::field(
            "catalog_and_policy",
            "is empty: nothing would be licensed; leave it out to adopt the file",
        ));
    }
    let wanted = match text {
        Some(text) => rules_from_text(text, &app.config).map_err(problems)?.0,
        None => app.config.rules.clone(),
    };
    let client = app.projector.pool.get().await?;
    let plan = outlook::of(&app.projector, &client, &wanted).await?;
    if let Some(approved) = asked.approve.as_deref().filter(|hash| *hash != plan.hash) {
        let moved = format!("the plan is not {approved} any more but {}: look at it again", plan.hash);
        return Err(Problem::new(StatusCode::CONFLICT, "Conflict", moved));
    }
    if asked.dry_run {
        return Ok(HttpResponse::Ok().json(json!({"hash": rules::hash_of(&wanted), "plan": plan, "dry_run": true})));
    }
    let system = app.projector.registry.system;
    let adopted = rules::adopt(&client, system, (&wanted, text), &admin.0.name, why, Utc::now()).await?;
    app.projector.wake.notify_one();
    let mut looked_at = 0;
    for source in app.projector.registry.sources.values() {
        looked_at += timed::after_new_rules(&app.projector, source).await?;
    }
    if let Some(hash) = &asked.approve {
        let body = json!({"act": APPROVED, "plan": hash, "summary": plan.summary, "who": admin.0.name, "reason": why});
        let key = format!("{APPROVED}:{}", Uuid::now_v7());
        append(&client, system, None, &[NewDelivery::own(APPROVED, &key, &body, Utc::now())]).await?;
        outlook::mark(&app.projector, &client, &wanted).await?;
    }
    Ok(HttpResponse::Ok().json(json!({
        "event": format!("system/{}", adopted.position),
        "hash": adopted.hash,
        "subscriptions_looked_at": looked_at,
        "file_is_adopted": is_of_file(&app, &adopted),
        "note": note(&app, &adopted),
        "plan": plan,
        "approved": asked.approve.is_some(),
    })))
}

/// Every problem of a text, not only the first.
fn problems(found: Problems) -> Problem {
    let errors: Vec<serde_json::Value> = found
        .0
        .iter()
        .map(|p| {
            let field = if p.key.is_empty() {
                "catalog_and_policy".to_owned()
            } else {
                format!("catalog_and_policy.{}", p.key)
            };
            json!({"field": field, "detail": p.problem, "fix": p.fix})
        })
        .collect();
    let detail = format!("catalog_and_policy: {} problems; nothing was adopted", errors.len());
    Problem { errors, ..Problem::bad_request(detail) }
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
