//! `/v1/customers`: who they are and what they have.

use actix_web::{HttpResponse, web};
use deadpool_postgres::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;

use super::auth::Auditor;
use super::{Problem, Shared, joins, view};
use crate::domain::fact::searched;
use crate::domain::joins::CustomerRef;
use crate::domain::state::State;
use crate::ledger::rules;
use crate::postgres::query;
use crate::projector::database_now;
use crate::registry::Source;
use crate::sql;

/// Subscriptions of one customer that are shown.
const SUBSCRIPTIONS_MAX: i64 = 200;

#[derive(Deserialize)]
pub(super) struct Filter {
    query: Option<String>,
    source: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// Customers whose id begins with the query, who have a subscription of that name, or of whom it is
/// part of the e-mail address, the name or the company.
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
    let lower = text.map(searched);
    let client = app.projector.pool.get().await?;
    let mut found: Vec<Value> = Vec::new();
    let sources = app.projector.registry.sources.values();
    for source in sources.filter(|s| wanted.is_none_or(|w| s.name == w) && s.name.as_str() >= from_source) {
        let place = view::live(&client, source.journal).await?;
        let after = if source.name == from_source { after } else { "" };
        let statement = sql!("projections/subscriptions/customers.sql");
        let params: [&(dyn ToSql + Sync); 6] = [&place.generation, &place.journal, &after, &(limit + 1), &text, &lower];
        let rows = query(&client, statement, &params).await?;
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
pub(super) async fn states(client: &Client, source: &Source, customer: &str) -> Result<Vec<State>, Problem> {
    let place = view::live(client, source.journal).await?;
    let statement = sql!("projections/subscriptions/of_customer.sql");
    let rows = query(client, statement, &[&place.generation, &place.journal, &customer, &SUBSCRIPTIONS_MAX]).await?;
    let states = rows.iter().map(|row| serde_json::from_str::<State>(row.get("state")));
    states
        .collect::<Result<_, _>>()
        .map_err(|_| Problem::unavailable("the projections are being rebuilt for this version"))
}

/// A source of the path.
pub(super) fn find<'a>(app: &'a Shared, name: &str) -> Result<&'a Source, Problem> {
    app.projector.registry.sources.get(name).ok_or_else(|| Problem::not_found("there is no such source"))
}

/// One customer: what is known of the buyer, subscriptions, licenses; and those of everybody who
/// was said to be the same.
pub(super) async fn one(app: Shared, _: Auditor, path: web::Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let source = find(&app, &path.0)?;
    let client = app.projector.pool.get().await?;
    let mut states: Vec<(&Source, State)> = Vec::new();
    let asked = CustomerRef { source: source.name.clone(), customer_id: path.1.clone() };
    let joined = joins::others(&app, &client, &asked, i64::MAX).await?;
    for customer in [&asked].into_iter().chain(&joined) {
        // A source that is not configured here cannot be read here.
        let Some(source) = app.projector.registry.sources.get(&customer.source) else { continue };
        states.extend(self::states(&client, source, &customer.customer_id).await?.into_iter().map(|s| (source, s)));
    }
    if states.is_empty() {
        return Err(Problem::not_found("no subscription of this source names this customer"));
    }
    let adopted = rules::adopted(&client, app.projector.registry.system).await?;
    let now = view::Asked { at: database_now(&client).await?, ..view::Asked::default() };
    let (mut subscriptions, mut licenses) = (Vec::new(), Vec::new());
    for (source, state) in &states {
        let held = view::records(&client, &app, source, state).await?;
        subscriptions.push(view::subscription(source, state, &adopted.rules, &held, &now));
        licenses.extend(held.iter().map(view::license));
    }
    let buyer = states.iter().map(|(_, s)| s.customer()).find(|c| c.email.is_some()).unwrap_or_default();
    Ok(HttpResponse::Ok().json(json!({
        "source": source.name,
        "customer_id": path.1,
        "customer": buyer,
        "joined_with": joined,
        "subscriptions": subscriptions,
        "licenses": licenses,
    })))
}
