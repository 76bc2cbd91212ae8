//! Catalog and policy.

use super::*;
use crate::domain::rules::{CancelWhen, ExtendOn, OnCancel, OnLoss, OnPause};

type Pairs<'a> = &'a [(&'a str, &'a str)];

#[test]
fn a_policy_is_looked_up_key_by_key() {
    let rules: Rules = serde_json::from_value(json!({"policy": {
        "default": {"grace_days": 1, "on_cancel": "expire_only", "on_pause": "keep"},
        "shop": {"grace_days": 2, "on_refund": "keep"},
        "PRO": {"grace_days": 5}}}))
    .unwrap();
    let (pro, team, elsewhere) =
        (rules.policy("shop", "PRO"), rules.policy("shop", "TEAM"), rules.policy("other", "TEAM"));
    assert_eq!((pro.grace_days, team.grace_days, elsewhere.grace_days), (5, 2, 1));
    assert_eq!((pro.on_refund, elsewhere.on_refund), (OnLoss::Keep, OnLoss::Disable));
    assert_eq!((pro.on_cancel, pro.on_pause), (OnCancel::ExpireOnly, OnPause::Keep));
    let silent = Rules::default().policy("shop", "PRO");
    assert_eq!((silent.extend_on, silent.grace_days, silent.on_cancel), (ExtendOn::Payment, 3, OnCancel::Disable));
    assert_eq!(
        (silent.on_refund, silent.on_refund_partial, silent.on_dispute),
        (OnLoss::Disable, OnLoss::Flag, OnLoss::Disable)
    );
    assert_eq!(
        (silent.on_pause, silent.on_unpaid, silent.cancel_when),
        (OnPause::Disable, OnPause::Disable, CancelWhen::PeriodEnd)
    );
}

#[test]
fn the_rules_of_a_source_come_first_and_integration_keys_last() {
    let rules: Rules = serde_json::from_value(json!({"catalog": [
        {"match": {"price": "p1"}, "product_code": "GENERAL"},
        {"match": {"price": "p2", "lookup_key": "gold"}, "product_code": "GOLD"},
        {"match": {"price": "p2"}, "product_code": "FIRST"},
        {"match": {"price": "p2"}, "product_code": "NEVER"},
        {"source": "shop", "match": {"price": "p1"}, "product_code": "OWN"},
        {"source": "other", "match": {"price": "p3"}, "product_code": "ELSEWHERE"}],
        "integration_keys": {"strict": false}}))
    .unwrap();
    let keys = [("license_policy", "gold"), ("product_short_code", "KEYED")];
    let product = |keys: &[(&str, &str)], attributes: &[(&str, &str)]| {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ProductRef { keys: map(keys), attributes: map(attributes) }
    };
    let table: [(&str, Pairs<'_>, Pairs<'_>, Option<&str>); 9] = [
        ("shop", &[("price", "p1")], &[], Some("OWN")),
        ("else", &[("price", "p1")], &[], Some("GENERAL")),
        ("shop", &[("price", "p2")], &[], Some("FIRST")),
        ("shop", &[("price", "p2"), ("lookup_key", "gold")], &[], Some("GOLD")),
        ("shop", &[("price", "p3")], &[], None),
        ("shop", &[("price", "p1")], &keys, Some("OWN")),
        ("shop", &[("price", "p9")], &keys, Some("KEYED")),
        ("strict", &[("price", "p9")], &keys, None),
        ("shop", &[("price", "p9")], &keys[..1], None),
    ];
    for (source, names, attributes, expected) in table {
        let mapped = rules.map(source, &product(names, attributes)).map(|m| m.product_code);
        assert_eq!(mapped.as_deref(), expected, "{source} {names:?} {attributes:?}");
    }
}

#[test]
fn integration_keys_say_how_seats_are_counted() {
    let table: [(Pairs<'_>, SeatMode, Option<i64>); 5] = [
        (&[], SeatMode::MaxActivations, None),
        (&[("max_activations", "7")], SeatMode::MaxActivations, Some(7)),
        (&[("floating_cloud", "9")], SeatMode::FloatingUsers, Some(9)),
        (&[("floating_users_from_quantity", "true")], SeatMode::FloatingUsers, None),
        (&[("floating_users_from_quantity", "true"), ("floating_cloud", "9")], SeatMode::FloatingUsers, None),
    ];
    for (keys, seats, fixed) in table {
        let attributes =
            [("product_short_code", "PRO")].iter().chain(keys).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let product = ProductRef { keys: BTreeMap::new(), attributes: attributes.collect() };
        let mapped = Rules::default().map("shop", &product).unwrap();
        assert_eq!((mapped.seats, mapped.fixed_seats), (seats, fixed), "{keys:?}");
    }
}

#[test]
fn the_key_license_type_is_for_what_is_bought_once() {
    let product = || {
        let attributes = [("product_short_code", "PRO"), ("license_type", "perpetual")];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
        ProductRef { keys: BTreeMap::from([("price".to_owned(), "p1".to_owned())]), attributes: attributes.into() }
    };
    let typed = |rules: &Rules, one_off: bool| {
        let item = Item { product: product(), one_off, ..item("si_1", "p1", 1, ("03-01", "04-01")) };
        rules.map("shop", &item.product).unwrap().type_of(&item)
    };
    assert_eq!(typed(&Rules::default(), false).as_deref(), Some("subscription"));
    assert_eq!(typed(&Rules::default(), true).as_deref(), Some("perpetual"));
    let said = json!({"catalog": [{"match": {"price": "p1"}, "product_code": "PRO", "license_type": "consumption"}]});
    let said: Rules = serde_json::from_value(said).unwrap();
    assert_eq!(typed(&said, false).as_deref(), Some("consumption"), "a rule of the catalog stays");
}
