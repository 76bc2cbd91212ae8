//! The two hashes of a state: of what it says, and of everything that it rests on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::State;
use crate::domain::dates::rfc3339;
use crate::domain::fact::Item;
use crate::domain::{coverage, hash};

impl State {
    /// Canonical values only: equal for equal state whatever the order, copies or instance.
    #[must_use]
    pub fn canonical(&self) -> Value {
        let snapshot = self.snapshot.as_ref().map(|s| &s.value);
        let items: Vec<Value> =
            snapshot.map(|s| s.items.iter().map(|i| self.canonical_item(i)).collect()).unwrap_or_default();
        let mut canonical = json!({
            "subscription_id": self.subscription_id,
            "customer_id": snapshot.and_then(|s| s.customer_id.clone()),
            "customer_deleted_at": self.customer_deleted_at().map(rfc3339),
            "status": snapshot.map(|s| s.status),
            "provider_status": snapshot.map(|s| s.provider_status.clone()),
            "livemode": snapshot.map(|s| s.livemode),
            "trial_end": snapshot.and_then(|s| s.trial_end).map(rfc3339),
            "cancel_at": snapshot.and_then(|s| s.cancel_at).map(rfc3339),
            "ended_at": snapshot.and_then(|s| s.ended_at).map(rfc3339),
            "pause": snapshot.and_then(|s| s.pause_collection.clone()),
            "items": items,
            "refunds": self.refunds.iter().map(|(k, r)| (k.clone(), json!(r.value))).collect::<BTreeMap<_, _>>(),
            "charges": self.charges.iter().map(|(k, c)| (k.clone(), json!(c.value))).collect::<BTreeMap<_, _>>(),
            "disputes": self.disputes.iter().map(|(k, d)| (k.clone(), json!(d.value.status))).collect::<BTreeMap<_, _>>(),
            "overrides": self.overrides.iter().map(|(k, o)| (k.clone(), json!(o.value))).collect::<BTreeMap<_, _>>(),
        });
        if let (false, Some(fields)) = (self.rows.is_empty(), canonical.as_object_mut()) {
            let rows: BTreeMap<_, _> = self.rows.iter().map(|(k, held)| (k, &held.row)).collect();
            fields.insert("rows".to_owned(), json!(rows));
        }
        canonical
    }

    fn canonical_item(&self, item: &Item) -> Value {
        let coverage = coverage::canonical(self, item);
        json!({
            "item_id": item.item_id,
            "product": item.product.keys,
            "quantity": item.quantity,
            "period_start": item.period_start.map(rfc3339),
            "period_end": item.period_end.map(rfc3339),
            "paid_through": coverage.paid_through.map(rfc3339),
            "owned": item.one_off.then_some(coverage.forever),
        })
    }

    #[must_use]
    pub fn state_hash(&self) -> String {
        hash::of(&self.canonical())
    }

    /// `state_hash` and the clocks and ids it rests on: a rebuild must equal the live state.
    #[must_use]
    pub fn fold_hash(&self) -> String {
        self.hashes().1
    }

    /// `state_hash` and `fold_hash`: what they have in common is worked out once.
    #[must_use]
    pub fn hashes(&self) -> (String, String) {
        let canonical = self.canonical().to_string();
        let payments: BTreeMap<_, _> = self.payments.iter().map(|(k, p)| (k, (&p.key, p.paid_at, p.waived))).collect();
        // Of values of ours in an order of ours, with every map sorted: canonical as it is written.
        let rests_on = serde_json::to_string(&(
            self.snapshot.as_ref().map(|s| &s.key),
            payments,
            &self.refunds,
            &self.charges,
            &self.disputes,
            &self.customers,
            &self.overrides,
            self.rows.values().map(|held| &held.key).collect::<Vec<_>>(),
            self.uncertain,
            &self.last,
        ))
        .unwrap_or_default();
        // One list of both.
        let all = format!("[{canonical},{}", rests_on.strip_prefix('[').unwrap_or_default());
        (hash::of_bytes(canonical.as_bytes()), hash::of_bytes(all.as_bytes()))
    }
}
