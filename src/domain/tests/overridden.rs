//! What admins decide outranks what providers say, until it is withdrawn or runs out.

use super::*;
use crate::domain::overrides::{Override, OverrideKind};

fn said(id: &str, when: &str, kind: OverrideKind, until: Option<&str>, product: Option<&str>) -> Recorded {
    let value = Override {
        subscription_id: "sub_1".to_owned(),
        kind,
        product_code: product.map(ToOwned::to_owned),
        until: until.map(at),
        withdrawn: false,
    };
    let body = FactBody::Override { id: id.to_owned(), value };
    fact(Entity::subscription("sub_1"), when, 255, &format!("{id} {when}"), body)
}

fn withdrawn(id: &str, when: &str, kind: OverrideKind, until: Option<&str>) -> Recorded {
    let (subscription_id, until) = ("sub_1".to_owned(), until.map(at));
    let value = Override { subscription_id, kind, product_code: None, until, withdrawn: true };
    let body = FactBody::Override { id: id.to_owned(), value };
    fact(Entity::subscription("sub_1"), when, 255, &format!("{id} {when}"), body)
}

fn month(status: Status) -> Vec<Recorded> {
    let items = vec![item("si_1", "price_pro", 3, ("03-01", "04-01"))];
    vec![shown("03-01", snapshot(status, items)), paid("in_1", vec![line("si_1", "03-01", "04-01")])]
}

fn entitled(facts: Vec<Recorded>, now: &str) -> Entitlement {
    let state = state(facts);
    let item = state.snapshot.as_ref().unwrap().value.items[0].clone();
    entitlement::of_item(&state, &item, SOURCE, &rules(json!({})), at(now)).unwrap()
}

#[test]
fn an_override_outranks_the_provider() {
    use OverrideKind::{Comp, Extend, Revoke};
    let with = |facts: Vec<Recorded>, more: Recorded| facts.into_iter().chain([more]).collect::<Vec<_>>();
    let unpaid =
        || vec![shown("03-01", snapshot(Status::Active, vec![item("si_1", "price_pro", 3, ("03-01", "04-01"))]))];
    type Case = (&'static str, Vec<Recorded>, &'static str, Switch, Option<&'static str>, &'static str);
    let table: [Case; 14] = [
        ("nothing said", month(Status::Active), "03-10", Switch::On, Some("2026-04-05"), "paid"),
        (
            "revoked",
            with(month(Status::Active), said("o", "03-05", Revoke, None, None)),
            "03-10",
            Switch::Off,
            None,
            "revoked",
        ),
        (
            "until a day",
            with(month(Status::Active), said("o", "03-05", Revoke, Some("03-09"), None)),
            "03-10",
            Switch::On,
            Some("2026-04-05"),
            "paid",
        ),
        (
            "another product",
            with(month(Status::Active), said("o", "03-05", Revoke, None, Some("TEAM"))),
            "03-10",
            Switch::On,
            Some("2026-04-05"),
            "paid",
        ),
        (
            "a comp for what was never paid",
            with(unpaid(), said("o", "03-05", Comp, Some("06-01 00:00:00"), None)),
            "03-10",
            Switch::On,
            Some("2026-06-01"),
            "comp",
        ),
        (
            "an extension needs something to extend",
            with(unpaid(), said("o", "03-05", Extend, Some("06-01"), None)),
            "03-10",
            Switch::Off,
            None,
            "not_paid_yet",
        ),
        (
            "a comp after the end",
            with(month(Status::Canceled), said("o", "03-05", Comp, Some("06-01"), None)),
            "03-10",
            Switch::On,
            Some("2026-06-02"),
            "comp",
        ),
        (
            "extended",
            with(month(Status::Active), said("o", "03-05", Extend, Some("06-01"), None)),
            "03-10",
            Switch::On,
            Some("2026-06-02"),
            "extended",
        ),
        (
            "its own lasts longer",
            with(month(Status::Active), said("o", "03-05", Extend, Some("03-20"), None)),
            "03-10",
            Switch::On,
            Some("2026-04-05"),
            "paid",
        ),
        (
            "run out",
            with(month(Status::Canceled), said("o", "03-05", Comp, Some("03-09"), None)),
            "03-10",
            Switch::Off,
            None,
            "canceled",
        ),
        (
            "withdrawn",
            with(
                with(month(Status::Active), said("o", "03-05", Revoke, None, None)),
                withdrawn("o", "03-06", Revoke, None),
            ),
            "03-10",
            Switch::On,
            Some("2026-04-05"),
            "paid",
        ),
        (
            "a comp as long as its license runs",
            with(unpaid(), said("o", "03-05", Comp, Some("03-10 09:00:00"), None)),
            "03-10 10:00:00",
            Switch::On,
            Some("2026-03-11"),
            "comp",
        ),
        (
            "a comp withdrawn: its license has nothing else to run by",
            with(unpaid(), withdrawn("o", "03-06", Comp, Some("06-01"))),
            "03-10",
            Switch::Off,
            None,
            "not_paid_yet",
        ),
        (
            "an extension withdrawn of what is paid",
            with(month(Status::Active), withdrawn("o", "03-06", Extend, Some("06-01"))),
            "03-10",
            Switch::On,
            Some("2026-04-05"),
            "paid",
        ),
    ];
    for (name, facts, now, switch, until, reason) in table {
        let got = entitled(facts, now);
        let shown = (got.switch, got.valid_until.map(|d| d.to_string()), got.reason.as_str());
        assert_eq!(shown, (switch, until.map(ToOwned::to_owned), reason), "{name}");
    }
}

#[test]
fn a_revocation_outranks_a_comp_and_time_ends_it_by_itself() {
    let mut facts = month(Status::Active);
    facts.push(said("a", "03-05", OverrideKind::Comp, Some("09-01"), None));
    facts.push(said("b", "03-06", OverrideKind::Revoke, Some("03-20"), None));
    let got = entitled(facts.clone(), "03-10");
    assert_eq!((got.switch, got.next_transition_at), (Switch::Off, Some(at("03-20"))));
    let got = entitled(facts, "03-21");
    assert_eq!((got.switch, got.reason.as_str()), (Switch::On, "comp"));
}

#[test]
fn overrides_are_part_of_the_state_whatever_the_order() {
    let mut facts = month(Status::Active);
    let plain = state(facts.clone());
    facts.push(said("a", "03-05", OverrideKind::Revoke, None, None));
    let granted = state(facts.clone());
    facts.push(withdrawn("a", "03-06", OverrideKind::Revoke, None));
    let taken_back = state(facts.clone());
    facts.reverse();
    assert_eq!(state(facts).fold_hash(), taken_back.fold_hash());
    let hashes = [plain.state_hash(), granted.state_hash(), taken_back.state_hash()];
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2], "{hashes:?}");
    assert_eq!(granted.provenance["overrides.a"].event, 1);
}
