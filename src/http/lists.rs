//! What needs a person.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::auth::Auditor;
use super::view::Places;
use super::{Problem, Shared, view, webhooks};
use crate::config::FIELD_NAMES;
use crate::domain::dates::rfc3339;
use crate::domain::fact::LACK_ENDS;
use crate::domain::rules::Rules;
use crate::domain::state::State;
use crate::domain::terms::Terms;
use crate::ledger::rules;
use crate::postgres::query;
use crate::registry::Source;
use crate::sql;

#[derive(Deserialize)]
pub(super) struct Page {
    cursor: Option<String>,
    limit: Option<String>,
}

impl Page {
    pub(super) fn limit(&self) -> Result<i64, Problem> {
        view::limit(self.limit.as_deref())
    }

    pub(super) fn place<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        view::place(self.cursor.as_deref())
    }
}

/// A page of a list: what was found is one more than fits, if there is more.
pub(super) fn answer<T>(
    name: &str,
    mut found: Vec<(T, Value)>,
    limit: i64,
    next: impl Fn(&[(T, Value)]) -> String,
) -> HttpResponse {
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > room;
    found.truncate(room);
    let next = more.then(|| next(&found));
    let shown: Vec<Value> = found.into_iter().map(|(_, shown)| shown).collect();
    HttpResponse::Ok().json(json!({name: shown, "next_cursor": next}))
}

/// Deliveries that were turned away, newest first; they are not events.
pub(super) async fn refusals(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = page.limit()?;
    let (before, slot): (Option<DateTime<Utc>>, i32) = page.place()?;
    let client = app.projector.pool.get().await?;
    let rows = query(&client, sql!("schema/statements/refusals.sql"), &[&(limit + 1), &before, &slot]).await?;
    let refusal = |row: &tokio_postgres::Row| {
        let (at, code): (DateTime<Utc>, String) = (row.get("refused_at"), row.get("code"));
        let shown = json!({
            "refused_at": rfc3339(at),
            "source": row.get::<_, String>("source"),
            "code": code,
            "reason": row.get::<_, String>("detail"),
            "fix": fix_of(&code),
            "remote": row.get::<_, Option<String>>("remote"),
            "body_bytes": row.get::<_, Option<i64>>("body_bytes"),
        });
        ((at, row.get::<_, i32>("slot")), shown)
    };
    let found = rows.iter().map(refusal).collect();
    Ok(answer("refusals", found, limit, |shown| view::cursor(&shown.last().map(|(place, _)| place))))
}

/// What a person can do about a refusal.
fn fix_of(code: &str) -> &'static str {
    match code {
        "wrong_signature" => {
            "compare the secret at the provider with `secrets` of the source; after a rotation list the old one too. \
             If nobody changed it, somebody else is posting: nothing needs to be done"
        }
        "missing_signature" | "malformed_signature" => {
            "let the provider sign its webhooks, and let no proxy take its headers away; a stranger needs no fix"
        }
        "stale_timestamp" => {
            "set the clock of this machine; if it is right, an old delivery was replayed and is refused"
        }
        "no_secret" => "give the source `secrets`",
        "wrong_url_token" => "let the endpoint at the provider end in the source's `url_token`",
        "wrong_shop" => "let each shop post to the source that has its `shop_domain`",
        "wrong_organization" => {
            "a copy of the org posts here: give it an endpoint of its own, or add it to `organization_ids`"
        }
        "dtd" => "send the message without a document type declaration",
        "session_id" => "switch Send Session ID off in the outbound message",
        webhooks::TOO_LARGE => "raise `server.max_body_bytes`, if such a delivery is expected",
        _ => "look at the reason",
    }
}

const NEEDING_ATTENTION: &str = sql!("projections/events/needing_attention.sql");
const INCOMPLETE: &str = sql!("projections/events/incomplete.sql");

/// What events of several sources are merged by: when we recorded it, source, position.
type When = (DateTime<Utc>, String, i64);

/// An event that needs a person.
struct Attention<'a> {
    event: &'a str,
    status: &'a str,
    error: Option<&'a str>,
}

/// Events of these statuses over all sources, newest first; of each its reason and fix.
async fn attention(
    app: &Shared,
    name: &str,
    page: &Page,
    (statement, statuses): (&str, &[&str]),
    said: impl Fn(&Attention<'_>) -> (String, String),
) -> Result<HttpResponse, Problem> {
    let limit = page.limit()?;
    let mut places: Places = page.place()?;
    let client = app.projector.pool.get().await?;
    let mut found: Vec<(When, Value)> = Vec::new();
    for source in app.projector.registry.sources.values() {
        let place = view::live(&client, source.journal).await?;
        let before = view::start(&client, &mut places, &source.name, source.journal).await?;
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&place.generation, &place.journal, &statuses, &(limit + 1), &before];
        for row in query(&client, statement, &params).await? {
            let received_at: DateTime<Utc> = row.get("received_at");
            let (status, position): (String, i64) = (row.get("status"), row.get("position"));
            let event = format!("{}/{position}", source.name);
            let error: Option<&str> = row.get("error");
            let (reason, fix) = said(&Attention { event: &event, status: &status, error });
            let shown = json!({
                "event": event,
                "source": source.name,
                "type": row.get::<_, String>("type"),
                "external_id": row.get::<_, String>("external_id"),
                "entity": row.get::<_, Option<String>>("entity"),
                "status": status,
                "received_at": rfc3339(received_at),
                "age_seconds": (Utc::now() - received_at).num_seconds(),
                "reason": reason,
                "fix": fix,
            });
            found.push(((row.get("recorded_at"), source.name.clone(), position), shown));
        }
    }
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    let next = |shown: &[(When, Value)]| {
        let mut places = places.clone();
        places.extend(shown.iter().map(|((_, source, position), _)| (source.clone(), *position)));
        view::cursor(&places)
    };
    Ok(answer(name, found, limit, next))
}

/// Events that could not be read or translated.
pub(super) async fn quarantine(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let said = |of: &Attention<'_>| {
        let fix = match of.status {
            "unreadable" => "look at the body: it is well signed but not what this provider sends".to_owned(),
            _ => format!(
                "the bytes are kept: after an upgrade that reads them, POST /v1/admin/quarantine/{}/retry",
                of.event
            ),
        };
        (of.error.unwrap_or("it could not be read").to_owned(), fix)
    };
    attention(&app, "quarantine", &page, (NEEDING_ATTENTION, &["quarantined", "unreadable"]), said).await
}

/// Payments, refunds and disputes whose subscription is not known yet.
pub(super) async fn unlinked(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let said = |of: &Attention<'_>| {
        let reason = of.error.unwrap_or("it speaks of a payment, refund or dispute that no known subscription has");
        let fix =
            "nothing: it lands by itself when the linking event arrives; until then no subscription is changed by it";
        (reason.to_owned(), fix.to_owned())
    };
    attention(&app, "unlinked", &page, (NEEDING_ATTENTION, &["unlinked"]), said).await
}

/// Events that were understood as far as they go, and lack what decides.
pub(super) async fn incomplete(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let said = |of: &Attention<'_>| {
        let error = of.error.unwrap_or_default();
        let (reason, fix) = error.split_once(LACK_ENDS).unwrap_or((error, "look at the event"));
        (reason.to_owned(), fix.to_owned())
    };
    attention(&app, "incomplete", &page, (INCOMPLETE, &["applied", "recorded"]), said).await
}

/// Products that no catalog rule maps, each with the lines of configuration that would.
pub(super) async fn unmapped(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = page.limit()?;
    let from: (String, String, String) = page.place()?;
    let client = app.projector.pool.get().await?;
    let adopted = rules::adopted(&client, app.projector.registry.system).await?;
    let mut found = Vec::new();
    for source in app.projector.registry.sources.values().filter(|s| s.name >= from.0) {
        let place = view::live(&client, source.journal).await?;
        let first = if source.name == from.0 { from.1.as_str() } else { "" };
        let statement = sql!("projections/subscriptions/unmapped.sql");
        // One more than fits, and the one that the page before ended in.
        let rows = query(&client, statement, &[&place.generation, &place.journal, &(limit + 2), &first]).await?;
        for row in rows {
            let Ok(state) = serde_json::from_str::<State>(row.get("state")) else { continue };
            let items = state.snapshot.as_ref().map(|s| s.value.items.as_slice()).unwrap_or_default();
            let missing = items.iter().filter(|i| adopted.rules.map(&source.name, &i.product).is_none());
            if let Some((item, shown)) = wanting(source, &state, &adopted.rules) {
                found.push(((source.name.clone(), state.subscription_id.clone(), item), shown));
            }
            for item in missing {
                let shown = json!({
                    "source": source.name,
                    "subscription_id": state.subscription_id,
                    "customer_id": state.customer_id(),
                    "item_id": item.item_id,
                    "product": item.product.keys,
                    "reason": "no catalog rule matches this product",
                    "fix": line_of(&source.name, &item.product.keys),
                });
                found.push(((source.name.clone(), state.subscription_id.clone(), item.item_id.clone()), shown));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.retain(|(place, _)| *place > from);
    Ok(answer("unmapped", found, limit, |shown| view::cursor(&shown.last().map(|(place, _)| place))))
}

/// The keys a product is best named by, the most exact first.
const NAMED_BY: [&str; 8] =
    ["price", "lookup_key", "path", "sku", "variant", "selling_plan", "product_code", "product"];

/// What is mapped and entitles to nothing for want of configuration.
fn wanting(source: &Source, state: &State, rules: &Rules) -> Option<(String, Value)> {
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
    let shown = json!({
        "source": source.name,
        "subscription_id": state.subscription_id,
        "customer_id": state.customer_id(),
        "item_id": item.item_id,
        "product": item.product.keys,
        "reason": reason,
        "fix": fix,
    });
    Some((item.item_id.clone(), shown))
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
