//! Several changes of one record inside one second: its stamp tells them apart no more.

use super::histories::*;
use super::*;

/// A change of the one asset at a millisecond of one second, as a trigger tells it.
fn said(n: usize, change: &str, millis: u32, more: Value) -> Value {
    let (object, record) = asset(1, more);
    let mut said = callout(n, object, &record);
    merge(&mut said, json!({"change": change, "occurred_at": format!("2026-01-01T00:00:01.{millis:03}Z")}));
    said
}

/// The same as a message shows it: without an instant of its own.
fn shown(n: usize, more: Value) -> Value {
    let (object, record) = asset(1, more);
    callout(n, object, &record)
}

fn due_of(heard: &[Value]) -> (Vec<String>, bool) {
    let found = states(heard, ACCOUNT, &configured());
    (due(&found, "2026-06-01"), found.iter().any(|state| state.uncertain))
}

fn seats(n: i64) -> (Vec<String>, bool) {
    (vec![format!("PRO active {n} 2027-01-04 paid")], false)
}

#[test]
fn changes_of_one_second_count_in_the_order_that_callouts_say() {
    let quantity = |n: usize, millis: u32, quantity: i64| said(n, "UPDATE", millis, json!({"Quantity": quantity}));
    assert_eq!(due_of(&[quantity(0, 100, 3), quantity(1, 200, 5), quantity(2, 300, 4)]), seats(4));
    // Back to what it was; and with fewer fields than before.
    assert_eq!(due_of(&[quantity(0, 100, 3), quantity(1, 200, 5), quantity(2, 300, 3)]), seats(3));
    let ended = said(1, "UPDATE", 200, json!({"Status": "Obsolete"}));
    let again = said(2, "UPDATE", 300, json!({"Status": null, "Quantity": 6}));
    assert_eq!(due_of(&[quantity(0, 100, 3), ended, again]), seats(6));
    // What a message shows that was sent in between is not the last word where a later one takes it back.
    let status = |millis: u32, n: usize, word: Value| said(n, "UPDATE", millis, json!({"InstallDate": word}));
    let moved = [
        status(100, 0, json!("2026-07-01")),
        shown(1, json!({"InstallDate": "2026-07-01"})),
        status(200, 2, json!(null)),
    ];
    assert_eq!(due_of(&moved), seats(5));
    // A message of the second shows what one of them said.
    let both = [quantity(0, 100, 3), quantity(1, 200, 5), shown(2, json!({"Quantity": 3}))];
    assert_eq!(due_of(&both), seats(5));
}

#[test]
fn a_record_is_deleted_restored_and_changed_in_one_second() {
    let made = said(0, "CREATE", 0, json!({}));
    let deleted = said(1, "DELETE", 200, json!({}));
    let restored = said(2, "UNDELETE", 400, json!({}));
    let changed = said(3, "UPDATE", 600, json!({"Quantity": 7}));
    let over = (vec!["PRO ended - - canceled off".to_owned()], false);
    assert_eq!(due_of(&[made.clone(), deleted.clone()]), over);
    assert_eq!(due_of(&[made.clone(), deleted.clone(), restored.clone()]), seats(5));
    assert_eq!(due_of(&[made.clone(), deleted.clone(), restored, changed.clone()]), seats(7));
    // What is gone is not changed: it was told of later, from a queue.
    assert_eq!(due_of(&[made.clone(), changed, deleted.clone()]), over);
    assert_eq!(due_of(&[made, shown(4, json!({"Quantity": 8})), deleted]), over);
}

#[test]
fn what_two_messages_of_one_second_differ_in_is_a_guess_and_shown_as_one() {
    let three = || shown(0, json!({"Quantity": 3}));
    let found = states(&[three(), shown(1, json!({"Quantity": 4}))], ACCOUNT, &configured());
    assert!(found[0].uncertain);
    assert_eq!(found[0].status(), Status::Active, "and it is no reason to take anything away");
    // One that shows less of the same is no riddle, and the next second ends every one.
    let mut less = three();
    less["record"].as_object_mut().unwrap().remove("UsageEndDate");
    assert_eq!(due_of(&[three(), less]), seats(3));
    let next = shown(2, json!({"Quantity": 9, "SystemModstamp": "2026-01-01T00:00:02.000Z"}));
    assert_eq!(due_of(&[three(), shown(1, json!({"Quantity": 4})), next]), seats(9));
    // A message that shows what no callout said.
    let odd = [said(0, "UPDATE", 100, json!({"Quantity": 3})), shown(1, json!({"Quantity": 4}))];
    assert!(due_of(&odd).1);
}
