//! The journals of our own acts: what was called, what was read, what admins decided.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;

use crate::domain::account::AccountEvent;
use crate::domain::license::{CallResult, LicenseRecord, Outcome, Parked};
use crate::ledger::read::StoredEvent;
use crate::postgres::DbError;
use crate::projections::destructive::{self, Intended};
use crate::projections::events::{self, EventRow, EventStatus};
use crate::projections::{Place, accounts, licenses, subscriptions};
use crate::registry::Registry;

/// Folds the events of an account's journal.
pub(super) async fn project(
    client: &impl GenericClient,
    place: Place,
    registry: &Registry,
    batch: &[StoredEvent],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let parsed: Vec<(&StoredEvent, Option<AccountEvent>)> = batch.iter().map(|e| (e, parse(e))).collect();
    let orders: Vec<String> =
        parsed.iter().filter_map(|(_, e)| e.as_ref()).flat_map(|e| e.orders()).map(ToOwned::to_owned).collect();
    let mut fold = Fold {
        records: licenses::load(client, place, &orders).await?.into_iter().map(|r| (r.order_id.clone(), r)).collect(),
        ..Fold::default()
    };
    let mut rows = Vec::with_capacity(batch.len());
    for (stored, event) in &parsed {
        let order = event.as_ref().and_then(|e| e.orders().first().map(|o| (*o).to_owned()));
        if let Some(event) = event {
            fold.take(stored, event);
        }
        let record = order.as_ref().and_then(|o| fold.records.get(o));
        rows.push(EventRow {
            position: stored.position,
            status: if order.is_some() { EventStatus::Applied } else { EventStatus::Recorded },
            entity: order.as_ref().map(|o| format!("order:{o}")),
            customer_id: None,
            subscription_id: record.map(|r| r.line.subscription_id.clone()),
            error: None,
        });
    }
    fold.save(client, place, registry, now).await?;
    let mentions: Vec<(String, i64)> =
        rows.iter().filter_map(|row| Some((row.entity.clone()?, row.position))).collect();
    events::mention(client, place, &mentions).await?;
    events::save(client, place, &rows).await
}

/// The license records that some events of an account's journal come to, in their order.
#[must_use]
pub fn records_of(events: &[StoredEvent]) -> Vec<LicenseRecord> {
    let mut fold = Fold::default();
    for stored in events {
        if let Some(event) = parse(stored) {
            fold.take(stored, &event);
        }
    }
    fold.records.into_values().collect()
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

/// What a batch comes to.
#[derive(Default)]
struct Fold {
    records: BTreeMap<String, LicenseRecord>,
    /// The last mode that was said, and where.
    mode: Option<(i64, &'static str)>,
    intended: Vec<Intended>,
    undone: Vec<(String, i64)>,
    /// Orders whose subscriptions have to be compared again.
    marked: Vec<String>,
}

impl Fold {
    fn take(&mut self, stored: &StoredEvent, event: &AccountEvent) {
        match event {
            AccountEvent::Intent(intent) => {
                if intent.destructive {
                    self.intended.push(Intended {
                        position: stored.position,
                        at: stored.recorded_at,
                        order_id: intent.order_id.clone(),
                        n: intent.n,
                        action: intent.action.name(),
                        announced: intent.announced,
                        approved: intent.approved,
                    });
                }
                let held = self.records.remove(&intent.order_id);
                let record = LicenseRecord::with_intent(held, (**intent).clone(), stored.position, stored.recorded_at);
                self.records.insert(intent.order_id.clone(), record);
            }
            AccountEvent::Outcome(outcome) => self.conclude(stored, outcome),
            AccountEvent::Observation(said) => {
                let Some(record) = self.records.get_mut(&said.order_id) else { return };
                let held = record.observed.clone();
                record.apply_observation(said.observed.as_ref(), said.repair);
                if said.repair || record.observed != held {
                    self.marked.push(said.order_id.clone());
                }
            }
            AccountEvent::ReconcilerMode(change) => self.mode = Some((stored.position, change.mode.as_str())),
            AccountEvent::PlanRejected(rejection) => {
                for declined in &rejection.declined {
                    let Some(record) = self.records.get_mut(&declined.order_id) else { continue };
                    record.parked = Some(Parked {
                        action_hash: declined.action_hash.clone(),
                        message: format!("rejected by {}: {}", rejection.decision.who, rejection.decision.reason),
                        http_status: None,
                        state_hash: Some(declined.state_hash.clone()),
                    });
                }
            }
            AccountEvent::ParkedRetried(retry) => {
                for order in &retry.order_ids {
                    let Some(record) = self.records.get_mut(order) else { continue };
                    record.retry();
                    self.marked.push(order.clone());
                }
            }
            AccountEvent::PlanApproved(_) | AccountEvent::PlanApplied(_) | AccountEvent::SweepFinished(_) => {}
        }
    }

    fn conclude(&mut self, stored: &StoredEvent, outcome: &Outcome) {
        let Some(record) = self.records.get_mut(&outcome.order_id) else { return };
        record.apply_outcome(outcome, stored.position, stored.recorded_at);
        if outcome.result == CallResult::NotDone {
            self.undone.push((outcome.order_id.clone(), outcome.n));
        }
    }

    async fn save(
        self,
        client: &impl GenericClient,
        place: Place,
        registry: &Registry,
        now: DateTime<Utc>,
    ) -> Result<(), DbError> {
        if let Some((position, mode)) = self.mode {
            accounts::save_mode(client, place, mode, position).await?;
        }
        destructive::save(client, place, &self.intended).await?;
        destructive::undo(client, place, &self.undone).await?;
        for order in &self.marked {
            let Some(line) = self.records.get(order).map(|r| &r.line) else { continue };
            let Some(source) = registry.sources.get(&line.source) else { continue };
            let theirs = Place { generation: place.generation, journal: source.journal };
            subscriptions::mark(client, theirs, &line.subscription_id, now).await?;
        }
        let records: Vec<LicenseRecord> = self.records.into_values().collect();
        licenses::save(client, place, &records).await
    }
}
