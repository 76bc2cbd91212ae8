//! `/v1/customers/{source}/{customer}/timeline`: what happened, in one line of time: events with
//! the facts they became, calls, and what admins did that concerns the customer. Customers of other
//! sources who were said to be the same are in it, too.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Auditor;
use super::customers::{find, states};
use super::view::Places;
use super::{Problem, Shared, joins, view};
use crate::domain::dates::rfc3339;
use crate::domain::joins::CustomerRef;
use crate::ledger::journal;
use crate::ledger::read::{self, StoredEvent};
use crate::postgres::query;
use crate::projections::Place;
use crate::projector::meaning;
use crate::registry::{Registry, Source};
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

/// Where the joins stood when the first page was read: those of later concern the next reader.
const JOINS: &str = "system/joins";

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
    let registry = &app.projector.registry;
    let is_first = places.is_empty();
    let joined_before = view::start(&client, &mut places, JOINS, registry.system).await?;
    let asked = CustomerRef { source: source.name.clone(), customer_id: path.1.clone() };
    let joined = joins::others(&app, &client, &asked, joined_before).await?;
    let mut persons: BTreeMap<&str, Person<'_>> = BTreeMap::new();
    for customer in [&asked].into_iter().chain(&joined) {
        // A source that is not configured here cannot be read here.
        let Some(source) = registry.sources.get(&customer.source) else { continue };
        let subscriptions = states(&client, source, &customer.customer_id).await?;
        let person = persons.entry(&source.name).or_insert_with(|| Person::of(source));
        person.customers.push(&customer.customer_id);
        person.subscriptions.extend(subscriptions.into_iter().map(|s| s.subscription_id));
    }
    view::start(&client, &mut places, &acts_of(journal::SYSTEM), registry.system).await?;
    for Person { source, .. } in persons.values() {
        view::start(&client, &mut places, &source.name, source.journal).await?;
        view::start(&client, &mut places, &acts_of(&source.name), source.journal).await?;
        if let Some(account) = registry.accounts.get(&source.account) {
            view::start(&client, &mut places, &journal::of_account(&account.name), account.journal).await?;
        }
    }
    let about = About { client: &client, persons: persons.values().collect(), places: &places, limit: limit + 1 };
    let mut moments = about.events().await?;
    if moments.is_empty() && is_first && persons.values().all(|person| person.subscriptions.is_empty()) {
        return Err(Problem::not_found("nothing happened to such a customer"));
    }
    moments.extend(about.acts(journal::SYSTEM, registry.system, &about.persons).await?);
    for person in &about.persons {
        moments.extend(about.acts(&person.source.name, person.source.journal, &[*person]).await?);
    }
    moments.extend(about.calls(registry).await?);
    moments.sort_by(|a, b| (b.at, &b.journal, b.position).cmp(&(a.at, &a.journal, a.position)));
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = moments.len() > room;
    moments.truncate(room);
    for moment in &moments {
        places.insert(moment.place(), moment.position);
    }
    let shown = look_up(&client, registry, moments).await?;
    let next = more.then(|| view::cursor(&places));
    Ok(HttpResponse::Ok().json(json!({"timeline": shown, "joined_with": joined, "next_cursor": next})))
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

/// Somebody, as one source knows them: perhaps as several customers.
struct Person<'a> {
    source: &'a Source,
    customers: Vec<&'a str>,
    subscriptions: Vec<String>,
}

impl<'a> Person<'a> {
    fn of(source: &'a Source) -> Self {
        Self { source, customers: Vec::new(), subscriptions: Vec::new() }
    }

    fn is_concerned(&self, said: &Value) -> bool {
        let is_source = said["scope"]["source"].as_str().is_none_or(|named| named == self.source.name);
        let mut named = [&said["scope"]["customer"], &said["customer_id"]].into_iter().filter_map(Value::as_str);
        is_source && named.all(|named| self.customers.contains(&named))
    }
}

/// Whose line of time, and from where.
struct About<'a> {
    client: &'a Client,
    /// One a source.
    persons: Vec<&'a Person<'a>>,
    places: &'a Places,
    limit: i64,
}

impl About<'_> {
    fn before(&self, place: &str) -> i64 {
        self.places.get(place).copied().unwrap_or(i64::MAX)
    }

    async fn events(&self) -> Result<Vec<Moment>, Problem> {
        let mut moments = Vec::new();
        for Person { source, customers, subscriptions } in &self.persons {
            let place = view::live(self.client, source.journal).await?;
            moments.extend(self.projected(place, &source.name, customers, subscriptions).await?);
        }
        Ok(moments)
    }

    /// Each account is read once, however many of the sources it serves.
    async fn calls(&self, registry: &Registry) -> Result<Vec<Moment>, Problem> {
        let mut by_account: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for person in &self.persons {
            by_account.entry(&person.source.account).or_default().extend(person.subscriptions.iter().cloned());
        }
        let mut moments = Vec::new();
        for (account, subscriptions) in by_account {
            let Some(account) = registry.accounts.get(account) else { continue };
            let place = view::live(self.client, account.journal).await?;
            let name = journal::of_account(&account.name);
            moments.extend(self.projected(place, &name, &[], &subscriptions).await?);
        }
        moments.iter_mut().for_each(|m| m.kind = Kind::Call);
        Ok(moments)
    }

    async fn projected(
        &self,
        place: Place,
        journal: &str,
        customers: &[&str],
        subscriptions: &[String],
    ) -> Result<Vec<Moment>, Problem> {
        let statement = sql!("projections/events/of_customer.sql");
        let before = self.before(journal);
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&place.generation, &place.journal, &customers, &subscriptions, &self.limit, &before];
        let moment = |row: &tokio_postgres::Row| Moment {
            position: row.get(0),
            kind: Kind::Event { status: row.get(1) },
            at: row.get(2),
            journal: journal.to_owned(),
            id: place.journal,
        };
        Ok(query(self.client, statement, &params).await?.iter().map(moment).collect())
    }

    /// Acts that concern everybody, a source, or one of these.
    async fn acts(&self, name: &str, id: i32, persons: &[&Person<'_>]) -> Result<Vec<Moment>, Problem> {
        let mut before = self.before(&acts_of(name));
        let mut moments = Vec::new();
        loop {
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&id, &before, &ACTS.as_slice(), &self.limit];
            let rows = query(self.client, sql!("schema/statements/own_before.sql"), &params).await?;
            for row in &rows {
                before = row.get(0);
                let said: Value = serde_json::from_slice(row.get(2)).unwrap_or(Value::Null);
                if persons.iter().any(|person| person.is_concerned(&said)) {
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
}

/// The events of one page, with what they say.
async fn look_up(client: &Client, registry: &Registry, moments: Vec<Moment>) -> Result<Vec<Value>, Problem> {
    let mut wanted: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for moment in &moments {
        wanted.entry(moment.id).or_default().push(moment.position);
    }
    let mut events: BTreeMap<(i32, i64), StoredEvent> = BTreeMap::new();
    for (id, positions) in wanted {
        events.extend(read::at(client, id, &positions).await?.into_iter().map(|e| ((id, e.position), e)));
    }
    let shown = moments.into_iter().filter_map(|m| events.get(&(m.id, m.position)).map(|e| shown(registry, m, e)));
    Ok(shown.collect())
}

fn shown(registry: &Registry, moment: Moment, event: &StoredEvent) -> Value {
    let mut shown = json!({
        "event": format!("{}/{}", moment.journal, event.position),
        "type": event.event_type,
        "occurred_at": event.occurred_at.map(rfc3339),
        "recorded_at": rfc3339(event.recorded_at),
    });
    match moment.kind {
        Kind::Event { status } => {
            let source = registry.sources.get(&moment.journal);
            let facts = source.map(|source| meaning::of(source, event).translation.facts).unwrap_or_default();
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
