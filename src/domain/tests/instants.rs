//! Several snapshots of one second.

use std::sync::Arc;

use super::*;

/// `created 3`, `3>5` (an edge), `5` (a bare snapshot), `x` (the end), seats being the state.
fn check(prior: Option<i64>, told: &[&str], expected: &str, uncertain: bool) {
    let seats = |n: i64| snapshot(Status::Active, vec![item("si_1", "price_pro", n, ("03-01", "04-01"))]);
    let node = |word: &str| match word.trim() {
        "x" => snapshot(Status::Canceled, vec![]),
        "incomplete" => snapshot(Status::Incomplete, vec![]),
        n => seats(n.parse().unwrap()),
    };
    let key = |rank: u8, id: usize| FactKey {
        at: at("03-01"),
        within: 0,
        rank,
        external_id: format!("evt_{id}"),
        api_version: String::new(),
    };
    let read = |(id, word): (usize, &&str)| match (word.strip_prefix("created "), word.split_once('>')) {
        (Some(first), _) => (key(0, id), None, node(first)),
        (None, Some((before, after))) => (key(2, id), Some(node(before)), node(after)),
        (None, None) => (key(if *word == "x" { 3 } else { 2 }, id), None, node(word)),
    };
    let told_ids: Vec<_> = told.iter().enumerate().map(read).collect();
    let prior = prior.map(seats);
    // Ids must not matter where there is a path: every rotation gives other ids.
    for turn in 0..told_ids.len() {
        let mut keyed = told_ids.clone();
        let ids: Vec<String> = keyed.iter().map(|k| k.0.external_id.clone()).collect();
        keyed.iter_mut().enumerate().for_each(|(i, k)| k.0.external_id.clone_from(&ids[(i + turn) % ids.len()]));
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        let sightings: Vec<Sighting<'_>> =
            keyed.iter().map(|(key, before, after)| Sighting { key, before: before.as_ref(), after }).collect();
        let Decision { winner, uncertain: unsure } = decide(prior.as_ref(), &sightings);
        assert_eq!(unsure, uncertain, "{prior:?} {told:?}");
        if !uncertain {
            assert_eq!(*sightings[winner].after, node(expected), "{prior:?} {told:?}");
        }
    }
}

#[test]
fn the_end_of_the_path_is_the_state() {
    let certain: [(Option<i64>, &[&str], &str); 20] = [
        (Some(3), &["3>5", "5>3"], "3"),
        (None, &["created 3", "3>5", "5>3"], "3"),
        (None, &["created 3", "3>5"], "5"),
        (None, &["created incomplete", "incomplete>3"], "3"),
        // The snapshot of `created` may be newer than its name.
        (None, &["created 3", "incomplete>3"], "3"),
        (Some(3), &["3>5", "5>7", "7>3", "3>4"], "4"),
        (Some(3), &["3>5", "5>3", "3>5"], "5"),
        (Some(3), &["3>5", "5>7"], "7"),
        (Some(5), &["3>5", "5>3"], "5"),
        // One change told twice under two ids.
        (Some(3), &["3>5", "3>5"], "5"),
        // Only fields that cannot matter changed.
        (Some(3), &["3>3", "3>3"], "3"),
        (None, &["3>3"], "3"),
        (Some(3), &["3>5", "5>5"], "5"),
        // An edge that begins elsewhere: what led there has not come.
        (Some(3), &["5>7"], "7"),
        // Bare snapshots that lie on the path.
        (Some(3), &["3>5", "5", "5>7", "3"], "7"),
        (Some(3), &["5"], "5"),
        (Some(3), &["5", "5"], "5"),
        (None, &["created 3", "5"], "5"),
        // The provider's last word.
        (Some(3), &["3>5", "x", "5>7"], "x"),
        (None, &["x", "created 3"], "x"),
    ];
    for (prior, told, expected) in certain {
        check(prior, told, expected, false);
    }
}

#[test]
fn what_cannot_be_decided_is_said_to_be_uncertain() {
    let uncertain: [(Option<i64>, &[&str]); 6] = [
        // A cycle without the state before it, or beside it.
        (None, &["3>5", "5>3"]),
        (Some(9), &["3>5", "5>3"]),
        // A gap: 5>7 is missing, and what follows it may come first.
        (Some(3), &["3>5", "7>9"]),
        // Different snapshots, and only their ids to tell them apart.
        (Some(3), &["5", "7"]),
        (None, &["5", "7", "9"]),
        // A snapshot that no edge touches.
        (Some(3), &["3>5", "8"]),
    ];
    for (prior, told) in uncertain {
        check(prior, told, "", true);
    }
}

#[test]
fn a_guess_depends_on_keys_alone() {
    let node = |n: i64| snapshot(Status::Active, vec![item("si_1", "price_pro", n, ("03-01", "04-01"))]);
    let edge = |id: &str, before: i64, after: i64| {
        let body = FactBody::Subscription { after: Box::new(node(after)), before: Some(Box::new(node(before))) };
        fact(Entity::subscription("sub_1"), "03-01", 2, id, body)
    };
    let facts = [edge("evt_b", 3, 5), edge("evt_a", 5, 3)];
    let forth = state(facts.to_vec());
    let back = state(facts.into_iter().rev().collect());
    assert!(forth.uncertain);
    assert_eq!(forth.fold_hash(), back.fold_hash());
    assert_eq!(forth.snapshot.unwrap().value, node(5), "the greater key stands");
}

#[test]
fn terminal_is_never_left() {
    let ended = Snapshot { ended_at: Some(at("03-10")), ..snapshot(Status::Canceled, vec![]) };
    let late = snapshot(Status::Active, vec![item("si_1", "price_pro", 3, ("03-01", "04-01"))]);
    let state = state(vec![shown("03-10", ended), shown("03-11", late)]);
    assert_eq!(state.status(), Status::Canceled);
}

#[test]
fn a_list_that_was_cut_off_takes_no_item_away() {
    let both =
        vec![item("si_1", "price_pro", 3, ("03-01", "04-01")), item("si_2", "price_team", 1, ("03-01", "04-01"))];
    let cut = Snapshot { items_complete: false, ..snapshot(Status::Active, vec![both[1].clone()]) };
    let whole = snapshot(Status::Active, vec![both[1].clone()]);
    let ids = |last: Snapshot| {
        let state = state(vec![shown("03-01", snapshot(Status::Active, both.clone())), shown("03-02", last)]);
        state.snapshot.unwrap().value.items.into_iter().map(|i| i.item_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(cut), ["si_1", "si_2"]);
    assert_eq!(ids(whole), ["si_2"]);
}

/// A resend carries the clock of its sending; the first telling counts, also where it was
/// folded long ago.
#[test]
fn a_resend_is_no_news() {
    let told = |when: &str, id: &str, email: &str| {
        let facts = CustomerFacts { email: Some(email.to_owned()), ..CustomerFacts::default() };
        let mut recorded = fact(Entity::customer("cus_1"), when, 1, id, FactBody::Customer(facts));
        let fact = Arc::make_mut(&mut recorded.fact);
        fact.by_event_clock = true;
        fact.identity = email.to_owned();
        recorded
    };
    let start = shown("03-01", snapshot(Status::Active, vec![]));
    let (old, new, again) =
        (told("03-02", "e1", "old@x.org"), told("03-03", "e2", "new@x.org"), told("03-09", "e3", "old@x.org"));
    let mut live = state(vec![start.clone(), old.clone()]);
    assert!(live.can_advance(std::slice::from_ref(&new)));
    live.advance(vec![new.clone()], []);
    assert!(!live.can_advance(std::slice::from_ref(&again)), "only the whole set tells it from news");
    let whole = state(vec![start, old, new, again]);
    assert_eq!(whole.fold_hash(), live.fold_hash());
    assert_eq!(whole.customer().email.as_deref(), Some("new@x.org"));
}

#[test]
fn a_list_that_was_cut_off_is_said_to_be_missing() {
    let of = |items_complete| {
        let snapshot = Snapshot {
            items_complete,
            ..snapshot(Status::Active, vec![item("si_1", "price_pro", 1, ("02-01", "03-01"))])
        };
        state(vec![shown("02-01", snapshot)])
    };
    assert!(of(true).missing().is_empty());
    assert_eq!(of(false).missing().into_iter().collect::<Vec<_>>(), ["items"]);
}
