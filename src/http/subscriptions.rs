//! `/v1/subscriptions`: a subscription now, as of an instant, or as it was known then.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Auditor;
use super::known::{Known, vector_of};
use super::{Problem, Shared, view};
use crate::domain::chains;
use crate::domain::fact::{Entity, EntityKind};
use crate::domain::license::LicenseRecord;
use crate::domain::rules::Rules;
use crate::domain::state::{State, fold};
use crate::ledger::rules;
use crate::projections::{Place, generations, licenses, links, subscriptions};
use crate::projector::{books, database_now, gather};
use crate::registry::Source;

const STATUSES: [&str; 8] = ["incomplete", "trialing", "active", "past_due", "unpaid", "paused", "canceled", "unknown"];

#[derive(Deserialize)]
pub(super) struct Filter {
    status: Option<String>,
    source: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// A page of subscriptions, by source and id.
pub(super) async fn list(app: Shared, _: Auditor, filter: web::Query<Filter>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(filter.limit.as_deref())?;
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    let (from_source, after) = match view::present(filter.cursor.as_deref()) {
        Some(cursor) => cursor.split_once('/').ok_or_else(|| Problem::field("cursor", "is not one of ours"))?,
        None => ("", ""),
    };
    if let Some(name) = view::present(filter.source.as_deref()) {
        view::source(&app, name)?;
    }
    let status = view::one_of("status", filter.status.as_deref(), &STATUSES)?;
    let client = app.projector.pool.get().await?;
    let wanted = view::present(filter.source.as_deref());
    let sources = app.projector.registry.sources.values();
    let mut found: Vec<Value> = Vec::new();
    for source in sources.filter(|s| wanted.is_none_or(|w| s.name == w) && s.name.as_str() >= from_source) {
        let after = if source.name == from_source { after } else { "" };
        found.extend(page(&client, &app, source, after, limit + 1, status).await?);
        if found.len() > room {
            break;
        }
    }
    let more = found.len() > room;
    found.truncate(room);
    let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    let next = found.last().filter(|_| more).map(|v| format!("{}/{}", text(v, "source"), text(v, "subscription_id")));
    Ok(HttpResponse::Ok().json(json!({"subscriptions": found, "next_cursor": next})))
}

/// Subscriptions of one source, each as it is shown alone.
async fn page(
    client: &Client,
    app: &Shared,
    source: &Source,
    after: &str,
    limit: i64,
    status: Option<&str>,
) -> Result<Vec<Value>, Problem> {
    let place = view::live(client, source.journal).await?;
    let listed = subscriptions::listed(client, place, after, limit, status).await?;
    let (account, held) = match app.projector.registry.accounts.get(&source.account) {
        Some(account) => {
            let account = view::live(client, account.journal).await?;
            let position = generations::position(client, account).await?;
            let states = listed.iter().map(|(state, _)| state);
            (Some(position), licenses::of_states(client, account, &source.name, states).await?)
        }
        None => (None, vec![Vec::new(); listed.len()]),
    };
    let adopted = rules::adopted(client, app.projector.registry.system).await?;
    let position = generations::position(client, place).await?;
    let known_at = vector_of(source, position, &adopted, account);
    let asked = view::Asked { as_of: None, at: database_now(client).await?, known_at };
    let show = |((state, unmapped), held): (&(State, bool), &Vec<LicenseRecord>)| {
        let mut shown = view::subscription(source, state, &adopted.rules, held, &asked);
        shown["unmapped"] = json!(unmapped);
        shown
    };
    Ok(listed.iter().zip(&held).map(show).collect())
}

#[derive(Deserialize)]
pub(super) struct When {
    as_of: Option<String>,
    at: Option<String>,
    known_at: Option<String>,
    rules: Option<String>,
}

/// One subscription. `as_of` filters facts by the provider's clock, `known_at` events by ours,
/// `at` (default `as_of`, else now) is the instant that dates are judged at.
pub(super) async fn one(
    app: Shared,
    _: Auditor,
    path: web::Path<(String, String)>,
    when: web::Query<When>,
) -> Result<HttpResponse, Problem> {
    let (source, id) = path.into_inner();
    let source =
        app.projector.registry.sources.get(&source).ok_or_else(|| Problem::not_found("there is no such source"))?;
    let client = app.projector.pool.get().await?;
    let as_of = view::instant("as_of", when.as_of.as_deref())?;
    let at = match view::instant("at", when.at.as_deref())?.or(as_of) {
        Some(at) => at,
        None => database_now(&client).await?,
    };
    let mut known = Known::find(&client, &app, source, when.known_at.as_deref()).await?;
    match view::present(when.rules.as_deref()) {
        None => {}
        Some("now") => known.adopted = rules::adopted(&client, app.projector.registry.system).await?,
        Some(_) => return Err(Problem::field("rules", "must be now, or absent")),
    }
    let rules = &known.adopted.rules;
    let state = state(&client, source, &id, as_of, known.position, rules).await?;
    let state = state.ok_or_else(|| Problem::not_found("no event speaks of this subscription"))?;
    let (held, known_at) = known.licenses(&client, &app, source, &state).await?;
    let asked = view::Asked { as_of, at, known_at };
    Ok(HttpResponse::Ok().json(view::subscription(source, &state, rules, &held, &asked)))
}

/// The state, folded from the bytes of the events that count.
pub(super) async fn state(
    client: &Client,
    source: &Source,
    id: &str,
    as_of: Option<DateTime<Utc>>,
    up_to: i64,
    rules: &Rules,
) -> Result<Option<State>, Problem> {
    let place = view::live(client, source.journal).await?;
    let books = books_of(client, place, id).await?;
    for book in &books {
        let key = books::key(book);
        let Some(gathered) = gathered(client, place, source, &key, as_of, up_to).await? else { continue };
        let chains = chains::split(&fold(book, gathered.facts, gathered.links), &source.name, rules);
        if let Some(chain) = chains.into_iter().find(|chain| chain.is_called(id)) {
            return Ok(Some(chain));
        }
    }
    if !books.is_empty() {
        return Ok(None);
    }
    let key = Entity::subscription(id).key();
    let Some(gathered) = gathered(client, place, source, &key, as_of, up_to).await? else { return Ok(None) };
    // What is said of its buyer alone says nothing of it; a payment may come first.
    let speaks = gathered.facts.iter().any(|r| r.fact.entity.kind != EntityKind::Customer);
    Ok(speaks.then(|| fold(id, gathered.facts, gathered.links)))
}

/// The books that a subscription may be a part of: its own, and those of the record of that id.
async fn books_of(client: &Client, place: Place, id: &str) -> Result<Vec<String>, Problem> {
    let mut found: Vec<String> = subscriptions::book_of(client, place, id).await?.into_iter().collect();
    let row = Entity::new(EntityKind::Row, id).key();
    for (_, parent) in links::up(client, place, &[&row]).await? {
        found.extend(parent.strip_prefix("book:").map(ToOwned::to_owned).filter(|book| !found.contains(book)));
    }
    Ok(found)
}

/// Everything that speaks of one thing, as far as it is asked for.
async fn gathered(
    client: &Client,
    place: Place,
    source: &Source,
    key: &str,
    as_of: Option<DateTime<Utc>>,
    up_to: i64,
) -> Result<Option<gather::Gathered>, Problem> {
    let keys = [key.to_owned()];
    let mut gathered = gather::facts(client, place, source, &keys, &HashMap::new(), up_to).await?.remove(key);
    if let (Some(gathered), Some(as_of)) = (&mut gathered, as_of) {
        gathered.facts.retain(|r| r.fact.key.at <= as_of);
    }
    Ok(gathered)
}
