//! What needs a person.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Auditor;
use super::{Problem, Shared, view};
use crate::config::FIELD_NAMES;
use crate::domain::dates::rfc3339;
use crate::domain::license::LicenseRecord;
use crate::domain::rules::Rules;
use crate::domain::state::State;
use crate::domain::terms::Terms;
use crate::ledger::rules;
use crate::postgres::query;
use crate::registry::Source;
use crate::sql;

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<String>,
}

/// Deliveries that were turned away, newest first; they are not events.
pub(super) async fn refusals(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(page.limit.as_deref())?;
    let client = app.projector.pool.get().await?;
    let rows = query(&client, sql!("schema/statements/refusals.sql"), &[&limit]).await?;
    let refusals: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "refused_at": rfc3339(row.get::<_, DateTime<Utc>>("refused_at")),
                "source": row.get::<_, String>("source"),
                "code": row.get::<_, String>("code"),
                "reason": row.get::<_, String>("detail"),
                "remote": row.get::<_, Option<String>>("remote"),
                "body_bytes": row.get::<_, Option<i64>>("body_bytes"),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"refusals": refusals})))
}

/// Calls that LicenseSpring refuses as they are.
pub(super) async fn parked(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(page.limit.as_deref())?;
    let client = app.projector.pool.get().await?;
    let mut parked = Vec::new();
    for account in app.projector.registry.accounts.values() {
        let place = view::live(&client, account.journal).await?;
        let rows =
            query(&client, sql!("projections/licenses/parked.sql"), &[&place.generation, &place.journal, &limit])
                .await?;
        for row in rows {
            let Ok(record) = serde_json::from_value::<LicenseRecord>(row.get("record")) else { continue };
            parked.push(json!({
                "order_id": record.order_id,
                "licensespring": account.name,
                "reason": record.parked.as_ref().map(|p| p.message.clone()),
                "status": record.parked.as_ref().and_then(|p| p.http_status),
                "fix": "correct the catalog rule or the product in LicenseSpring; the call is made again when it differs",
            }));
        }
    }
    Ok(HttpResponse::Ok().json(json!({"parked": parked})))
}

/// Events of these statuses over all sources, newest first.
async fn attention(
    app: &Shared,
    statuses: &[&str],
    limit: i64,
    fix: impl Fn(&str) -> String,
) -> Result<Vec<Value>, Problem> {
    let client = app.projector.pool.get().await?;
    let mut found: Vec<(DateTime<Utc>, Value)> = Vec::new();
    for source in app.projector.registry.sources.values() {
        let place = view::live(&client, source.journal).await?;
        let statement = sql!("projections/events/needing_attention.sql");
        let rows = query(&client, statement, &[&place.generation, &place.journal, &statuses, &limit]).await?;
        for row in rows {
            let received_at: DateTime<Utc> = row.get("received_at");
            let status: String = row.get("status");
            let shown = json!({
                "event": format!("{}/{}", source.name, row.get::<_, i64>("position")),
                "source": source.name,
                "type": row.get::<_, String>("type"),
                "external_id": row.get::<_, String>("external_id"),
                "entity": row.get::<_, Option<String>>("entity"),
                "status": status,
                "received_at": rfc3339(received_at),
                "age_seconds": (Utc::now() - received_at).num_seconds(),
                "reason": row.get::<_, Option<String>>("error"),
                "fix": fix(&status),
            });
            found.push((received_at, shown));
        }
    }
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|(_, shown)| shown).collect())
}

/// Events that could not be read or translated.
pub(super) async fn quarantine(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(page.limit.as_deref())?;
    let fix = |status: &str| match status {
        "unreadable" => "look at the body: it is well signed but not what this provider sends".to_owned(),
        _ => "the bytes are kept: a version that reads them heals this by a rebuild".to_owned(),
    };
    let found = attention(&app, &["quarantined", "unreadable"], limit, fix).await?;
    Ok(HttpResponse::Ok().json(json!({"quarantine": found})))
}

/// Payments, refunds and disputes whose subscription is not known yet.
pub(super) async fn unlinked(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(page.limit.as_deref())?;
    let fix = |_: &str| {
        "nothing: it lands by itself when the linking event arrives; until then no subscription is changed by it"
            .to_owned()
    };
    let found = attention(&app, &["unlinked"], limit, fix).await?;
    Ok(HttpResponse::Ok().json(json!({"unlinked": found})))
}

/// Products that no catalog rule maps, each with the lines of configuration that would.
pub(super) async fn unmapped(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(page.limit.as_deref())?;
    let client = app.projector.pool.get().await?;
    let adopted = rules::adopted(&client, app.projector.registry.system).await?;
    let mut found = Vec::new();
    for source in app.projector.registry.sources.values() {
        let place = view::live(&client, source.journal).await?;
        let rows = query(
            &client,
            sql!("projections/subscriptions/unmapped.sql"),
            &[&place.generation, &place.journal, &limit],
        )
        .await?;
        for row in rows {
            let Ok(state) = serde_json::from_value::<State>(row.get("state")) else { continue };
            let items = state.snapshot.as_ref().map(|s| s.value.items.as_slice()).unwrap_or_default();
            let missing = items.iter().filter(|i| adopted.rules.map(&source.name, &i.product).is_none());
            found.extend(wanting(source, &state, &adopted.rules));
            found.extend(missing.map(|item| {
                json!({
                    "source": source.name,
                    "subscription_id": state.subscription_id,
                    "customer_id": state.customer_id(),
                    "item_id": item.item_id,
                    "product": item.product.keys,
                    "reason": "no catalog rule matches this product",
                    "fix": line_of(&source.name, &item.product.keys),
                })
            }));
        }
    }
    Ok(HttpResponse::Ok().json(json!({"unmapped": found})))
}

/// The keys a product is best named by, the most exact first.
const NAMED_BY: [&str; 8] =
    ["price", "lookup_key", "path", "sku", "variant", "selling_plan", "product_code", "product"];

/// What is mapped and entitles to nothing for want of configuration.
fn wanting(source: &Source, state: &State, rules: &Rules) -> Option<Value> {
    let item = state.snapshot.as_ref()?.value.items.first()?;
    let mapping = rules.map(&source.name, &item.product)?;
    let missing: Vec<&str> = state.missing().into_iter().collect();
    let (reason, fix) = if let Some((object, field)) = missing.first().and_then(|m| m.split_once('.')) {
        let named = missing.join(", ");
        let mut fix = "add the field to what is sent".to_owned();
        if FIELD_NAMES.contains(&field) {
            fix.push_str(&format!(", and name it:\n[sources.{}.fields.{object}]\n{field} = \"…\"", source.name));
        }
        (format!("fields that decide are not sent: {named}"), fix)
    } else if Terms::of(state, Some(&mapping)).is_endless() {
        let fix = "add period = \"1y\" to the catalog rule, or license_type = \"perpetual\"";
        ("neither the record nor the catalog says how long it lasts".to_owned(), fix.to_owned())
    } else {
        return None;
    };
    Some(json!({
        "source": source.name,
        "subscription_id": state.subscription_id,
        "customer_id": state.customer_id(),
        "item_id": item.item_id,
        "product": item.product.keys,
        "reason": reason,
        "fix": fix,
    }))
}

/// The rule that would map a product, by the most specific key it has.
fn line_of(source: &str, keys: &std::collections::BTreeMap<String, String>) -> String {
    if keys.is_empty() {
        return "send the field that names the product, or name it under [sources.<name>.fields.<object>]".to_owned();
    }
    let key = NAMED_BY.iter().find_map(|k| keys.get(*k).map(|v| (k, v)));
    let matches = key.map_or_else(|| "product = \"…\"".to_owned(), |(k, v)| format!("{k} = {}", json!(v)));
    format!("[[catalog]]\nsource = \"{source}\"\nmatch = {{ {matches} }}\nproduct_code = \"…\"")
}
