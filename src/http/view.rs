//! How things are shown: the shapes of the contract, one place.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Problem, Shared};
use crate::domain::dates::rfc3339;
use crate::domain::entitlement::SourceContext;
use crate::domain::license::LicenseRecord;
use crate::domain::plan::{Deserved, Desired, Step, deserved, diff};
use crate::domain::rules::Rules;
use crate::domain::state::State;
use crate::ledger::{journal, read};
use crate::postgres::query;
use crate::projections::generations::{self, Live};
use crate::projections::{Place, licenses};
use crate::projector::account;
use crate::registry::Source;
use crate::sql;

/// Rows in a page where the caller does not say.
const LIMIT_DEFAULT: i64 = 50;
/// Rows in a page at most.
const LIMIT_MAX: i64 = 1_000;

/// `limit`, checked.
pub(super) fn limit(asked: Option<&str>) -> Result<i64, Problem> {
    let Some(text) = present(asked) else { return Ok(LIMIT_DEFAULT) };
    match text.parse::<i64>() {
        Ok(n) if (1..=LIMIT_MAX).contains(&n) => Ok(n),
        _ => Err(Problem::field("limit", format!("must be a number from 1 to {LIMIT_MAX}"))),
    }
}

/// An empty query parameter counts as absent.
pub(super) fn present(asked: Option<&str>) -> Option<&str> {
    asked.filter(|text| !text.is_empty())
}

/// Where the next page begins, as it is handed out.
pub(super) fn cursor(place: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

/// A cursor that we handed out; absent: the beginning.
pub(super) fn place<T: DeserializeOwned + Default>(cursor: Option<&str>) -> Result<T, Problem> {
    let Some(text) = present(cursor) else { return Ok(T::default()) };
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    bytes.and_then(|b| serde_json::from_slice(&b).ok()).ok_or_else(|| Problem::field("cursor", "is not one of ours"))
}

/// A list of journals where each has its own place: appends between two pages neither repeat nor
/// hide anything.
pub(super) type Places = BTreeMap<String, i64>;

/// Where a list of newest first begins in a journal: the first page fixes where "newest" was, also
/// for a journal that no entry of the page is from.
pub(super) async fn start(client: &Client, places: &mut Places, place: &str, journal: i32) -> Result<i64, Problem> {
    if let Some(before) = places.get(place) {
        return Ok(*before);
    }
    let before = journal::tail(client, journal).await? + 1;
    places.insert(place.to_owned(), before);
    Ok(before)
}

/// An instant of the query.
pub(super) fn instant(name: &str, asked: Option<&str>) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(text) = present(asked) else { return Ok(None) };
    // A `+` of an offset arrives as a space.
    let parsed = DateTime::parse_from_rfc3339(&text.replace(' ', "+"));
    parsed
        .map(|t| Some(t.with_timezone(&Utc)))
        .map_err(|_| Problem::field(name, "must be an instant such as 2026-12-19T10:00:00Z"))
}

/// A word of the query that must be one of these.
pub(super) fn one_of<'a>(name: &str, asked: Option<&'a str>, words: &[&str]) -> Result<Option<&'a str>, Problem> {
    match present(asked) {
        Some(word) if !words.contains(&word) => {
            Err(Problem::field(name, format!("must be one of {}", words.join(", "))))
        }
        word => Ok(word),
    }
}

/// The live generation of a journal.
pub(super) async fn live(client: &impl deadpool_postgres::GenericClient, journal: i32) -> Result<Place, Problem> {
    let live: BTreeMap<i32, Live> = generations::live(client).await?;
    live.get(&journal)
        .map(|l| Place { generation: l.generation, journal })
        .ok_or_else(|| Problem::unavailable("the projections are being built"))
}

/// A source by name.
pub(super) fn source<'a>(app: &'a Shared, name: &str) -> Result<&'a Source, Problem> {
    app.projector.registry.sources.get(name).ok_or_else(|| Problem::field("source", "there is no such source"))
}

/// The license records of a subscription.
pub(super) async fn records(
    client: &impl deadpool_postgres::GenericClient,
    app: &Shared,
    source: &Source,
    state: &State,
) -> Result<Vec<LicenseRecord>, Problem> {
    let Some(account) = app.projector.registry.accounts.get(&source.account) else { return Ok(Vec::new()) };
    let place = live(client, account.journal).await?;
    Ok(licenses::of_state(client, place, &source.name, state).await?)
}

/// The same as they were known at a position of the account: what was asked and answered by then.
pub(super) async fn records_up_to(
    client: &impl deadpool_postgres::GenericClient,
    place: Place,
    source: &Source,
    state: &State,
    position: i64,
) -> Result<Vec<LicenseRecord>, Problem> {
    let statement = sql!("projections/events/of_subscriptions.sql");
    let ids = state.license_ids();
    let rows = query(client, statement, &[&place.generation, &place.journal, &ids, &position]).await?;
    let positions: Vec<i64> = rows.iter().map(|r| r.get(0)).collect();
    let mut records = account::records_of(&read::at(client, place.journal, &positions).await?);
    records.retain(|r| r.line.source == source.name && ids.contains(&r.line.subscription_id));
    Ok(state.adopt(records))
}

/// When a state is looked at.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Asked {
    pub as_of: Option<DateTime<Utc>>,
    pub at: DateTime<Utc>,
    /// journal → position.
    pub known_at: BTreeMap<String, i64>,
}

/// A subscription in the shape of the contract.
pub(super) fn subscription(
    source: &Source,
    state: &State,
    rules: &Rules,
    held: &[LicenseRecord],
    asked: &Asked,
) -> Value {
    let context = SourceContext { name: &source.name, live: source.settings.livemode };
    let deserved = deserved(state, context, rules, asked.at);
    let steps = diff(&deserved, held, state);
    let snapshot = state.snapshot.as_ref().map(|s| &s.value);
    let items: Vec<Value> =
        snapshot.map(|s| s.items.iter().map(|i| item(state, i, &deserved, held, &steps)).collect()).unwrap_or_default();
    json!({
        "source": source.name,
        "subscription_id": state.subscription_id,
        "customer_id": state.customer_id(),
        "status": state.status(),
        "provider_status": snapshot.map(|s| s.provider_status.clone()),
        "trial_end": snapshot.and_then(|s| s.trial_end).map(rfc3339),
        "cancel_at": snapshot.and_then(|s| s.cancel_at).map(rfc3339),
        "ended_at": snapshot.and_then(|s| s.ended_at).map(rfc3339),
        "uncertain": state.uncertain,
        "missing": state.missing(),
        "as_of": asked.as_of.map(rfc3339),
        "at": rfc3339(asked.at),
        "known_at": asked.known_at,
        "items": items,
        "provenance": provenance(source, state),
        "state_hash": state.state_hash(),
        "fold_hash": state.fold_hash(),
    })
}

fn item(
    state: &State,
    item: &crate::domain::fact::Item,
    deserved: &Deserved,
    held: &[LicenseRecord],
    steps: &[Step],
) -> Value {
    let desired = deserved.lines.iter().find(|d| d.item_id == item.item_id);
    let paid_through = desired
        .and_then(|d| d.entitlement.paid_through)
        .or_else(|| crate::domain::coverage::canonical(state, item).paid_through);
    json!({
        "item_id": item.item_id,
        "product": item.product.keys,
        "quantity": desired.filter(|_| !state.rows.is_empty()).and_then(|d| d.entitlement.seats).or(item.quantity),
        "paid_through": paid_through.map(rfc3339),
        "entitlement": desired.map(entitlement),
        "license": desired.and_then(|d| license_of(d, held)).map(|r| license_short(r, steps)),
    })
}

fn license_of<'a>(desired: &Desired, held: &'a [LicenseRecord]) -> Option<&'a LicenseRecord> {
    held.iter().filter(|r| r.line == desired.line).max_by_key(|r| r.order_generation)
}

/// An entitlement in the shape of the contract.
pub(super) fn entitlement(desired: &Desired) -> Value {
    let e = &desired.entitlement;
    json!({
        "state": e.standing,
        "product_code": e.product_code,
        "policy_code": e.policy_code,
        "seats": e.seats,
        "valid_until": e.valid_until,
        "is_trial": e.is_trial,
        "reason": e.reason,
        "flag": e.flag,
        "next_transition_at": e.next_transition_at.map(rfc3339),
    })
}

fn license_short(record: &LicenseRecord, steps: &[Step]) -> Value {
    json!({
        "order_id": record.order_id,
        "license_id": record.observed.as_ref().map(|o| o.license_id),
        "state": record.state(),
        "valid_until": record.observed.as_ref().and_then(|o| o.valid_until),
        "in_sync": record.open.is_none() && record.parked.is_none() && !drifted(record) && !steps.iter().any(|s| s.order_id == record.order_id),
    })
}

/// A sweep found it otherwise than we left it, or not at all.
fn drifted(record: &LicenseRecord) -> bool {
    record.seen.is_some() || record.gone
}

/// A license with everything that is known of it.
pub(super) fn license(record: &LicenseRecord) -> Value {
    let observed = record.observed.as_ref();
    json!({
        "order_id": record.order_id,
        "order_generation": record.order_generation,
        "source": record.line.source,
        "subscription_id": record.line.subscription_id,
        "product_code": record.line.product_code,
        "license_id": observed.map(|o| o.license_id),
        "state": record.state(),
        "enabled": observed.map(|o| o.enabled),
        "valid_until": observed.and_then(|o| o.valid_until),
        "is_trial": observed.map(|o| o.is_trial),
        "license_type": observed.and_then(|o| o.license_type.clone()),
        "max_activations": observed.and_then(|o| o.max_activations),
        "floating_users": observed.and_then(|o| o.floating_users),
        "max_license_users": observed.and_then(|o| o.max_license_users),
        "features": observed.map(|o| o.features.clone()),
        "calls": record.intents,
        "parked": record.parked,
        "drifted": drifted(record),
        "seen": record.seen,
    })
}

fn provenance(source: &Source, state: &State) -> Value {
    let event = |position: i64| format!("{}/{position}", source.name);
    let fields: Map<String, Value> = state
        .provenance
        .iter()
        .map(|(name, p)| (name.clone(), json!({"event": event(p.event), "confirmed_by": event(p.confirmed_by)})))
        .collect();
    Value::Object(fields)
}
