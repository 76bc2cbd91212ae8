//! Which event a field's value is owed to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Provenance, Recorded, Said, State};
use crate::domain::dates::rfc3339;
use crate::domain::fact::{EntityKind, FactBody};
use crate::domain::{coverage, rows};

impl State {
    pub(super) fn note_provenance(&mut self, instant: &[Recorded]) {
        if instant.iter().all(|r| matches!(r.fact.body, FactBody::Customer(_))) {
            return; // no field is owed to what is said of the buyer
        }
        let fields = self.fields();
        self.provenance.retain(|name, _| fields.contains_key(name));
        for (name, value) in fields {
            let Some((first, last)) = self.cause(&name, instant) else { continue };
            match self.provenance.get_mut(&name) {
                Some(held) if held.value == value => held.confirmed_by = last,
                _ => {
                    self.provenance.insert(name, Provenance { value, event: first, confirmed_by: last });
                }
            }
        }
    }

    /// The first and the last event of this instant that a field's value is owed to: for
    /// coverage payments, refunds and disputes first; for the rest the snapshot that stands.
    fn cause(&self, field: &str, instant: &[Recorded]) -> Option<(i64, i64)> {
        let stands = |r: &&Recorded| {
            r.fact.entity.kind == EntityKind::Subscription
                && self.snapshot.as_ref().is_some_and(|s| s.key == r.fact.key)
        };
        let snapshot = instant.iter().find(stands).map(|r| (r.position, r.position));
        let bought = || self.payments.values().any(|p| !p.payment.items.is_empty());
        if let Some(id) = field.strip_prefix("overrides.") {
            let said = |r: &&Recorded| matches!(&r.fact.body, FactBody::Override { id: of, .. } if of == id);
            let mut own = instant.iter().filter(said).map(|r| r.position);
            let first = own.next();
            return first.zip(own.next_back().or(first));
        }
        let by_money = field.ends_with("paid_through") || (field.starts_with("items.") && bought());
        if !by_money {
            return snapshot;
        }
        let mut money = instant.iter().filter(|r| {
            matches!(
                r.fact.body,
                FactBody::Payment(_) | FactBody::Refund(_) | FactBody::ChargeRefunds { .. } | FactBody::Dispute(_)
            )
        });
        let first = money.next().map(|r| r.position);
        let last = money.next_back().map(|r| r.position).or(first);
        first.zip(last).or(snapshot)
    }

    /// The named fields that provenance and `diff` speak of.
    #[must_use]
    pub fn fields(&self) -> BTreeMap<String, Value> {
        let mut fields = BTreeMap::new();
        let Some(Said { value: snapshot, .. }) = &self.snapshot else { return fields };
        fields.insert("status".to_owned(), json!(snapshot.status));
        fields.insert("customer_id".to_owned(), json!(snapshot.customer_id));
        fields.insert("trial_end".to_owned(), json!(snapshot.trial_end.map(rfc3339)));
        fields.insert("cancel_at".to_owned(), json!(snapshot.cancel_at.map(rfc3339)));
        fields.insert("ended_at".to_owned(), json!(snapshot.ended_at.map(rfc3339)));
        for (id, said) in &self.overrides {
            fields.insert(format!("overrides.{id}"), json!(said.value));
        }
        for item in &snapshot.items {
            let name = |field: &str| format!("items.{}.{field}", item.item_id);
            fields.insert(name("product"), json!(item.product.keys));
            fields.insert(name("quantity"), json!(item.quantity));
            fields.insert(name("paid_through"), json!(coverage::canonical(self, item).paid_through.map(rfc3339)));
        }
        fields.extend(rows::fields(self));
        fields
    }
}
