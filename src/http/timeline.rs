//! `/v1/customers/{source}/{customer}/timeline`: what happened, in one line of time: events with
//! the facts they became, calls, and what admins did that concerns the customer.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Auditor;
use super::customers::{find, states};
use super::view::Places;
use super::{Problem, Shared, view};
use crate::domain::dates::rfc3339;
use crate::ledger::journal;
use crate::ledger::read::{self, StoredEvent};
use crate::postgres::query;
use crate::projections::Place;
use crate::projector::meaning;
use crate::registry::Source;
use crate::sql;

/// What admins do that concerns every customer, or those of a source.
const ACTS: [&str; 8] = [
    "config_adopted",
    "config_plan_approved",
    "rebuild_started",
    "rebuild_promoted",
    "rebuild_cancelled",
    "rebuild_rolled_back",
    "customers_joined",
    "customers_parted",
];

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<String>,
    cursor: Option<String>,
}

/// One thing that happened, not looked up yet.
struct Moment {
    at: DateTime<Utc>,
    journal: String,
    id: i32,
    position: i64,
    kind: Kind,
}

enum Kind {
    Event { status: String },
    Call,
    Act { said: Value },
}

/// Newest first by when we recorded it; a page goes on where the one before ended, whatever came
/// in between.
pub(super) async fn show(
    app: Shared,
    _: Auditor,
    path: web::Path<(String, String)>,
    page: web::Query<Page>,
) -> Result<HttpResponse, Problem> {
    let source = find(&app, &path.0)?;
    let limit = view::limit(page.limit.as_deref())?;
    let mut places: Places = view::place(page.cursor.as_deref())?;
    let client = app.projector.pool.get().await?;
    let states = states(&client, source, &path.1).await?;
    let is_first = places.is_empty();
    let system = app.projector.registry.system;
    let account = app.projector.registry.accounts.get(&source.account);
    view::start(&client, &mut places, &source.name, source.journal).await?;
    view::start(&client, &mut places, &acts_of(&source.name), source.journal).await?;
    view::start(&client, &mut places, &acts_of(journal::SYSTEM), system).await?;
    if let Some(account) = account {
        view::start(&client, &mut places, &journal::of_account(&account.name), account.journal).await?;
    }
    let about = About {
        app: &app,
        client: &client,
        customer: &path.1,
        subscriptions: states.iter().map(|s| s.subscription_id.as_str()).collect(),
        places: &places,
        limit: limit + 1,
    };
    let events = about.events(source).await?;
    if events.is_empty() && states.is_empty() && is_first {
        return Err(Problem::not_found("nothing happened to such a customer"));
    }
    let mut moments = events;
    moments.extend(about.acts(&source.name, source.journal, source).await?);
    moments.extend(about.acts(journal::SYSTEM, system, source).await?);
    moments.extend(about.calls(source).await?);
    moments.sort_by(|a, b| (b.at, &b.journal, b.position).cmp(&(a.at, &a.journal, a.position)));
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = moments.len() > room;
    moments.truncate(room);
    for moment in &moments {
        places.insert(moment.place(), moment.position);
    }
    let shown = look_up(&client, source, moments).await?;
    Ok(HttpResponse::Ok().json(json!({"timeline": shown, "next_cursor": more.then(|| view::cursor(&places))})))
}

impl Moment {
    /// Acts of admins and events of the provider are read apart, and each has its own place.
    fn place(&self) -> String {
        match self.kind {
            Kind::Act { .. } => acts_of(&self.journal),
            Kind::Event { .. } | Kind::Call => self.journal.clone(),
        }
    }
}

/// The place of a journal's acts.
fn acts_of(journal: &str) -> String {
    format!("{journal}/acts")
}

/// Whose line of time, and from where.
struct About<'a> {
    app: &'a Shared,
    client: &'a Client,
    customer: &'a str,
    subscriptions: Vec<&'a str>,
    places: &'a Places,
    limit: i64,
}

impl About<'_> {
    fn before(&self, place: &str) -> i64 {
        self.places.get(place).copied().unwrap_or(i64::MAX)
    }

    async fn events(&self, source: &Source) -> Result<Vec<Moment>, Problem> {
        let place = view::live(self.client, source.journal).await?;
        self.projected(place, &source.name, Some(self.customer)).await
    }

    async fn calls(&self, source: &Source) -> Result<Vec<Moment>, Problem> {
        let Some(account) = self.app.projector.registry.accounts.get(&source.account) else { return Ok(Vec::new()) };
        let place = view::live(self.client, account.journal).await?;
        let mut moments = self.projected(place, &journal::of_account(&account.name), None).await?;
        moments.iter_mut().for_each(|m| m.kind = Kind::Call);
        Ok(moments)
    }

    async fn projected(&self, place: Place, journal: &str, customer: Option<&str>) -> Result<Vec<Moment>, Problem> {
        let statement = sql!("projections/events/of_customer.sql");
        let before = self.before(journal);
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&place.generation, &place.journal, &customer, &self.subscriptions, &self.limit, &before];
        let moment = |row: &tokio_postgres::Row| Moment {
            position: row.get(0),
            kind: Kind::Event { status: row.get(1) },
            at: row.get(2),
            journal: journal.to_owned(),
            id: place.journal,
        };
        Ok(query(self.client, statement, &params).await?.iter().map(moment).collect())
    }

    /// Acts that concern everybody, the source, or this customer.
    async fn acts(&self, name: &str, id: i32, source: &Source) -> Result<Vec<Moment>, Problem> {
        let mut before = self.before(&acts_of(name));
        let mut moments = Vec::new();
        loop {
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&id, &before, &ACTS.as_slice(), &self.limit];
            let rows = query(self.client, sql!("schema/statements/own_before.sql"), &params).await?;
            for row in &rows {
                before = row.get(0);
                let said: Value = serde_json::from_slice(row.get(2)).unwrap_or(Value::Null);
                if self.concerns(&said, source) {
                    let (journal, position, at) = (name.to_owned(), before, row.get(1));
                    moments.push(Moment { at, journal, id, position, kind: Kind::Act { said } });
                }
            }
            let (found, read) = (moments.len(), rows.len());
            let enough = |n: usize| i64::try_from(n).is_ok_and(|n| n >= self.limit);
            if enough(found) || !enough(read) {
                return Ok(moments);
            }
        }
    }

    fn concerns(&self, said: &Value, source: &Source) -> bool {
        let names = |key: &str, own: &str| said["scope"][key].as_str().is_none_or(|named| named == own);
        let customer = said["customer_id"].as_str().is_none_or(|named| named == self.customer);
        names("source", &source.name) && names("customer", self.customer) && customer
    }
}

/// The events of one page, with what they say.
async fn look_up(client: &Client, source: &Source, moments: Vec<Moment>) -> Result<Vec<Value>, Problem> {
    let mut wanted: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for moment in &moments {
        wanted.entry(moment.id).or_default().push(moment.position);
    }
    let mut events: BTreeMap<(i32, i64), StoredEvent> = BTreeMap::new();
    for (id, positions) in wanted {
        events.extend(read::at(client, id, &positions).await?.into_iter().map(|e| ((id, e.position), e)));
    }
    let shown = moments.into_iter().filter_map(|m| events.get(&(m.id, m.position)).map(|e| shown(source, m, e)));
    Ok(shown.collect())
}

fn shown(source: &Source, moment: Moment, event: &StoredEvent) -> Value {
    let mut shown = json!({
        "event": format!("{}/{}", moment.journal, event.position),
        "type": event.event_type,
        "occurred_at": event.occurred_at.map(rfc3339),
        "recorded_at": rfc3339(event.recorded_at),
    });
    match moment.kind {
        Kind::Event { status } => {
            let facts = meaning::of(source, event).translation.facts;
            shown["kind"] = json!("event");
            shown["status"] = json!(status);
            shown["facts"] = facts.iter().map(|f| json!({"entity": f.entity.key(), "said": f.body})).collect();
        }
        Kind::Call => {
            shown["kind"] = json!("call");
            shown["said"] = event.bytes.as_deref().and_then(|b| serde_json::from_slice(b).ok()).unwrap_or(Value::Null);
        }
        Kind::Act { said } => {
            shown["kind"] = json!("admin");
            shown["who"] = said["who"].clone();
            shown["reason"] = said["reason"].clone();
            shown["said"] = said;
        }
    }
    shown
}
