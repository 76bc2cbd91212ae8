//! For the tests of whole lives: what a set of events comes to.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Provider, settings};
use crate::domain::entitlement::SourceContext;
use crate::domain::fact::{Entity, EntityKind};
use crate::domain::plan::{Desired, deserved};
use crate::domain::rules::Rules;
use crate::domain::state::{Recorded, State, fold};

/// What a subscription's events come to: the state of the set, which no order of arrival changes.
pub fn state_of(provider: &dyn Provider, id: &str, events: &[Value]) -> State {
    let in_order = folded(provider, id, events.iter());
    let backwards = folded(provider, id, events.iter().rev());
    assert_eq!(in_order.state_hash(), backwards.state_hash(), "the order of arrival counts in {events:#?}");
    in_order
}

fn folded<'a>(provider: &dyn Provider, id: &str, events: impl Iterator<Item = &'a Value>) -> State {
    let (mut facts, mut links) = (Vec::new(), Vec::new());
    for (position, event) in (1..).zip(events) {
        let read = provider.translate(event.to_string().as_bytes(), &[], &settings(&[])).unwrap();
        facts.extend(read.facts.into_iter().map(|fact| Recorded { position, fact }));
        links.extend(read.links);
    }
    let mut mine = BTreeSet::from([Entity::subscription(id)]);
    // What belongs to it, and whom it belongs to.
    mine.extend(links.iter().filter(|link| link.child.key() == format!("sub:{id}")).map(|link| link.parent.clone()));
    while let Some(more) = links
        .iter()
        .find(|l| mine.contains(&l.parent) && l.parent.kind != EntityKind::Customer && !mine.contains(&l.child))
    {
        mine.insert(more.child.clone());
    }
    facts.retain(|recorded| mine.contains(&recorded.fact.entity));
    fold(id, facts, links.into_iter().filter(|link| mine.contains(&link.child)))
}

/// Every line at an instant, under a catalog: `PRO active paid until 2026-03-01`.
pub fn lines_of(state: &State, catalog: &Value, now: DateTime<Utc>) -> Vec<String> {
    let rules: Rules = serde_json::from_value(catalog.clone()).unwrap();
    let source = SourceContext { name: "shop", live: state.snapshot.as_ref().is_none_or(|s| s.value.livemode) };
    let deserved = deserved(state, source, &rules, now);
    let line = |desired: &Desired| {
        let entitlement = &desired.entitlement;
        let standing = format!("{:?}", entitlement.standing).to_lowercase();
        let until = entitlement.paid_through.map_or_else(|| "-".to_owned(), |at| at.format("%m-%d").to_string());
        format!("{} {standing} {} until {until}", entitlement.product_code, entitlement.reason)
    };
    let unmapped = deserved.unmapped.iter().map(|item| format!("{item} is not in the catalog"));
    deserved.lines.iter().map(line).chain(unmapped).collect()
}
