//! `/v1/customers`: who they are, what they have, and what happened, in one line of time.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Auditor;
use super::{Problem, Shared, view};
use crate::domain::dates::rfc3339;
use crate::domain::state::State;
use crate::ledger::read::{self, StoredEvent};
use crate::ledger::rules;
use crate::postgres::query;
use crate::projector::{database_now, meaning};
use crate::registry::Source;
use crate::sql;

/// Subscriptions of one customer that are shown.
const SUBSCRIPTIONS_MAX: i64 = 200;
/// Events of one timeline page that are read from each journal.
const TIMELINE_MAX: i64 = 1_000;

#[derive(Deserialize)]
pub(super) struct Filter {
    query: Option<String>,
    source: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// Customers whose id begins with the query, or who have a subscription or e-mail of that name.
pub(super) async fn list(app: Shared, _: Auditor, filter: web::Query<Filter>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(filter.limit.as_deref())?;
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    let (from_source, after) = match view::present(filter.cursor.as_deref()) {
        Some(cursor) => cursor.split_once('/').ok_or_else(|| Problem::field("cursor", "is not one of ours"))?,
        None => ("", ""),
    };
    let wanted = view::present(filter.source.as_deref());
    if let Some(name) = wanted {
        view::source(&app, name)?;
    }
    let text = view::present(filter.query.as_deref());
    let client = app.projector.pool.get().await?;
    let mut found: Vec<Value> = Vec::new();
    let sources = app.projector.registry.sources.values();
    for source in sources.filter(|s| wanted.is_none_or(|w| s.name == w) && s.name.as_str() >= from_source) {
        let place = view::live(&client, source.journal).await?;
        let after = if source.name == from_source { after } else { "" };
        let statement = sql!("projections/subscriptions/customers.sql");
        let rows = query(&client, statement, &[&place.generation, &place.journal, &after, &(limit + 1), &text]).await?;
        found.extend(rows.iter().map(|row| {
            json!({
                "source": source.name,
                "customer_id": row.get::<_, String>("customer_id"),
                "subscriptions": row.get::<_, i64>("subscriptions"),
                "statuses": row.get::<_, Vec<String>>("statuses"),
            })
        }));
        if found.len() > room {
            break;
        }
    }
    let more = found.len() > room;
    found.truncate(room);
    let word = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    let next = found.last().filter(|_| more).map(|v| format!("{}/{}", word(v, "source"), word(v, "customer_id")));
    Ok(HttpResponse::Ok().json(json!({"customers": found, "next_cursor": next})))
}

/// The states of a customer's subscriptions.
async fn states(client: &Client, source: &Source, customer: &str) -> Result<Vec<State>, Problem> {
    let place = view::live(client, source.journal).await?;
    let statement = sql!("projections/subscriptions/of_customer.sql");
    let rows = query(client, statement, &[&place.generation, &place.journal, &customer, &SUBSCRIPTIONS_MAX]).await?;
    let states = rows.iter().map(|row| serde_json::from_value::<State>(row.get("state")));
    states
        .collect::<Result<_, _>>()
        .map_err(|_| Problem::unavailable("the projections are being rebuilt for this version"))
}

fn find<'a>(app: &'a Shared, name: &str) -> Result<&'a Source, Problem> {
    app.projector.registry.sources.get(name).ok_or_else(|| Problem::not_found("there is no such source"))
}

/// One customer: what is known of the buyer, subscriptions, licenses.
pub(super) async fn one(app: Shared, _: Auditor, path: web::Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let source = find(&app, &path.0)?;
    let client = app.projector.pool.get().await?;
    let states = states(&client, source, &path.1).await?;
    if states.is_empty() {
        return Err(Problem::not_found("no subscription of this source names this customer"));
    }
    let adopted = rules::adopted(&client, app.projector.registry.system).await?;
    let asked = view::Asked { at: database_now(&client).await?, ..view::Asked::default() };
    let (mut subscriptions, mut licenses) = (Vec::new(), Vec::new());
    for state in &states {
        let held = view::records(&client, &app, source, state).await?;
        subscriptions.push(view::subscription(source, state, &adopted.rules, &held, &asked));
        licenses.extend(held.iter().map(view::license));
    }
    let buyer = states.iter().map(State::customer).find(|c| c.email.is_some()).unwrap_or_default();
    Ok(HttpResponse::Ok().json(json!({
        "source": source.name,
        "customer_id": path.1,
        "customer": buyer,
        "subscriptions": subscriptions,
        "licenses": licenses,
    })))
}

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<String>,
    before: Option<String>,
}

/// One thing that happened, with the instant it is sorted by.
struct Moment {
    at: DateTime<Utc>,
    shown: Value,
}

/// Events, facts and calls of a customer, newest first by when we recorded them.
pub(super) async fn timeline(
    app: Shared,
    _: Auditor,
    path: web::Path<(String, String)>,
    page: web::Query<Page>,
) -> Result<HttpResponse, Problem> {
    let source = find(&app, &path.0)?;
    let limit = usize::try_from(view::limit(page.limit.as_deref())?).unwrap_or(usize::MAX);
    let before = view::instant("before", page.before.as_deref())?;
    let client = app.projector.pool.get().await?;
    let states = states(&client, source, &path.1).await?;
    let subscriptions: Vec<&str> = states.iter().map(|s| s.subscription_id.as_str()).collect();
    let mut moments = Vec::new();
    let place = view::live(&client, source.journal).await?;
    let statement = sql!("projections/events/of_customer.sql");
    let rows = query(
        &client,
        statement,
        &[&place.generation, &place.journal, &Some(path.1.as_str()), &subscriptions, &TIMELINE_MAX],
    )
    .await?;
    let statuses: BTreeMap<i64, String> = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
    let positions: Vec<i64> = statuses.keys().copied().collect();
    for event in read::at(&client, source.journal, &positions).await? {
        let facts = meaning::of(source, &event).translation.facts;
        let facts: Vec<Value> = facts.iter().map(|f| json!({"entity": f.entity.key(), "said": f.body})).collect();
        moments.push(moment(
            &source.name,
            &event,
            "event",
            json!({"status": statuses.get(&event.position), "facts": facts}),
        ));
    }
    if let Some(account) = app.projector.registry.accounts.get(&source.account) {
        let place = view::live(&client, account.journal).await?;
        let none: Option<&str> = None;
        let rows =
            query(&client, statement, &[&place.generation, &place.journal, &none, &subscriptions, &TIMELINE_MAX])
                .await?;
        let positions: Vec<i64> = rows.iter().map(|r| r.get(0)).collect();
        let journal = crate::ledger::journal::of_account(&account.name);
        for event in read::at(&client, account.journal, &positions).await? {
            let said: Value =
                event.bytes.as_deref().and_then(|b| serde_json::from_slice(b).ok()).unwrap_or(Value::Null);
            moments.push(moment(&journal, &event, "call", json!({"said": said})));
        }
    }
    moments.retain(|m| before.is_none_or(|b| m.at < b));
    if moments.is_empty() && states.is_empty() {
        return Err(Problem::not_found("nothing happened to such a customer"));
    }
    moments.sort_by_key(|m| std::cmp::Reverse(m.at));
    let more = moments.len() > limit;
    moments.truncate(limit);
    let next = moments.last().filter(|_| more).map(|m| rfc3339(m.at));
    let shown: Vec<Value> = moments.into_iter().map(|m| m.shown).collect();
    Ok(HttpResponse::Ok().json(json!({"timeline": shown, "next_before": next})))
}

fn moment(journal: &str, event: &StoredEvent, kind: &str, more: Value) -> Moment {
    let mut shown = json!({
        "kind": kind,
        "event": format!("{journal}/{}", event.position),
        "type": event.event_type,
        "occurred_at": event.occurred_at.map(rfc3339),
        "recorded_at": rfc3339(event.recorded_at),
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        shown[key] = value.clone();
    }
    Moment { at: event.recorded_at, shown }
}
