//! Subscriptions: shapes, cancellations, and the object before the change.

use super::*;

/// The same subscription, with everything expanded or where it used to be.
fn old_shape() -> Value {
    json!({"id":"sub_1","status":"active","customer":{"id":"cus_1","email":"a@b.c"},"cancel_at_period_end":false,
        "current_period_start":100,"current_period_end":200,"quantity":3,"items":{"data":[
        {"id":"si_1","quantity":3,"price":{"id":"price_1","product":{"id":"prod_1","metadata":{"license_policy":"q"}},
         "lookup_key":"pro","metadata":{"license_policy":"p"}}}]}})
}

#[test]
fn old_and_new_shapes_of_a_subscription_say_the_same() {
    let item = Item {
        item_id: "si_1".into(),
        product: ProductRef {
            keys: [("price", "price_1"), ("product", "prod_1"), ("lookup_key", "pro")].map(pair).into(),
            attributes: [("license_policy", "p")].map(pair).into(),
        },
        quantity: Some(3),
        period_start: Some(at(100)),
        period_end: Some(at(200)),
        metered: false,
        one_off: false,
    };
    let expected = Snapshot {
        status: Status::Active,
        provider_status: "active".into(),
        terminal: false,
        livemode: true,
        customer_id: Some("cus_1".into()),
        trial_end: None,
        cancel_at: None,
        ended_at: None,
        pause_collection: None,
        items: vec![item],
        items_complete: true,
        ..Snapshot::default()
    };
    assert_eq!(after(new_shape()), expected);
    assert_eq!(after(old_shape()), expected);
    let translation = translated_as("customer.subscription.updated", old_shape());
    assert_eq!(links(&translation), ["sub:sub_1 > cus:cus_1"]);
    let key = FactKey { at: at(1000), within: 0, rank: 2, external_id: "evt_1".into(), api_version: "v".into() };
    assert_eq!((&translation.facts[0].key, &*translation.facts[0].identity), (&key, "evt_1"));
}

fn item(changes: Value) -> Value {
    with(new_shape(), json!({"items":{"data":[with(new_shape()["items"]["data"][0].clone(), changes)]}}))
}

#[test]
fn items_in_every_shape() {
    let first = |object| after(object).items.remove(0);
    assert_eq!(first(item(json!({"quantity":null}))).quantity, Some(1));
    assert_eq!(first(item(json!({"quantity":0}))).quantity, Some(0));
    assert_eq!(first(item(json!({"quantity":"4"}))).quantity, Some(4));
    for metered in
        [json!({"price":{"id":"p","recurring":{"usage_type":"metered"}}}), json!({"plan":{"usage_type":"metered"}})]
    {
        let found =
            first(with(item(json!({"quantity":null})), json!({"items":{"data":[with(metered, json!({"id":"si"}))]}})));
        assert_eq!((found.quantity, found.metered), (None, true));
    }
    let plan = first(item(
        json!({"price":null,"plan":{"id":"plan_1","product":{"id":"prod_2"},"metadata":{"license_type":"t"}}}),
    ));
    assert_eq!(plan.product.keys, [("price", "plan_1"), ("product", "prod_2")].map(pair).into());
    assert_eq!(plan.product.attributes, [("license_type", "t")].map(pair).into());
    assert_eq!(first(item(json!({"price":"price_9"}))).product.keys, [("price", "price_9")].map(pair).into());

    // Before there were items.
    let ancient = json!({"id":"sub_1","status":"active","plan":{"id":"gold"},"quantity":2,"current_period_end":200});
    let found = after(ancient);
    assert_eq!((&*found.items[0].item_id, found.items[0].quantity, found.items_complete), ("main", Some(2), true));
    assert_eq!(found.items[0].period_end, Some(at(200)));

    let two = json!({"has_more":true,"data":[{"id":"si_b"},{"id":"si_a"}]});
    let found = after(with(new_shape(), json!({"items":two})));
    assert_eq!(found.items.iter().map(|i| &*i.item_id).collect::<Vec<_>>(), ["si_a", "si_b"]);
    assert!(!found.items_complete);
    assert!(!after(json!({"id":"sub_1","status":"active"})).items_complete);

    for absurd in [json!(-1), json!(1e30), json!(1.5), json!("many"), json!(u64::MAX)] {
        let event = event("customer.subscription.updated", item(json!({"quantity":absurd})));
        assert!(
            Stripe
                .translate(event.to_string().as_bytes(), &[], &SourceSettings::default())
                .unwrap_err()
                .0
                .contains("quantity")
        );
    }
    let far = after(with(item(json!({"current_period_end":i64::MAX})), json!({"trial_end":1e300,"ended_at":-1})));
    assert_eq!((far.trial_end, far.ended_at, far.items[0].period_end), (None, None, None));
}

#[test]
fn every_way_to_cancel() {
    let ends = |changes| after(with(new_shape(), changes)).cancel_at;
    assert_eq!(ends(json!({})), None);
    assert_eq!(ends(json!({"cancel_at_period_end":true,"cancel_at":200})), Some(at(200)));
    // The portal under flexible billing sets only the date.
    assert_eq!(ends(json!({"cancel_at_period_end":false,"cancel_at":150})), Some(at(150)));
    assert_eq!(ends(json!({"cancel_at_period_end":true,"cancel_at":null})), Some(at(200)));
    let mixed = json!({"data":[{"id":"a","current_period_end":900},{"id":"b","current_period_end":300}]});
    assert_eq!(ends(json!({"cancel_at_period_end":true,"items":mixed})), Some(at(300)));
    assert_eq!(after(with(old_shape(), json!({"cancel_at_period_end":true}))).cancel_at, Some(at(200)));
    assert_eq!(ends(json!({"cancel_at_period_end":"true"})), None);
}

#[test]
fn statuses_and_pauses() {
    use Status::*;
    let table = [
        ("incomplete", Incomplete, false),
        ("incomplete_expired", Canceled, true),
        ("trialing", Trialing, false),
        ("active", Active, false),
        ("past_due", PastDue, false),
        ("unpaid", Unpaid, false),
        ("paused", Paused, false),
        ("canceled", Canceled, true),
        ("hibernating", Unknown, false),
    ];
    for (word, status, terminal) in table {
        let found = after(with(new_shape(), json!({"status":word})));
        assert_eq!((found.status, &*found.provider_status, found.terminal), (status, word, terminal));
    }
    let found = after(with(new_shape(), json!({"pause_collection":{"behavior":"void","resumes_at":500}})));
    let pause = PauseCollection { behavior: "void".into(), resumes_at: Some(at(500)) };
    assert_eq!((found.status, found.pause_collection), (Active, Some(pause)));
}

#[test]
fn ranks_inside_one_second() {
    let ranks = ["created", "trial_will_end", "updated", "paused", "resumed", "pending_update_applied", "deleted"]
        .map(|kind| translated_as(&format!("customer.subscription.{kind}"), new_shape()).facts[0].key.rank);
    assert_eq!(ranks, [0, 1, 2, 2, 2, 2, 3]);
    let notice = translated_as("customer.subscription.trial_will_end", new_shape());
    assert_eq!(notice.facts[0].body, FactBody::Notice);
    let deleted = snapshots(&translated_as("customer.subscription.deleted", new_shape())).0;
    assert_eq!((deleted.status, deleted.terminal), (Status::Canceled, true));
}

#[test]
fn before_is_the_object_with_what_changed_laid_over_it() {
    let now = after(new_shape());
    let was = |change: fn(&mut Snapshot)| {
        let mut was = now.clone();
        change(&mut was);
        Some(was)
    };
    let items = |changes: Value| json!({"items":{"data":[with(json!({"id":"si_1"}), changes)]}});
    let table: [(Value, Option<Snapshot>); 14] = [
        (json!({}), None),
        (json!(null), None),
        (json!([1]), None),
        (json!({"status":"trialing"}), was(|s| (s.status, s.provider_status) = (Status::Trialing, "trialing".into()))),
        (json!({"metadata":{"seen":null}}), was(|_| ())),
        (json!({"cancel_at":300,"cancel_at_period_end":true}), was(|s| s.cancel_at = Some(at(300)))),
        (
            json!({"pause_collection":{"behavior":"void","resumes_at":null}}),
            was(|s| s.pause_collection = Some(PauseCollection { behavior: "void".into(), resumes_at: None })),
        ),
        (items(json!({"quantity":1})), was(|s| s.items[0].quantity = Some(1))),
        (items(json!({"current_period_end":150})), was(|s| s.items[0].period_end = Some(at(150)))),
        // Only the changed keys of the price, and of its metadata.
        (items(json!({"price":{"metadata":{"license_policy":null}}})), was(|s| s.items[0].product.attributes.clear())),
        // The older shapes, beside items that already have the new fields.
        (json!({"quantity":1}), was(|s| s.items[0].quantity = Some(1))),
        (json!({"quantity":1,"items":{"data":[{"id":"si_1","quantity":2}]}}), was(|s| s.items[0].quantity = Some(2))),
        (
            json!({"plan":{"id":"gold","product":"prod_0"}}),
            was(|s| {
                s.items[0].product.keys = [("price", "gold"), ("product", "prod_0")].map(pair).into();
                s.items[0].product.attributes.clear();
            }),
        ),
        // The item was another one, and there was one more.
        (
            json!({"items":{"data":[{"id":"si_0","price":"p0"},{"id":"si_1"}]}}),
            was(|s| {
                let product = ProductRef { keys: [("price", "p0")].map(pair).into(), attributes: [].into() };
                let gone = Item {
                    item_id: "si_0".into(),
                    product,
                    quantity: Some(1),
                    period_start: None,
                    period_end: None,
                    metered: false,
                    one_off: false,
                };
                s.items.insert(0, gone);
            }),
        ),
    ];
    for (previous, expected) in table {
        assert_eq!(before(new_shape(), previous.clone()), expected, "{previous}");
    }
    // Added: it was not there, or is not there any more.
    assert_eq!(before(new_shape(), json!({"items":{"data":[]}})).unwrap().items, []);
    // A period on the subscription, on the items, and on both.
    let both = with(new_shape(), json!({"current_period_start":100,"current_period_end":200}));
    for object in [old_shape(), both] {
        let was = before(object, json!({"current_period_start":0,"current_period_end":100})).unwrap();
        assert_eq!((was.items[0].period_start, was.items[0].period_end), (Some(at(0)), Some(at(100))));
    }
    // A before that makes no sense is no edge; the event still counts.
    assert_eq!(before(new_shape(), json!({"quantity":-7})), None);
}
