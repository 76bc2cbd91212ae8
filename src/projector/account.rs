//! The journals of our own acts: intents and outcomes of LicenseSpring calls.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;

use crate::domain::license::{AccountEvent, LicenseRecord};
use crate::ledger::read::StoredEvent;
use crate::postgres::DbError;
use crate::projections::events::{self, EventRow, EventStatus};
use crate::projections::{Place, licenses};

/// Folds intents and outcomes into license records.
pub(super) async fn project(client: &impl GenericClient, place: Place, batch: &[StoredEvent]) -> Result<(), DbError> {
    let parsed: Vec<(&StoredEvent, Option<AccountEvent>)> = batch.iter().map(|e| (e, parse(e))).collect();
    let orders: Vec<String> =
        parsed.iter().filter_map(|(_, e)| e.as_ref().map(order_of)).map(ToOwned::to_owned).collect();
    let mut records: BTreeMap<String, LicenseRecord> =
        licenses::load(client, place, &orders).await?.into_iter().map(|r| (r.order_id.clone(), r)).collect();
    let mut rows = Vec::with_capacity(batch.len());
    for (stored, event) in parsed {
        let subscription = event.as_ref().and_then(|e| fold(&mut records, stored, e));
        rows.push(EventRow {
            position: stored.position,
            status: EventStatus::Applied,
            entity: event.as_ref().map(|e| format!("order:{}", order_of(e))),
            customer_id: None,
            subscription_id: subscription,
            error: None,
        });
    }
    let records: Vec<LicenseRecord> = records.into_values().collect();
    licenses::save(client, place, &records).await?;
    events::save(client, place, &rows).await
}

/// The license records that some events of an account's journal come to, in their order.
#[must_use]
pub fn records_of(events: &[StoredEvent]) -> Vec<LicenseRecord> {
    let mut records = BTreeMap::new();
    for stored in events {
        if let Some(event) = parse(stored) {
            fold(&mut records, stored, &event);
        }
    }
    records.into_values().collect()
}

/// Events that are kept for their own sake (the system journal).
pub(super) async fn record_only(
    client: &impl GenericClient,
    place: Place,
    batch: &[StoredEvent],
) -> Result<(), DbError> {
    let rows: Vec<EventRow> = batch
        .iter()
        .map(|e| EventRow {
            position: e.position,
            status: EventStatus::Recorded,
            entity: None,
            customer_id: None,
            subscription_id: None,
            error: None,
        })
        .collect();
    events::save(client, place, &rows).await
}

fn parse(event: &StoredEvent) -> Option<AccountEvent> {
    event.bytes.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok())
}

fn order_of(event: &AccountEvent) -> &str {
    match event {
        AccountEvent::Intent(intent) => &intent.order_id,
        AccountEvent::Outcome(outcome) => &outcome.order_id,
    }
}

/// Answers with the subscription the event concerns.
fn fold(records: &mut BTreeMap<String, LicenseRecord>, stored: &StoredEvent, event: &AccountEvent) -> Option<String> {
    match event {
        AccountEvent::Intent(intent) => {
            let held = records.remove(&intent.order_id);
            let record = LicenseRecord::with_intent(held, intent.clone(), stored.position, stored.recorded_at);
            records.insert(intent.order_id.clone(), record);
        }
        AccountEvent::Outcome(outcome) => {
            if let Some(record) = records.get_mut(&outcome.order_id) {
                record.apply_outcome(outcome, stored.position);
            }
        }
    }
    records.get(order_of(event)).map(|r| r.line.subscription_id.clone())
}
