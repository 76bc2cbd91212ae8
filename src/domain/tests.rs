//! The rules as tables: given facts, at an instant, under a policy, this is what follows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::coverage::{self, Loss};
use super::entitlement::{self, Entitlement, SourceContext, Standing, Switch};
use super::fact::*;
use super::instant::{Decision, Sighting, decide};
use super::license::*;
use super::plan::{Deserved, Step, deserved, diff};
use super::rules::{Rules, SeatMode};
use super::state::{Recorded, State, fold};

mod chained;
mod covered;
mod doubted;
mod entitled;
mod guarded;
mod instants;
mod lost;
mod named;
mod overridden;
mod planned;
mod ruled;
mod unit_by_unit;

const SOURCE: SourceContext<'_> = SourceContext { name: "shop", live: true };

/// `03-15` is 2026-03-15T12:00:00Z; a time of day may follow: `03-15 23:59:59`.
fn at(day: &str) -> DateTime<Utc> {
    let (day, time) = day.split_once(' ').unwrap_or((day, "12:00:00"));
    let year = if day.len() > 5 { "" } else { "2026-" };
    format!("{year}{day}T{time}Z").parse().unwrap()
}

fn item(id: &str, price: &str, quantity: i64, period: (&str, &str)) -> Item {
    Item {
        item_id: id.to_owned(),
        product: ProductRef {
            keys: BTreeMap::from([("price".to_owned(), price.to_owned())]),
            attributes: BTreeMap::new(),
        },
        quantity: Some(quantity),
        period_start: Some(at(period.0)),
        period_end: Some(at(period.1)),
        metered: false,
        one_off: false,
    }
}

fn snapshot(status: Status, items: Vec<Item>) -> Snapshot {
    Snapshot {
        status,
        provider_status: status.as_str().to_owned(),
        terminal: status == Status::Canceled,
        livemode: true,
        customer_id: Some("cus_1".to_owned()),
        trial_end: None,
        cancel_at: None,
        ended_at: None,
        pause_collection: None,
        items,
        items_complete: true,
        paid_through: None,
        interval: None,
        revision: None,
        runs_out: false,
        named_only: false,
    }
}

fn fact(entity: Entity, when: &str, rank: u8, id: &str, body: FactBody) -> Recorded {
    let key = FactKey { at: at(when), within: 0, rank, external_id: id.to_owned(), api_version: String::new() };
    Recorded { position: 1, fact: Fact { entity, key, identity: id.to_owned(), by_event_clock: false, body }.into() }
}

fn shown(when: &str, after: Snapshot) -> Recorded {
    let body = FactBody::Subscription { after: Box::new(after), before: None };
    fact(Entity::subscription("sub_1"), when, 2, &format!("snapshot {when}"), body)
}

fn line(item: &str, from: &str, to: &str) -> PaymentLine {
    PaymentLine {
        item_id: Some(item.to_owned()),
        price: None,
        start: at(from),
        end: at(to),
        metered: false,
        proration: false,
    }
}

/// A payment of 1,000 for these lines, made when the first of them begins.
fn payment(id: &str, status: PaymentStatus, lines: Vec<PaymentLine>) -> Recorded {
    let when = lines[0].start.format("%Y-%m-%d %H:%M:%S").to_string();
    let body =
        Payment { payment_id: id.to_owned(), status, amount_paid: Some(1_000), lines, items: vec![], purchase: None };
    fact(Entity::new(EntityKind::Invoice, id), &when, 3, &format!("paid {id}"), FactBody::Payment(body))
}

fn paid(id: &str, lines: Vec<PaymentLine>) -> Recorded {
    payment(id, PaymentStatus::Paid, lines)
}

/// Charge `ch_<n>` of payment `in_<n>` says that so much went back.
fn given_back(n: u32, when: &str, amount: i64) -> Recorded {
    let body = FactBody::ChargeRefunds { amount: 1_000, amount_refunded: amount, full: amount == 1_000 };
    fact(Entity::new(EntityKind::Charge, format!("ch_{n}")), when, 2, &format!("back {n} {when}"), body)
}

fn refund(n: u32, when: &str, amount: i64, succeeded: bool) -> Recorded {
    let body = Refund { refund_id: format!("re_{n}"), succeeded, amount: Some(amount), full: false, products: vec![] };
    fact(
        Entity::new(EntityKind::Refund, format!("re_{n}")),
        when,
        3,
        &format!("refund {n} {when}"),
        FactBody::Refund(body),
    )
}

fn dispute(n: u32, when: &str, status: DisputeStatus) -> Recorded {
    let body = Dispute { dispute_id: format!("dp_{n}"), status };
    fact(
        Entity::new(EntityKind::Dispute, format!("dp_{n}")),
        when,
        2,
        &format!("dispute {n} {when}"),
        FactBody::Dispute(body),
    )
}

/// refund, dispute → charge → payment → subscription → customer, for payments 1 to 3.
fn links() -> Vec<Link> {
    let entity = |kind, id: String| Entity::new(kind, id);
    let of = |n: u32| {
        let (invoice, charge) =
            (entity(EntityKind::Invoice, format!("in_{n}")), entity(EntityKind::Charge, format!("ch_{n}")));
        [
            Link { child: invoice.clone(), parent: Entity::subscription("sub_1") },
            Link { child: charge.clone(), parent: invoice },
            Link { child: entity(EntityKind::Refund, format!("re_{n}")), parent: charge.clone() },
            Link { child: entity(EntityKind::Dispute, format!("dp_{n}")), parent: charge },
        ]
    };
    let customer = Link { child: Entity::subscription("sub_1"), parent: Entity::customer("cus_1") };
    (1..=3).flat_map(of).chain([customer]).collect()
}

fn state(facts: Vec<Recorded>) -> State {
    fold("sub_1", facts, links())
}

/// `price_pro` is PRO, `price_team` is TEAM; `policy` is the default table.
fn rules(policy: Value) -> Rules {
    serde_json::from_value(json!({"catalog": [
        {"match": {"price": "price_pro"}, "product_code": "PRO", "policy_code": "pro-monthly"},
        {"match": {"price": "price_team"}, "product_code": "TEAM"}], "policy": {"default": policy}}))
    .unwrap()
}

fn day(instant: Option<DateTime<Utc>>) -> String {
    instant.map_or("-".to_owned(), |i| i.format("%m-%d").to_string())
}
