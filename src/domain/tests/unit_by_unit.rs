//! `seats = "licenses"`: one license per unit.

use super::planned::{month, off_by_us, planned_by, record, right, told};
use super::*;

#[test]
fn one_license_per_unit_where_the_catalog_says_so() {
    let rules: Rules = serde_json::from_value(
        json!({"catalog": [{"match": {"price": "price_pro"}, "product_code": "PRO", "seats": "licenses"}]}),
    )
    .unwrap();
    let observed = |id| Observed { max_activations: None, ..right(id) };
    let three: Vec<LicenseRecord> = (1..=3).map(|n| record("PRO", n, 1, Some(observed(i64::from(n))))).collect();
    let plan = |held: &[LicenseRecord]| told(&planned_by(&rules, month(Status::Active, "price_pro"), held));
    assert_eq!(plan(&[]), ["create shop:sub_1:PRO", "create shop:sub_1:PRO.2", "create shop:sub_1:PRO.3"]);
    assert_eq!(plan(&three), [] as [&str; 0]);
    let four: Vec<LicenseRecord> = three.iter().cloned().chain([record("PRO", 4, 1, Some(observed(4)))]).collect();
    assert_eq!(plan(&four), ["disable 4"]);
    assert_eq!(plan(&[three[0].clone(), three[1].clone(), off_by_us(three[2].clone())]), ["enable 3"]);
    let left = |quantity: Option<i64>, held: &[LicenseRecord]| {
        let mut facts = month(Status::Active, "price_pro");
        let item = Item { quantity, ..item("si_1", "price_pro", 0, ("03-01", "04-01")) };
        facts.push(shown("03-02", snapshot(Status::Active, vec![item])));
        told(&planned_by(&rules, facts, held))
    };
    assert_eq!(left(Some(0), &[]), [] as [&str; 0], "none left, none made");
    assert_eq!(left(Some(0), &three[..1]), ["disable 1"]);
    assert_eq!(left(None, &[]), ["create shop:sub_1:PRO"], "not counted");
}
