//! The calls that are needed, and no others.

use super::*;

/// What LicenseSpring holds: `None` where it was never seen.
pub(super) fn record(product: &str, ordinal: u32, generation: u32, observed: Option<Observed>) -> LicenseRecord {
    let line = Line { source: "shop".into(), subscription_id: "sub_1".into(), product_code: product.into(), ordinal };
    let order_id = line.order_id(generation);
    LicenseRecord {
        intents: 1,
        observed,
        last_intent: Some(1),
        last_outcome: Some(2),
        ..LicenseRecord::new(&order_id, line, generation)
    }
}

/// Enabled, paid to 04-01, three seats: exactly what `month` deserves.
pub(super) fn right(license_id: i64) -> Observed {
    Observed {
        license_id,
        enabled: true,
        valid_until: Some("2026-04-05".parse().unwrap()),
        is_trial: false,
        license_type: Some("subscription".to_owned()),
        product_code: None,
        max_activations: Some(3),
        floating_users: None,
        max_license_users: None,
        features: vec![],
    }
}

fn held(observed: Observed) -> Vec<LicenseRecord> {
    vec![record("PRO", 1, 1, Some(observed))]
}

pub(super) fn off_by_us(record: LicenseRecord) -> LicenseRecord {
    let observed = record.observed.map(|o| Observed { enabled: false, ..o });
    LicenseRecord { disabled_by_us: true, observed, ..record }
}

fn opened(record: LicenseRecord) -> LicenseRecord {
    let intent = intent(&record, 1, Action::Enable { license_id: 0 });
    LicenseRecord { open: Some(OpenIntent { intent, recorded_at: at("03-01") }), ..record }
}

/// The n-th intent for the order of a record.
pub(super) fn intent(record: &LicenseRecord, n: i64, action: Action) -> Intent {
    Intent {
        order_id: record.order_id.clone(),
        n,
        line: record.line.clone(),
        order_generation: record.order_generation,
        action,
        reason: String::new(),
        because: vec![],
        state_hash: String::new(),
        rules_hash: String::new(),
        destructive: false,
        announced: false,
        plan: None,
        approved: false,
    }
}

pub(super) fn month(status: Status, price: &str) -> Vec<Recorded> {
    let items = vec![item("si_1", price, 3, ("03-01", "04-01"))];
    vec![shown("03-01", snapshot(status, items)), paid("in_1", vec![line("si_1", "03-01", "04-01")])]
}

fn planned(facts: Vec<Recorded>, policy: Value, held: &[LicenseRecord]) -> Vec<Step> {
    planned_by(&rules(policy), facts, held)
}

pub(super) fn planned_by(rules: &Rules, facts: Vec<Recorded>, held: &[LicenseRecord]) -> Vec<Step> {
    let state = state(facts);
    diff(&deserved(&state, SOURCE, rules, at("03-10")), held, &state)
}

/// `create shop:sub_1:PRO`, `update 7 {…}`, …
pub(super) fn told(steps: &[Step]) -> Vec<String> {
    let tell = |step: &Step| match &step.action {
        Action::CreateOrder { .. } => format!("create {}", step.order_id),
        Action::Update { license_id, changes } => format!("update {license_id} {changes}"),
        Action::Enable { license_id } => format!("enable {license_id}"),
        Action::Disable { license_id } => format!("disable {license_id}"),
        Action::ResetDevices { license_id } => format!("reset {license_id}"),
        Action::SetFeatures { license_id, features } => format!("features {license_id} {}", features.join(",")),
    };
    steps.iter().map(tell).collect()
}

fn check(name: &str, facts: Vec<Recorded>, policy: Value, held: &[LicenseRecord], expected: &[&str]) {
    assert_eq!(told(&planned(facts, policy, held)), expected, "{name}");
}

#[test]
fn only_what_differs_is_called() {
    let paid = || month(Status::Active, "price_pro");
    let early = Some("2026-03-05".parse().unwrap());
    let table: [(&str, Observed, &[&str]); 7] = [
        ("equal", right(7), &[]),
        (
            "the date, with its companion",
            Observed { valid_until: early, ..right(7) },
            &[r#"update 7 {"is_trial":false,"validity_period":"2026-04-05"}"#],
        ),
        (
            "no date",
            Observed { valid_until: None, ..right(7) },
            &[r#"update 7 {"is_trial":false,"validity_period":"2026-04-05"}"#],
        ),
        ("a trial no more", Observed { is_trial: true, ..right(7) }, &[r#"update 7 {"is_trial":false}"#]),
        ("seats", Observed { max_activations: Some(2), ..right(7) }, &[r#"update 7 {"max_activations":3}"#]),
        (
            "both",
            Observed { valid_until: early, max_activations: None, ..right(7) },
            &[r#"update 7 {"is_trial":false,"max_activations":3,"validity_period":"2026-04-05"}"#],
        ),
        ("the vendor switched it off", Observed { enabled: false, ..right(7) }, &[]),
    ];
    for (name, observed, expected) in table {
        check(name, paid(), json!({}), &held(observed), expected);
    }
    let later = off_by_us(record("PRO", 1, 1, Some(Observed { valid_until: early, ..right(7) })));
    check(
        "recovered: extend, then enable",
        paid(),
        json!({}),
        &[later],
        &[r#"update 7 {"is_trial":false,"validity_period":"2026-04-05"}"#, "enable 7"],
    );
    check(
        "recovered, the date still right",
        paid(),
        json!({}),
        &[off_by_us(record("PRO", 1, 1, Some(right(7))))],
        &["enable 7"],
    );
}

#[test]
fn a_license_is_created_when_it_is_deserved_and_not_before() {
    let create: &[&str] = &["create shop:sub_1:PRO"];
    let unpaid = vec![month(Status::Active, "price_pro").remove(0)];
    check("paid", month(Status::Active, "price_pro"), json!({}), &[], create);
    check("not paid", unpaid, json!({}), &[], &[]);
    for status in [Status::Incomplete, Status::Unknown, Status::Canceled, Status::Unpaid, Status::Paused] {
        check(status.as_str(), month(status, "price_pro"), json!({}), &[], &[]);
    }
    let lapsed = vec![
        shown("01-01", snapshot(Status::Active, vec![item("si_1", "price_pro", 3, ("01-01", "02-01"))])),
        paid("in_1", vec![line("si_1", "01-01", "02-01")]),
    ];
    check("long over", lapsed, json!({}), &[], &[]);
    check("asked for, never seen", month(Status::Active, "price_pro"), json!({}), &[record("PRO", 1, 1, None)], create);
    check("in doubt", month(Status::Active, "price_pro"), json!({}), &[opened(record("PRO", 1, 1, None))], &[]);
    check(
        "in doubt, and different",
        month(Status::Canceled, "price_pro"),
        json!({}),
        &[opened(record("PRO", 1, 1, Some(right(7))))],
        &[],
    );
}

#[test]
fn the_order_carries_everything_that_the_license_needs() {
    let customer =
        CustomerFacts { email: Some("a@b.c".into()), first_name: Some("Ann".into()), ..CustomerFacts::default() };
    let mut facts = month(Status::Active, "price_pro");
    facts.push(fact(Entity::customer("cus_1"), "03-01", 1, "c", FactBody::Customer(customer)));
    let steps = planned(facts, json!({}), &[]);
    let Action::CreateOrder { body } = &steps[0].action else { panic!("{steps:?}") };
    assert_eq!(
        (&body["id"], &body["append"], &body["is_test"]),
        (&json!("shop:sub_1:PRO"), &json!(false), &json!(false))
    );
    assert_eq!(body["customer"], json!({"reference": "shop:cus_1", "email": "a@b.c", "first_name": "Ann"}));
    assert_eq!(
        body["items"],
        json!([{"product_code": "PRO", "licenses": [{
        "policy_code": "pro-monthly", "license_type": "subscription", "validity_period": "2026-04-05", "is_trial": false,
        "max_activations": 3, "subscription_id": "sub_1", "note": "shop/sub_1"}]}])
    );
}

#[test]
fn a_stop_is_one_call_and_no_date() {
    let stale = Observed { valid_until: None, max_activations: Some(99), ..right(7) };
    for status in [Status::Canceled, Status::Unpaid, Status::Paused] {
        check(status.as_str(), month(status, "price_pro"), json!({}), &held(stale.clone()), &["disable 7"]);
        let off = Observed { enabled: false, ..stale.clone() };
        check("off already", month(status, "price_pro"), json!({}), &held(off), &[]);
    }
    let mut lapsed = month(Status::Active, "price_pro");
    lapsed[1] = paid("in_1", vec![line("si_1", "01-01", "02-01")]);
    let of = |date: &str| held(Observed { valid_until: Some(date.parse().unwrap()), ..right(7) });
    let check_lapsed = |name, date, expected| check(name, lapsed.clone(), json!({}), &of(date), expected);
    check_lapsed("lapsed by date: LicenseSpring does it", "2026-02-05", &[]);
    check_lapsed("with a later date, which is over too", "2026-03-10", &[]);
    check_lapsed("from when more was known to be paid", "2026-04-05", &["disable 7"]);
}

#[test]
fn what_is_not_paid_lives_on_what_it_took_the_place_of_and_on_nothing_else() {
    let changed = || shown("03-05", snapshot(Status::PastDue, vec![item("si_2", "price_pro", 3, ("03-05", "04-05"))]));
    let bought = month(Status::Active, "price_pro");
    check("a new item, not paid yet", [bought, vec![changed()]].concat(), json!({}), &held(right(7)), &[]);
    check("nothing is paid", vec![changed()], json!({}), &held(right(7)), &["disable 7"]);
    let over = Observed { valid_until: Some("2026-03-10".parse().unwrap()), ..right(7) };
    check("nothing is paid, and it is over", vec![changed()], json!({}), &held(over), &[]);
}

#[test]
fn devices_go_before_the_switch() {
    let released = LicenseRecord { devices_released: true, ..record("PRO", 1, 1, Some(right(7))) };
    let table: [(&str, bool, &[&str]); 6] = [
        ("deactivate_and_disable", false, &["reset 7", "disable 7"]),
        ("deactivate_and_disable", true, &["disable 7"]),
        ("deactivate_devices", false, &["reset 7"]),
        ("deactivate_devices", true, &[]),
        ("disable", false, &["disable 7"]),
        ("expire_only", false, &[]),
    ];
    for (mode, is_released, expected) in table {
        let held = if is_released { vec![released.clone()] } else { held(right(7)) };
        let ended = Snapshot { ended_at: Some(at("04-04 13:00:00")), ..month_of(Status::Canceled) };
        let facts = vec![month(Status::Canceled, "price_pro").remove(1), shown("03-09", ended)];
        check(mode, facts, json!({"on_cancel": mode}), &held, expected);
    }
    // Suspended is not ended: the devices stay.
    check(
        "paused",
        month(Status::Paused, "price_pro"),
        json!({"on_cancel": "deactivate_and_disable"}),
        &held(right(7)),
        &["disable 7"],
    );
}

fn month_of(status: Status) -> Snapshot {
    snapshot(status, vec![item("si_1", "price_pro", 3, ("03-01", "04-01"))])
}

#[test]
fn under_expire_only_a_stop_moves_the_date() {
    let ended = Snapshot { ended_at: Some(at("03-09")), ..month_of(Status::Canceled) };
    let facts = || vec![month(Status::Active, "price_pro").remove(1), shown("03-09", ended.clone())];
    let policy = || json!({"on_cancel": "expire_only"});
    check(
        "shorter",
        facts(),
        policy(),
        &held(right(7)),
        &[r#"update 7 {"is_trial":false,"validity_period":"2026-03-10"}"#],
    );
    let done = Observed { valid_until: Some("2026-03-10".parse().unwrap()), ..right(7) };
    check("done", facts(), policy(), &held(done), &[]);
}

/// Canceled in its trial, a license stays the trial that it was.
#[test]
fn a_trial_that_ends_under_expire_only_needs_one_field() {
    let items = vec![item("si_1", "price_pro", 3, ("03-01", "03-15"))];
    let ended =
        Snapshot { trial_end: Some(at("03-15")), ended_at: Some(at("03-09")), ..snapshot(Status::Canceled, items) };
    let facts = vec![paid("in_1", vec![line("si_1", "03-01", "03-15")]), shown("03-09", ended)];
    let trial = Observed { is_trial: true, valid_until: Some("2026-03-10".parse().unwrap()), ..right(7) };
    check("already so", facts, json!({"on_cancel": "expire_only"}), &held(trial), &[]);
}

#[test]
fn another_product_on_the_same_item_is_a_new_license_and_then_the_old_one_goes() {
    let pro = || record("PRO", 1, 1, Some(right(7)));
    let team = || record("TEAM", 1, 1, Some(right(8)));
    let to_team = || month(Status::Active, "price_team");
    let back = || month(Status::Active, "price_pro");
    check("swap", to_team(), json!({}), &[pro()], &["create shop:sub_1:TEAM", "disable 7"]);
    check("done", to_team(), json!({}), &[off_by_us(pro()), team()], &[]);
    check("half done", to_team(), json!({}), &[pro(), team()], &["disable 7"]);
    check("and back", back(), json!({}), &[off_by_us(pro()), team()], &["enable 7", "disable 8"]);
    // While the new one is not there, nobody loses the old one.
    check("in doubt", to_team(), json!({}), &[pro(), opened(record("TEAM", 1, 1, None))], &[]);
    let create = planned(to_team(), json!({}), &[]).remove(0);
    let refused = LicenseRecord { parked: Some(parked(&create.action)), ..record("TEAM", 1, 1, None) };
    check("refused", to_team(), json!({}), &[pro(), refused], &[]);
    let items = vec![item("si_2", "price_team", 3, ("03-09", "04-01"))];
    let owing =
        vec![shown("03-09", snapshot(Status::PastDue, items)), paid("in_1", vec![line("si_1", "03-01", "04-01")])];
    check("not paid yet", owing, json!({}), &[pro()], &[]);
    let over = Snapshot { ..snapshot(Status::Canceled, vec![item("si_1", "price_team", 3, ("03-01", "04-01"))]) };
    check("ended", vec![shown("03-09", over)], json!({}), &[pro()], &["disable 7"]);
}

#[test]
fn an_item_that_went_takes_its_license_along() {
    let two = [record("PRO", 1, 1, Some(right(7))), record("TEAM", 1, 1, Some(right(8)))];
    check("removed", month(Status::Active, "price_pro"), json!({}), &two, &["disable 8"]);
    let cut = Snapshot { items_complete: false, ..month_of(Status::Active) };
    let facts = || vec![month(Status::Active, "price_pro").remove(1)];
    check("a list that was cut off", [facts(), vec![shown("03-02", cut)]].concat(), json!({}), &two, &[]);
    let items =
        vec![item("si_1", "price_pro", 3, ("03-01", "04-01")), item("si_2", "price_new", 1, ("03-01", "04-01"))];
    check(
        "a product nobody mapped",
        [facts(), vec![shown("03-02", snapshot(Status::Active, items))]].concat(),
        json!({}),
        &two,
        &[],
    );
}

#[test]
fn another_type_is_the_next_generation_and_an_old_one_of_the_type_comes_back() {
    let typed = |word: &str| -> Rules {
        serde_json::from_value(
            json!({"catalog": [{"match": {"price": "price_pro"}, "product_code": "PRO", "license_type": word}]}),
        )
        .unwrap()
    };
    let first = || record("PRO", 1, 1, Some(right(7)));
    let second = || record("PRO", 1, 2, Some(Observed { license_type: Some("time-limited".into()), ..right(8) }));
    let plan =
        |word: &str, held: &[LicenseRecord]| told(&planned_by(&typed(word), month(Status::Active, "price_pro"), held));
    assert_eq!(plan("time-limited", &[first()]), ["create shop:sub_1:PRO:g2", "disable 7"]);
    assert_eq!(plan("time-limited", &[off_by_us(first()), second()]), [] as [&str; 0]);
    assert_eq!(plan("subscription", &[off_by_us(first()), second()]), ["enable 7", "disable 8"]);
    assert_eq!(plan("perpetual", &[off_by_us(first()), off_by_us(second())]), ["create shop:sub_1:PRO:g3"]);
}

#[test]
fn quantities_become_the_field_that_the_catalog_names() {
    for (seats, field) in [
        ("max_activations", "max_activations"),
        ("floating_users", "floating_users"),
        ("max_license_users", "max_license_users"),
    ] {
        let rules: Rules = serde_json::from_value(
            json!({"catalog": [{"match": {"price": "price_pro"}, "product_code": "PRO", "seats": seats}]}),
        )
        .unwrap();
        let steps = planned_by(&rules, month(Status::Active, "price_pro"), &[]);
        let Action::CreateOrder { body } = &steps[0].action else { panic!("{steps:?}") };
        assert_eq!(body["items"][0]["licenses"][0][field], json!(3));
        let bare = Observed { max_activations: None, ..right(7) };
        assert_eq!(
            told(&planned_by(&rules, month(Status::Active, "price_pro"), &held(bare))),
            [format!("update 7 {{\"{field}\":3}}")]
        );
    }
    let none = vec![
        shown("03-01", snapshot(Status::Active, vec![item("si_1", "price_pro", 0, ("03-01", "04-01"))])),
        month(Status::Active, "price_pro").remove(1),
    ];
    check(
        "no seats: the license's policy decides",
        none,
        json!({}),
        &held(Observed { max_activations: Some(5), ..right(7) }),
        &[],
    );
}

fn parked(action: &Action) -> Parked {
    Parked {
        action_hash: crate::domain::hash::of(action),
        message: String::new(),
        http_status: Some(400),
        state_hash: None,
    }
}

#[test]
fn a_refused_call_is_not_repeated_until_it_differs() {
    let create = planned(month(Status::Active, "price_pro"), json!({}), &[]).remove(0);
    let refused = LicenseRecord { parked: Some(parked(&create.action)), ..record("PRO", 1, 1, None) };
    check("the same", month(Status::Active, "price_pro"), json!({}), std::slice::from_ref(&refused), &[]);
    let mut renewed = month(Status::Active, "price_pro");
    renewed.push(paid("in_2", vec![line("si_1", "04-01", "05-01")]));
    check("another date", renewed, json!({}), &[refused], &["create shop:sub_1:PRO"]);
}

/// The plan is data: equal facts give an equal plan, and an empty subscription none.
#[test]
fn nothing_known_nothing_planned() {
    let nothing: Deserved = deserved(&State::default(), SOURCE, &rules(json!({})), at("03-10"));
    assert_eq!(diff(&nothing, &held(right(7)), &State::default()), []);
}
