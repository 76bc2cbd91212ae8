//! `/v1/licenses`: what LicenseSpring holds for us, and why each field is as it is.

use actix_web::{HttpResponse, web};
use deadpool_postgres::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Auditor;
use super::{Problem, Shared, subscriptions, view};
use crate::domain::entitlement::SourceContext;
use crate::domain::license::LicenseRecord;
use crate::domain::plan::{Desired, deserved};
use crate::domain::state::State;
use crate::ledger::{read, rules};
use crate::postgres::query;
use crate::projections::{Place, licenses};
use crate::projector::database_now;
use crate::registry::{Account, Source};
use crate::sql;

const STATES: [&str; 4] = ["absent", "enabled", "disabled", "in_doubt"];

#[derive(Deserialize)]
pub(super) struct Filter {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// A page of licenses, by order id.
pub(super) async fn list(app: Shared, _: Auditor, filter: web::Query<Filter>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(filter.limit.as_deref())?;
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    let after = view::present(filter.cursor.as_deref()).unwrap_or_default();
    let state = view::one_of("state", filter.state.as_deref(), &STATES)?;
    let client = app.projector.pool.get().await?;
    let mut found: Vec<LicenseRecord> = Vec::new();
    for account in app.projector.registry.accounts.values() {
        let place = view::live(&client, account.journal).await?;
        let statement = sql!("projections/licenses/list.sql");
        let rows =
            query(&client, statement, &[&place.generation, &place.journal, &after, &(limit + 1), &state]).await?;
        found.extend(rows.iter().filter_map(|row| serde_json::from_value(row.get("record")).ok()));
    }
    found.sort_by(|a, b| a.order_id.cmp(&b.order_id));
    let more = found.len() > room;
    found.truncate(room);
    let next = found.last().filter(|_| more).map(|r| r.order_id.clone());
    let shown: Vec<Value> = found.iter().map(view::license).collect();
    Ok(HttpResponse::Ok().json(json!({"licenses": shown, "next_cursor": next})))
}

struct Found<'a> {
    account: &'a Account,
    place: Place,
    record: LicenseRecord,
}

async fn find<'a>(client: &Client, app: &'a Shared, order_id: &str) -> Result<Found<'a>, Problem> {
    for account in app.projector.registry.accounts.values() {
        let place = view::live(client, account.journal).await?;
        if let Some(record) = licenses::load(client, place, &[order_id.to_owned()]).await?.into_iter().next() {
            return Ok(Found { account, place, record });
        }
    }
    Err(Problem::not_found("we hold no order of that id"))
}

/// One license.
pub(super) async fn one(app: Shared, _: Auditor, order_id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let found = find(&client, &app, &order_id).await?;
    Ok(HttpResponse::Ok().json(view::license(&found.record)))
}

/// For every field: value, rule, the events it rests on, and the calls that were made.
pub(super) async fn why(app: Shared, _: Auditor, order_id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let found = find(&client, &app, &order_id).await?;
    let line = &found.record.line;
    let source = app
        .projector
        .registry
        .sources
        .get(&line.source)
        .ok_or_else(|| Problem::not_found("its source is not configured here"))?;
    let adopted = rules::adopted(&client, app.projector.registry.system).await?;
    let now = database_now(&client).await?;
    let state = subscriptions::state(&client, source, &line.subscription_id, None, i64::MAX, &adopted.rules).await?;
    let state = state.unwrap_or_default();
    let context = SourceContext { name: &source.name, live: source.settings.livemode };
    let deserved = deserved(&state, context, &adopted.rules, now);
    let held = state.adopt(vec![found.record.clone()]);
    let desired = deserved.lines.iter().find(|d| held.iter().any(|h| d.line == h.line));
    let calls = calls(&client, found.place, found.account, &found.record.order_id).await?;
    Ok(HttpResponse::Ok().json(json!({
        "order_id": found.record.order_id,
        "license": view::license(&found.record),
        "entitlement": desired.map(view::entitlement),
        "rules": {"event": format!("system/{}", adopted.position), "hash": adopted.hash},
        "fields": fields(source, &state, desired, &found.record),
        "calls": calls,
    })))
}

fn fields(source: &Source, state: &State, desired: Option<&Desired>, record: &LicenseRecord) -> Value {
    let observed = record.observed.as_ref();
    let events = |names: &[String]| -> Vec<String> {
        let positions = names.iter().filter_map(|n| state.provenance.get(n)).map(|p| p.event);
        let positions: std::collections::BTreeSet<i64> = positions.collect();
        positions.into_iter().map(|p| format!("{}/{p}", source.name)).collect()
    };
    let item = desired.map(|d| d.item_id.as_str()).unwrap_or_default();
    let of_item = |field: &str| format!("items.{item}.{field}");
    let status = || "status".to_owned();
    let reason = desired.map_or("no item of the subscription deserves it any more", |d| d.entitlement.reason.as_str());
    let until =
        if desired.is_some_and(|d| d.entitlement.is_trial) { "trial_end".to_owned() } else { of_item("paid_through") };
    json!({
        "enabled": {
            "value": observed.map(|o| o.enabled),
            "rule": format!("the line's entitlement is {reason}"),
            "events": events(&[status(), "cancel_at".to_owned(), "ended_at".to_owned(), of_item("paid_through")]),
        },
        "valid_until": {
            "value": observed.and_then(|o| o.valid_until),
            "rule": "the first UTC date at or after paid_through (or trial end) + grace_days of the policy",
            "events": events(&[until]),
        },
        "seats": {
            "value": desired.and_then(|d| d.entitlement.seats),
            "rule": "the item's quantity, in the field that the catalog names",
            "events": events(&[of_item("quantity")]),
        },
        "product_code": {
            "value": record.line.product_code,
            "rule": "the catalog rule that matches the item's product",
            "events": events(&[of_item("product")]),
        },
    })
}

/// Intents and outcomes of the order, oldest first.
pub(super) async fn calls(
    client: &Client,
    place: Place,
    account: &Account,
    order_id: &str,
) -> Result<Vec<Value>, Problem> {
    let entity = format!("order:{order_id}");
    let rows =
        query(client, sql!("projections/licenses/calls.sql"), &[&place.generation, &place.journal, &entity]).await?;
    let positions: Vec<i64> = rows.iter().map(|r| r.get(0)).collect();
    let journal = crate::ledger::journal::of_account(&account.name);
    let events = read::at(client, place.journal, &positions).await?;
    Ok(events
        .iter()
        .map(|e| {
            let body: Value = e.bytes.as_deref().and_then(|b| serde_json::from_slice(b).ok()).unwrap_or(Value::Null);
            json!({"event": format!("{journal}/{}", e.position), "recorded_at": crate::domain::dates::rfc3339(e.recorded_at), "type": e.event_type, "said": body})
        })
        .collect())
}
