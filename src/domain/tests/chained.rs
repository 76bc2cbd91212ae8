//! Shop orders of other apps: which order extends which chain.

use super::*;
use crate::domain::chains;

/// (order id, day it was made, charged by an app, variants bought)
type Made<'a> = (&'a str, &'a str, bool, &'a [(&'a str, i64)]);

fn order_of((id, when, renews, bought): Made<'_>, status: PaymentStatus) -> Recorded {
    let items = bought.iter().map(|(sku, quantity)| Item {
        item_id: format!("v-{sku}"),
        product: ProductRef {
            keys: BTreeMap::from([("sku".to_owned(), (*sku).to_owned())]),
            attributes: BTreeMap::new(),
        },
        quantity: Some(*quantity),
        period_start: None,
        period_end: None,
        metered: false,
        one_off: false,
    });
    let body = Payment {
        payment_id: id.to_owned(),
        status,
        amount_paid: Some(1_000),
        lines: vec![],
        items: items.collect(),
        purchase: Some(Purchase { at: at(when), renews, is_guess: false }),
    };
    fact(Entity::new(EntityKind::Order, id), when, 2, &format!("order {id} {when}"), FactBody::Payment(body))
}

fn book(facts: Vec<Recorded>, more: Vec<Link>) -> State {
    let shelf = Entity::new(EntityKind::Book, "cus_1");
    let mut links: Vec<Link> = facts
        .iter()
        .filter(|r| r.fact.entity.kind == EntityKind::Order)
        .map(|r| Link { child: r.fact.entity.clone(), parent: shelf.clone() })
        .collect();
    links.push(Link { child: shelf, parent: Entity::customer("cus_1") });
    links.extend(more);
    fold("cus_1", facts, links)
}

/// PRO-M and PRO-Y are PRO for a month and a year, TEAM-M is TEAM, TOOL is bought once.
fn shop_rules() -> Rules {
    let rule = |sku: &str, code: &str, period: Option<&str>| match period {
        Some(period) => json!({"match": {"sku": sku}, "product_code": code, "period": period}),
        None => json!({"match": {"sku": sku}, "product_code": code}),
    };
    serde_json::from_value(json!({"catalog": [
        rule("PRO-M", "PRO", Some("1m")), rule("PRO-Y", "PRO", Some("1y")), rule("TEAM-M", "TEAM", Some("1m")),
        rule("TOOL", "TOOL", None)]}))
    .unwrap()
}

/// `chain: item paid-through seats, …` for each chain.
fn shown_chains(book: &State) -> Vec<String> {
    let line = |chain: &State| {
        let items = &chain.snapshot.as_ref().unwrap().value.items;
        let part = |i: &Item| {
            let coverage = coverage::canonical(chain, i);
            let until = if coverage.forever { "for ever".to_owned() } else { day(coverage.paid_through) };
            format!("{} {until} x{}", i.product.keys["sku"], i.quantity.unwrap())
        };
        format!("{}: {}", chain.subscription_id, items.iter().map(part).collect::<Vec<_>>().join(", "))
    };
    chains::split(book, "shop", &shop_rules()).iter().map(line).collect()
}

/// Whatever the order in which the facts came.
fn check(name: &str, facts: Vec<Recorded>, links: Vec<Link>, expected: &[&str]) {
    for turn in 0..facts.len().max(1) {
        let mut turned = facts.clone();
        turned.rotate_left(turn);
        assert_eq!(shown_chains(&book(turned, links.clone())), expected, "{name}, turned by {turn}");
    }
}

fn paid_order(made: Made<'_>) -> Recorded {
    order_of(made, PaymentStatus::Paid)
}

const PRO: &[(&str, i64)] = &[("PRO-M", 1)];

#[test]
fn a_web_order_opens_a_chain_and_charges_extend_it() {
    let first = paid_order(("100", "01-10", false, PRO));
    check("one", vec![first.clone()], vec![], &["order-100: PRO-M 02-10 x1"]);
    let renewed = vec![first.clone(), paid_order(("101", "02-10", true, PRO)), paid_order(("102", "03-10", true, PRO))];
    check("renewed", renewed, vec![], &["order-100: PRO-M 04-10 x1"]);
    let early = vec![first.clone(), paid_order(("101", "02-01", true, PRO))];
    check("counted from the charge", early, vec![], &["order-100: PRO-M 03-01 x1"]);
    let more = vec![first.clone(), paid_order(("101", "02-10", true, &[("PRO-M", 5)]))];
    check("more seats", more, vec![], &["order-100: PRO-M 03-10 x5"]);
    let yearly = vec![first.clone(), paid_order(("101", "02-10", true, &[("PRO-Y", 1)]))];
    check("another plan of the product", yearly, vec![], &["order-100: PRO-Y 02-10 x1"]);
    let unpaid = vec![first, order_of(("101", "02-10", true, PRO), PaymentStatus::Open)];
    check("a charge that is not paid", unpaid, vec![], &["order-100: PRO-M 02-10 x1"]);
}

#[test]
fn a_charge_without_a_first_order_opens_a_chain_of_its_own() {
    let facts = vec![paid_order(("101", "02-10", true, PRO)), paid_order(("102", "03-10", true, PRO))];
    check("from before our time", facts, vec![], &["order-101: PRO-M 04-10 x1"]);
}

#[test]
fn two_subscriptions_of_one_product_are_told_apart_by_when_they_end() {
    let facts = vec![
        paid_order(("100", "01-01", false, PRO)),
        paid_order(("200", "01-15", false, PRO)),
        paid_order(("101", "02-01", true, PRO)),
        paid_order(("201", "02-15", true, PRO)),
        paid_order(("102", "03-01", true, PRO)),
    ];
    check("two", facts.clone(), vec![], &["order-100: PRO-M 04-01 x1", "order-200: PRO-M 03-15 x1"]);
    // The second is not renewed any more: the first one's charges stay its own.
    let left = [facts, vec![paid_order(("103", "04-01", true, PRO)), paid_order(("104", "05-01", true, PRO))]].concat();
    check("one has left", left, vec![], &["order-100: PRO-M 06-01 x1", "order-200: PRO-M 03-15 x1"]);
}

#[test]
fn products_of_one_order_go_their_own_ways() {
    let facts = vec![
        paid_order(("100", "01-10", false, &[("PRO-M", 1), ("TEAM-M", 2), ("TOOL", 1)])),
        paid_order(("101", "02-10", true, &[("TEAM-M", 3)])),
    ];
    check("mixed", facts, vec![], &["order-100: PRO-M 02-10 x1, TEAM-M 03-10 x3, TOOL for ever x1"]);
    let twice = vec![
        paid_order(("100", "01-10", false, &[("PRO-M", 1), ("PRO-Y", 1)])),
        paid_order(("101", "02-10", true, PRO)),
    ];
    check("two plans of one product", twice, vec![], &["order-100: PRO-M 03-10 x1, PRO-Y 01-10 x1"]);
    let once = vec![paid_order(("100", "01-10", false, PRO)), paid_order(("101", "02-10", true, &[("TOOL", 1)]))];
    check("once, charged by an app", once, vec![], &["order-100: PRO-M 02-10 x1", "order-101: TOOL for ever x1"]);
}

#[test]
fn what_goes_back_ends_what_it_bought() {
    let edge = |kind, id: &str, order: &str| Link {
        child: Entity::new(kind, id),
        parent: Entity::new(EntityKind::Order, order),
    };
    let two = || vec![paid_order(("100", "01-10", false, PRO)), paid_order(("101", "02-10", true, PRO))];
    let refund = [two(), vec![refund(1, "02-12", 1_000, true)]].concat();
    check("refunded", refund, vec![edge(EntityKind::Refund, "re_1", "101")], &["order-100: PRO-M 02-10 x1"]);
    let lost = [two(), vec![dispute(1, "02-12", DisputeStatus::Lost)]].concat();
    check("lost", lost, vec![edge(EntityKind::Dispute, "dp_1", "101")], &["order-100: PRO-M 02-10 x1"]);
    let taken = vec![
        paid_order(("100", "01-10", false, &[("PRO-M", 1), ("TEAM-M", 2)])),
        // The same order, said again: one of its two products is down to nothing.
        Recorded {
            fact: Fact {
                key: FactKey { at: at("01-11"), ..paid_order(("100", "01-10", false, PRO)).fact.key.clone() },
                identity: "order 100, edited".to_owned(),
                ..(*paid_order(("100", "01-10", false, &[("PRO-M", 0), ("TEAM-M", 2)])).fact).clone()
            }
            .into(),
            position: 2,
        },
    ];
    check("taken out", taken, vec![], &["order-100: PRO-M - x0, TEAM-M 02-10 x2"]);
}

#[test]
fn an_order_of_a_contract_of_ours_is_in_no_chain() {
    let contract = Link { child: Entity::new(EntityKind::Order, "100"), parent: Entity::subscription("contract_1") };
    check("ours", vec![paid_order(("100", "01-10", false, PRO))], vec![contract], &[]);
}

/// The number of a later order never decides; the instant does, and the number only between equals.
#[test]
fn orders_of_one_instant_are_taken_by_their_number() {
    let facts = vec![
        paid_order(("9", "01-10", false, PRO)),
        paid_order(("10", "01-10", false, PRO)),
        paid_order(("11", "02-10", true, PRO)),
    ];
    check("tie", facts, vec![], &["order-9: PRO-M 03-10 x1", "order-10: PRO-M 02-10 x1"]);
}

/// The order of a renewal is told some minutes before the billing attempt that ties it to its
/// contract: a license made in between would be a second one.
#[test]
fn a_charge_of_no_known_subscription_waits_for_a_contract_to_claim_it() {
    let entitled = |orders: Vec<Recorded>, now: &str| {
        let chains = chains::split(&book(orders, vec![]), "shop", &shop_rules());
        let item = &chains[0].snapshot.as_ref().unwrap().value.items[0];
        let e = entitlement::of_item(&chains[0], item, SOURCE, &shop_rules(), at(now)).unwrap();
        (e.standing, e.reason, e.next_transition_at)
    };
    let charge = || vec![paid_order(("101", "02-10 12:00:00", true, PRO))];
    let wait = (Standing::None, "may_belong_to_a_contract".to_owned(), Some(at("02-10 12:10:00")));
    assert_eq!(entitled(charge(), "02-10 12:09:59"), wait);
    let paid = (Standing::Active, "paid".to_owned(), Some(at("03-10")));
    assert_eq!(entitled(charge(), "02-10 12:10:00"), paid);
    let bought = || vec![paid_order(("100", "02-10 12:00:00", false, PRO))];
    assert_eq!(entitled(bought(), "02-10 12:00:01"), paid, "what a buyer chose waits for nobody");
    let renewed = [bought(), vec![paid_order(("101", "03-10 12:00:00", true, PRO))]].concat();
    assert_eq!(entitled(renewed, "03-10 12:00:01").0, Standing::Active, "nor does what extends a chain");
}
