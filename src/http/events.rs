//! `/v1/events`: the log as it can be asked.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::auth::Auditor;
use super::view::Places;
use super::{Problem, Shared, evidence, journals, view};
use crate::domain::dates::rfc3339;
use crate::domain::fact::{Entity, EntityKind};
use crate::ledger::journal::{self, Journal, JournalKind};
use crate::ledger::read::{self, StoredEvent};
use crate::postgres::{query, query_opt};
use crate::projections::events;
use crate::projector::meaning;
use crate::sql;

/// Content types a body is given back under; anything else is a download of bytes.
const CONTENT_TYPES: [&str; 4] = ["application/json", "text/xml", "application/xml", "text/plain"];

/// Not read yet.
const PENDING: &str = "pending";
/// What an event can have come to.
const STATUSES: [&str; 8] =
    ["applied", "recorded", "unmapped", "unlinked", "unknown_type", "unreadable", "quarantined", PENDING];

#[derive(Deserialize)]
pub(super) struct Filter {
    source: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    customer: Option<String>,
    subscription: Option<String>,
    status: Option<String>,
    received_after: Option<String>,
    received_before: Option<String>,
    occurred_after: Option<String>,
    occurred_before: Option<String>,
    order: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// One row of a list, with what it is merged by.
struct Listed {
    journal: String,
    position: i64,
    recorded_at: DateTime<Utc>,
    shown: Value,
}

/// A page of events of one source, or of all journals, newest first unless `order=asc`.
pub(super) async fn list(app: Shared, _: Auditor, filter: web::Query<Filter>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(filter.limit.as_deref())?;
    let ascending = match view::present(filter.order.as_deref()) {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => return Err(Problem::field("order", "must be asc or desc")),
    };
    if let Some(status) = view::present(filter.status.as_deref())
        && !STATUSES.contains(&status)
    {
        return Err(Problem::field("status", format!("must be one of {}", STATUSES.join(", "))));
    }
    let mut cursor = view::place::<Places>(filter.cursor.as_deref())?;
    let client = app.projector.pool.get().await?;
    let mut journals: Vec<Journal> = journal::all(&client).await?.into_values().collect();
    let mut filter = filter.into_inner();
    if let Some(home) = home(&client, &journals, filter.subscription.as_deref()).await? {
        filter.subscription = Some(home);
    }
    if let Some(name) = view::present(filter.source.as_deref()) {
        journals.retain(|j| j.name == name);
        if journals.is_empty() {
            return Err(Problem::field("source", "there is no such source"));
        }
    }
    let mut listed = Vec::new();
    for journal in &journals {
        listed.extend(page(&client, journal, &filter, ascending, &mut cursor, limit).await?);
    }
    let key = |l: &Listed| (l.recorded_at, l.journal.clone(), l.position);
    listed.sort_by(|a, b| if ascending { key(a).cmp(&key(b)) } else { key(b).cmp(&key(a)) });
    let more = listed.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    for event in &listed {
        cursor.insert(event.journal.clone(), event.position);
    }
    let events: Vec<Value> = listed.into_iter().map(|l| l.shown).collect();
    Ok(HttpResponse::Ok().json(json!({"events": events, "next_cursor": more.then(|| view::cursor(&cursor))})))
}

/// A record that is a part of another one's subscription leads there, as everywhere.
async fn home(
    client: &deadpool_postgres::Client,
    journals: &[Journal],
    subscription: Option<&str>,
) -> Result<Option<String>, Problem> {
    let Some(id) = view::present(subscription) else { return Ok(None) };
    let record = Entity::new(EntityKind::Row, id).key();
    for journal in journals.iter().filter(|journal| journal.kind == JournalKind::Source) {
        let place = view::live(client, journal.id).await?;
        if let Some(home) = events::subscription_of(client, place, &record).await? {
            return Ok(Some(home));
        }
    }
    Ok(None)
}

/// One more than a page of a journal, from where the cursor left it.
async fn page(
    client: &deadpool_postgres::Client,
    journal: &Journal,
    filter: &Filter,
    ascending: bool,
    cursor: &mut Places,
    limit: i64,
) -> Result<Vec<Listed>, Problem> {
    let place = view::live(client, journal.id).await?;
    let start = match cursor.get(&journal.name) {
        Some(position) => *position,
        None if ascending => 0,
        // The first page fixes where "newest" was.
        None => journal::tail(client, journal.id).await? + 1,
    };
    cursor.insert(journal.name.clone(), start);
    let [kind, customer, subscription, status] =
        [&filter.event_type, &filter.customer, &filter.subscription, &filter.status]
            .map(|text| view::present(text.as_deref()));
    let received_after = view::instant("received_after", filter.received_after.as_deref())?;
    let received_before = view::instant("received_before", filter.received_before.as_deref())?;
    let occurred_after = view::instant("occurred_after", filter.occurred_after.as_deref())?;
    let occurred_before = view::instant("occurred_before", filter.occurred_before.as_deref())?;
    let at: [&(dyn ToSql + Sync); 5] = [&place.generation, &journal.id, &start, &(limit + 1), &kind];
    let when: [&(dyn ToSql + Sync); 4] = [&received_after, &received_before, &occurred_after, &occurred_before];
    let is_pending = status == Some(PENDING);
    let rows = if customer.is_none() && subscription.is_none() && (status.is_none() || is_pending) {
        let statement =
            if ascending { sql!("projections/events/list_asc.sql") } else { sql!("projections/events/list_desc.sql") };
        query(client, statement, &[&at[..], &[&is_pending], &when].concat()).await?
    } else {
        // Asked by what became of them, few of many are found without a look at the others.
        let statement = if ascending {
            sql!("projections/events/list_of_asc.sql")
        } else {
            sql!("projections/events/list_of_desc.sql")
        };
        query(client, statement, &[&at[..], &[&customer, &subscription, &status], &when].concat()).await?
    };
    Ok(rows.iter().map(|row| listed(journal, row)).collect())
}

fn listed(journal: &Journal, row: &Row) -> Listed {
    let position: i64 = row.get("position");
    let instant = |name: &str| row.get::<_, Option<DateTime<Utc>>>(name).map(rfc3339);
    let status: String = row.get("status");
    let own = journal.kind != JournalKind::Source;
    let shown = json!({
        "event": format!("{}/{position}", journal.name),
        "journal": journal.name,
        "position": position,
        "source": (!own).then_some(&journal.name),
        "external_id": row.get::<_, String>("external_id"),
        "type": row.get::<_, String>("type"),
        "occurred_at": instant("occurred_at"),
        "received_at": instant("received_at"),
        "mode": mode(row.get("livemode")),
        "customer_id": row.get::<_, Option<String>>("customer_id"),
        "subscription_id": row.get::<_, Option<String>>("subscription_id"),
        "status": if own && status == PENDING { "recorded".to_owned() } else { status },
        "error": row.get::<_, Option<String>>("error"),
    });
    Listed { journal: journal.name.clone(), position, recorded_at: row.get("recorded_at"), shown }
}

fn mode(livemode: Option<bool>) -> Option<&'static str> {
    livemode.map(|live| if live { "live" } else { "test" })
}

/// The event at a path, with its journal.
async fn find(client: &deadpool_postgres::Client, path: &(String, i64)) -> Result<(Journal, StoredEvent), Problem> {
    let journal = journals::by_name(client, &path.0).await?;
    let event = read::at(client, journal.id, &[path.1]).await?.into_iter().next();
    Ok((journal, event.ok_or_else(|| Problem::not_found("the journal has no such position"))?))
}

/// One event: envelope, headers, signature verdict, facts, entities, duplicates seen, calls caused.
pub(super) async fn one(app: Shared, _: Auditor, path: web::Path<(String, i64)>) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let (journal, event) = find(&client, &path).await?;
    let place = view::live(&client, journal.id).await?;
    let row =
        query_opt(&client, sql!("projections/events/one.sql"), &[&place.generation, &journal.id, &event.position])
            .await?;
    let copies =
        query_opt(&client, sql!("schema/statements/duplicates_of.sql"), &[&journal.id, &event.position]).await?;
    let own = journal.kind != JournalKind::Source;
    let pending = if own { "recorded" } else { PENDING };
    let text = |name: &str| row.as_ref().and_then(|r| r.get::<_, Option<String>>(name));
    let count = |name: &str| copies.as_ref().map_or(0, |r| r.get::<_, i64>(name));
    let (facts, entities) = meaning_of(&app, &journal, &event);
    let name = format!("{}/{}", journal.name, event.position);
    let cuts = read::cuts(&client, journal.id, event.carrier).await?;
    let (mut signature, mut calls) = (Value::Null, Vec::new());
    if let Some(source) = app.projector.registry.source_of(journal.id) {
        if !event.own {
            signature = evidence::signature(&client, source, &event, !cuts.is_empty()).await?;
        }
        if let Some(subscription) = text("subscription_id") {
            calls = evidence::calls(&client, &app, source, &subscription, &name).await?;
        }
    }
    Ok(HttpResponse::Ok().json(json!({
        "event": name,
        "journal": journal.name,
        "position": event.position,
        "source": (!own).then_some(&journal.name),
        "external_id": event.external_id,
        "dedupe_key": event.dedupe_key,
        "type": event.event_type,
        "occurred_at": event.occurred_at.map(rfc3339),
        "received_at": rfc3339(event.received_at),
        "recorded_at": rfc3339(event.recorded_at),
        "mode": mode(event.livemode),
        "customer_id": text("customer_id"),
        "subscription_id": text("subscription_id"),
        "status": text("status").unwrap_or_else(|| pending.to_owned()),
        "error": text("error"),
        "delivery": {"carrier": event.carrier, "part": event.part, "cuts": cuts},
        "headers": event.headers.into_iter().collect::<BTreeMap<_, _>>(),
        "signature": signature,
        "facts": facts,
        "entities": entities,
        "duplicates": count("copies"),
        "variants": count("variants"),
        "calls": calls,
    })))
}

fn meaning_of(app: &Shared, journal: &Journal, event: &StoredEvent) -> (Value, Value) {
    match app.projector.registry.source_of(journal.id) {
        Some(source) if !event.own => {
            let meaning = meaning::of(source, event);
            let entities: std::collections::BTreeSet<String> =
                meaning.translation.facts.iter().map(|f| f.entity.key()).collect();
            (json!(meaning.translation.facts), json!(entities))
        }
        _ => (event.bytes.as_deref().and_then(|b| serde_json::from_slice(b).ok()).unwrap_or(Value::Null), json!([])),
    }
}

#[derive(Deserialize)]
pub(super) struct Part {
    part: Option<String>,
}

/// The exact bytes of the delivery, or with `?part=event` of the event, as an attachment.
pub(super) async fn body(
    app: Shared,
    _: Auditor,
    path: web::Path<(String, i64)>,
    part: web::Query<Part>,
) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let (journal, event) = find(&client, &path).await?;
    let content_type = content_type(&event);
    let bytes = match view::present(part.part.as_deref()) {
        None | Some("delivery") => read::body(&client, journal.id, event.carrier).await?,
        Some("event") => event.bytes,
        Some(_) => return Err(Problem::field("part", "must be delivery or event")),
    };
    let bytes =
        bytes.ok_or_else(|| Problem::new(actix_web::http::StatusCode::GONE, "Gone", "the bytes were erased"))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}-{}\"", journal.name, event.position),
        ))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"))
        .body(bytes))
}

fn content_type(event: &StoredEvent) -> &'static str {
    let sent = event.headers.iter().find(|(n, _)| n == "content-type").map(|(_, v)| v.as_str()).unwrap_or_default();
    let plain = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    CONTENT_TYPES.into_iter().find(|t| *t == plain).unwrap_or("application/octet-stream")
}
