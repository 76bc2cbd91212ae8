//! `/v1/admin/overrides`: comp, revoke and extend; they outrank providers until withdrawn.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, NaiveDate, Utc};
use deadpool_postgres::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::act::{Body, Reason};
use super::auth::Admin;
use super::{Problem, Shared, act, view};
use crate::domain::dates::{midnight, rfc3339};
use crate::domain::hash;
use crate::domain::overrides::{GRANTED, KEY_PREFIX, OverrideEvent, OverrideKind, WITHDRAWN};
use crate::domain::state::State;
use crate::ledger::append::{NewDelivery, append};
use crate::ledger::{read, rules};
use crate::postgres::DbError;
use crate::projections::overrides::{self, OverrideRow};
use crate::projections::{licenses, subscriptions};
use crate::registry::Source;

/// Characters of an id: 96 bits.
const ID_CHARS: usize = 24;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Grant {
    source: Option<String>,
    #[serde(alias = "subscription")]
    subscription_id: Option<String>,
    kind: Option<OverrideKind>,
    #[serde(alias = "valid_until")]
    until: Option<String>,
    product_code: Option<String>,
    #[serde(default)]
    reason: String,
}

/// Grants one: who, what, why.
pub(super) async fn grant(
    app: Shared,
    admin: Admin,
    request: HttpRequest,
    Body(asked): Body<Grant>,
) -> Result<HttpResponse, Problem> {
    let reason = act::reason(&asked.reason)?;
    let kind = asked.kind.ok_or_else(|| Problem::field("kind", "must be comp, revoke or extend"))?;
    let until = until(asked.until.as_deref())?;
    if until.is_none() && kind != OverrideKind::Revoke {
        return Err(Problem::field("until", "say until when: a date or an instant"));
    }
    let source = view::source(&app, asked.source.as_deref().unwrap_or_default())?;
    let subscription_id = asked.subscription_id.unwrap_or_default();
    let client = app.projector.pool.get().await?;
    let place = view::live(&client, source.journal).await?;
    let held = subscriptions::load(&client, place, std::slice::from_ref(&subscription_id)).await?;
    let held = held.into_iter().next().ok_or_else(|| Problem::not_found("no event speaks of this subscription"))?;
    let product_code = view::present(asked.product_code.as_deref());
    if let Some(code) = product_code {
        let known = product_codes(&app, &client, source, &held.state).await?;
        if !known.contains(code) {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            let has = if known.is_empty() { "nothing that is mapped" } else { &known };
            return Err(Problem::field("product_code", format!("the subscription has no such product; it has {has}")));
        }
    }
    let book = subscriptions::book_of(&client, place, &subscription_id).await?;
    let key = act::key(&request, "grant");
    let event = OverrideEvent {
        // The same key again is the same override.
        id: hash::of_bytes(format!("{}:{key}", source.name).as_bytes())[..ID_CHARS].to_owned(),
        subscription_id,
        book,
        kind,
        product_code: product_code.map(ToOwned::to_owned),
        until,
        withdrawn: false,
        at: Utc::now(),
        who: admin.0.name.clone(),
        reason: reason.to_owned(),
    };
    say(&app, &client, source, GRANTED, &event).await?;
    let row = find(&app, &client, &event.id).await?;
    let (source, row) = row.ok_or_else(|| DbError::Corrupt("an override that was granted is not there".to_owned()))?;
    Ok(HttpResponse::Created().json(show(&client, source, &row).await?))
}

/// The product codes that a subscription's items are mapped to, and its licenses are for.
async fn product_codes(
    app: &Shared,
    client: &Client,
    source: &Source,
    state: &State,
) -> Result<BTreeSet<String>, Problem> {
    let adopted = rules::adopted(client, app.projector.registry.system).await?;
    let items = state.snapshot.iter().flat_map(|said| &said.value.items);
    let mapped = items.filter_map(|item| adopted.rules.map(&source.name, &item.product)).map(|m| m.product_code);
    let mut codes: BTreeSet<String> = mapped.collect();
    if let Some(account) = app.projector.registry.accounts.get(&source.account) {
        let place = view::live(client, account.journal).await?;
        let licenses = licenses::of_state(client, place, &source.name, state).await?;
        codes.extend(licenses.into_iter().map(|record| record.line.product_code));
    }
    Ok(codes)
}

fn until(asked: Option<&str>) -> Result<Option<DateTime<Utc>>, Problem> {
    match view::present(asked) {
        Some(text) if let Ok(date) = text.parse::<NaiveDate>() => Ok(Some(midnight(date))),
        text => view::instant("until", text),
    }
}

async fn say(
    app: &Shared,
    client: &Client,
    source: &Source,
    event_type: &str,
    event: &OverrideEvent,
) -> Result<(), Problem> {
    let key = format!("{KEY_PREFIX}{}:{event_type}", event.id);
    let body = serde_json::to_value(event).map_err(|e| DbError::Corrupt(e.to_string()))?;
    append(client, source.journal, None, &[NewDelivery::own(event_type, &key, &body, event.at)]).await?;
    let place = view::live(client, source.journal).await?;
    app.projector.drain(place).await?;
    app.projector.saved.notify_waiters();
    Ok(())
}

async fn find<'a>(app: &'a Shared, client: &Client, id: &str) -> Result<Option<(&'a Source, OverrideRow)>, Problem> {
    for source in app.projector.registry.sources.values() {
        let place = view::live(client, source.journal).await?;
        if let Some(row) = overrides::list(client, place, Some(id)).await?.into_iter().next() {
            return Ok(Some((source, row)));
        }
    }
    Ok(None)
}

/// Withdraws one: its provider's word counts again.
pub(super) async fn withdraw(
    app: Shared,
    admin: Admin,
    id: web::Path<String>,
    query: web::Query<Reason>,
    Body(asked): Body<Reason>,
) -> Result<HttpResponse, Problem> {
    let reason = act::reason_in(&asked, &query)?;
    let client = app.projector.pool.get().await?;
    let found = find(&app, &client, &id).await?;
    let (source, row) = found.ok_or_else(|| Problem::not_found("there is no such override"))?;
    if let Some(granted) = said(&client, source, row.granted).await? {
        let event = OverrideEvent {
            withdrawn: true,
            at: Utc::now(),
            who: admin.0.name.clone(),
            reason: reason.to_owned(),
            ..granted
        };
        say(&app, &client, source, WITHDRAWN, &event).await?;
    }
    let found = find(&app, &client, &id).await?;
    let (source, row) = found.ok_or_else(|| Problem::not_found("there is no such override"))?;
    Ok(HttpResponse::Ok().json(show(&client, source, &row).await?))
}

/// Every override, withdrawn ones too.
pub(super) async fn list(app: Shared, _: Admin) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let mut shown = Vec::new();
    for source in app.projector.registry.sources.values() {
        let place = view::live(&client, source.journal).await?;
        for row in overrides::list(&client, place, None).await? {
            shown.push(show(&client, source, &row).await?);
        }
    }
    Ok(HttpResponse::Ok().json(json!({"overrides": shown})))
}

async fn said(client: &Client, source: &Source, at: Option<i64>) -> Result<Option<OverrideEvent>, Problem> {
    let Some(position) = at else { return Ok(None) };
    let event = read::at(client, source.journal, &[position]).await?.into_iter().next();
    Ok(event.and_then(|e| e.bytes).and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

async fn show(client: &Client, source: &Source, row: &OverrideRow) -> Result<Value, Problem> {
    let event = |at: Option<i64>| at.map(|at| format!("{}/{at}", source.name));
    let granted = said(client, source, row.granted).await?;
    let withdrawn = said(client, source, row.withdrawn).await?;
    let until = granted.as_ref().and_then(|g| g.until);
    let state = match (&withdrawn, until) {
        (Some(_), _) => "withdrawn",
        (None, Some(until)) if until <= Utc::now() => "over",
        (None, _) => "standing",
    };
    Ok(json!({
        "id": row.id,
        "source": source.name,
        "subscription_id": row.subscription_id,
        "kind": granted.as_ref().map(|g| g.kind),
        "product_code": granted.as_ref().and_then(|g| g.product_code.clone()),
        "until": until.map(rfc3339),
        "state": state,
        "who": granted.as_ref().map(|g| g.who.clone()),
        "reason": granted.as_ref().map(|g| g.reason.clone()),
        "granted_at": granted.as_ref().map(|g| rfc3339(g.at)),
        "event": event(row.granted),
        "withdrawn": withdrawn.map(|w| json!({"who": w.who, "reason": w.reason, "at": rfc3339(w.at), "event": event(row.withdrawn)})),
    }))
}
