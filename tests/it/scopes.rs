//! Rebuilds of one source or one customer: their rows are exchanged with the live ones, and no
//! other row is touched.

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::service::Service;
use crate::support::stripe::{DAY, event, invoice, subscription};

async fn send(service: &Service, body: &Value) {
    let (status, answer) = service.post("stripe-main", body.to_string().as_bytes()).await;
    assert_eq!(status, 200, "{answer}");
}

async fn buy(service: &Service, id: &str) {
    let now = chrono::Utc::now().timestamp();
    let period = (now, now + 30 * DAY);
    let held = subscription(id, "active", "price_pro", 1, period);
    send(service, &event(&format!("evt_{id}_1"), "customer.subscription.created", now, &held, None)).await;
    pay(service, id, 1, period).await;
}

async fn pay(service: &Service, id: &str, nth: usize, period: (i64, i64)) {
    let paid = invoice(&format!("in_{id}_{nth}"), id, "paid", "price_pro", period);
    send(service, &event(&format!("evt_{id}_paid_{nth}"), "invoice.paid", period.0, &paid, None)).await;
}

/// Every live row of the projections as text, one list a table; what a save stamps is left out.
async fn rows(service: &Service) -> Vec<Vec<String>> {
    let client = service.database.service().await;
    let mut tables = Vec::new();
    for table in ["subscriptions", "events", "mentions", "links", "licenses"] {
        let statement = format!(
            "SELECT (to_jsonb(t) - '{{generation,version,saved_at,dirty_since}}'::text[])::text FROM projection.{table} t
             JOIN control.live l ON l.generation = t.generation AND l.journal = t.journal ORDER BY 1"
        );
        tables.push(client.query(&statement, &[]).await.unwrap().iter().map(|r| r.get(0)).collect());
    }
    tables
}

/// As if an older build had folded these wrongly.
async fn spoil(service: &Service, subscriptions: &[&str]) {
    let spoil = "UPDATE projection.subscriptions SET fold_hash = 'spoilt' WHERE subscription_id = ANY($1)";
    let client = service.database.service().await;
    assert!(client.execute(spoil, &[&subscriptions]).await.unwrap() > 0);
}

/// The live subscriptions that are spoilt.
async fn spoilt(service: &Service) -> Vec<String> {
    let spoilt = "SELECT s.subscription_id FROM projection.subscriptions s
                  JOIN control.live l ON l.generation = s.generation AND l.journal = s.journal
                  WHERE s.fold_hash = 'spoilt' ORDER BY 1";
    service.database.service().await.query(spoilt, &[]).await.unwrap().iter().map(|r| r.get(0)).collect()
}

async fn until(service: &Service, id: &str, state: &str) -> Value {
    eventually(&format!("the rebuild is {state}"), || async {
        let (_, shown) = service.admin("GET", &format!("/v1/admin/rebuilds/{id}"), Value::Null).await;
        (shown["state"] == state).then_some(shown)
    })
    .await
}

async fn start(service: &Service, scope: Value, promote: &str) -> String {
    let asked = json!({"scope": scope, "reason": "a look", "promote": promote});
    let (status, made) = service.admin("POST", "/v1/admin/rebuilds", asked).await;
    assert_eq!((status.as_u16(), &made["scope"]), (202, &scope), "{made}");
    made["id"].as_str().unwrap().to_owned()
}

async fn act(service: &Service, id: &str, act: &str) -> Value {
    let (status, answer) =
        service.admin("POST", &format!("/v1/admin/rebuilds/{id}/{act}"), json!({"reason": "as agreed"})).await;
    assert_eq!(status, 200, "{act}: {answer}");
    answer
}

async fn diff(service: &Service, id: &str) -> Vec<Value> {
    let (status, answer) = service.admin("GET", &format!("/v1/admin/rebuilds/{id}/diff"), Value::Null).await;
    assert_eq!(status, 200, "{answer}");
    answer["differences"].as_array().unwrap().iter().map(|d| d["what"].clone()).collect()
}

/// Live they come one by one; a rebuild reads them all at once, and writes otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_is_row_for_row_what_came_one_by_one() {
    let service = Service::start().await;
    for n in 0..30 {
        buy(&service, &format!("sub_{n}")).await;
    }
    // More than is read before anything is read ahead, and more new subscriptions than are put in row
    // by row; what nobody has mapped makes no calls.
    let now = chrono::Utc::now().timestamp();
    for n in 0..490 {
        let id = format!("sub_unmapped_{n}");
        let held = subscription(&id, "active", "price_of_nothing", 1, (now, now + 30 * DAY));
        send(&service, &event(&format!("evt_{id}"), "customer.subscription.created", now, &held, None)).await;
        pay(&service, &id, 1, (now, now + 30 * DAY)).await;
    }
    send(&service, &event("evt_new", "a.type.of.tomorrow", 1, &json!({"id": "x_1", "object": "x"}), None)).await;
    service.post("stripe-main", b"not json").await;
    service.settled().await;
    let client = service.database.service().await;
    let journal = "SELECT id FROM ledger.journals WHERE name = 'stripe-main'";
    let journal: i32 = client.query_one(journal, &[]).await.unwrap().get(0);
    let of_source = async || {
        let mut rows: Vec<String> = rows(&service).await.into_iter().flatten().collect();
        rows.retain(|row| row.contains(&format!(r#""journal": {journal},"#)));
        rows
    };
    let live = of_source().await;
    assert!(live.len() > 1_042, "every event has a row: {}", live.len());
    let id = start(&service, json!({}), "always").await;
    until(&service, &id, "promoted").await;
    let rebuilt = of_source().await;
    let differing: Vec<(&String, &String)> = rebuilt.iter().zip(&live).filter(|(a, b)| a != b).collect();
    assert_eq!((differing, rebuilt.len()), (vec![], live.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_source_are_exchanged_and_no_others() {
    let mut service = Service::start().await;
    for n in 0..10 {
        buy(&service, &format!("sub_{n}")).await;
    }
    let fastspring =
        json!({"events": [{"id": "fs_1", "type": "mystery.happened", "live": true, "created": 1, "data": {}}]});
    service.post("fastspring-main", fastspring.to_string().as_bytes()).await;
    service.settled().await;
    let (before, calls) = (rows(&service).await, service.sandbox.mutating().await.len());
    spoil(&service, &["sub_3", "sub_4"]).await;
    let spoil_other = "UPDATE projection.events SET error = 'spoilt' WHERE journal = (SELECT id FROM ledger.journals WHERE name = 'fastspring-main')";
    service.database.service().await.execute(spoil_other, &[]).await.unwrap();

    let scope = json!({"source": "stripe-main"});
    let id = start(&service, scope, "manual").await;
    service.kill();
    service.run().await;
    let ready = until(&service, &id, "ready").await;
    assert_eq!(
        (&ready["differences"], &ready["events_total"]),
        (&json!(2), &json!(21)),
        "with the act itself: {ready}"
    );
    assert_eq!(diff(&service, &id).await, ["stripe-main/sub_3", "stripe-main/sub_4"]);
    assert_eq!(spoilt(&service).await.len(), 2, "nothing is changed before it is promoted");

    assert_eq!(act(&service, &id, "promote").await["state"], json!("promoted"));
    let mut after = rows(&service).await;
    assert!(after[1].iter().any(|row| row.contains("spoilt")), "the other source's rows are as they were");
    after[1].retain(|row| !row.contains("spoilt"));
    let (mut events, own) = (before[1].clone(), after[1].len());
    events.retain(|row| after[1].contains(row));
    assert!(events.len() + 2 == own, "what is new are the two acts: {after:?}");
    for table in [0, 2, 3, 4] {
        assert_eq!(after[table], before[table]);
    }

    buy(&service, "sub_after").await;
    service.settled().await;
    assert_eq!(diff(&service, &id).await, ["stripe-main/sub_3", "stripe-main/sub_4"], "against the rows of before");
    assert_eq!(act(&service, &id, "rollback").await["state"], json!("rolled_back"));
    assert_eq!(spoilt(&service).await, ["sub_3", "sub_4"]);
    let live: Vec<String> = rows(&service).await.remove(0);
    assert!(live.iter().any(|row| row.contains("sub_after")), "the rows of before have followed on");
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), calls + 1, "only the purchase was a call");
    let (_, events) = service.get("/v1/events?source=stripe-main&order=asc&type=rebuild_promoted").await;
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1), "the act is in the journal of what it concerns");
    let (_, shown) = service.get(&format!("/v1/events/{}", events["events"][0]["event"].as_str().unwrap())).await;
    assert_eq!((&shown["facts"]["reason"], &shown["status"]), (&json!("as agreed"), &json!("recorded")), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_customer_are_exchanged_and_no_others() {
    let mut service = Service::start().await;
    for n in 0..5 {
        buy(&service, &format!("sub_{n}")).await;
    }
    service.settled().await;
    let (before, calls) = (rows(&service).await, service.sandbox.mutating().await.len());
    spoil(&service, &["sub_1", "sub_2"]).await;
    let scope = json!({"source": "stripe-main", "customer": "cus_sub_1"});
    let id = start(&service, scope.clone(), "manual").await;
    service.kill();
    service.run().await;
    let ready = until(&service, &id, "ready").await;
    assert_eq!((&ready["differences"], &ready["events_total"]), (&json!(1), &json!(2)), "{ready}");
    assert_eq!(diff(&service, &id).await, ["stripe-main/sub_1"]);
    act(&service, &id, "promote").await;
    assert_eq!(spoilt(&service).await, ["sub_2"]);
    let after = rows(&service).await;
    for table in [2, 3, 4] {
        assert_eq!(after[table], before[table]);
    }
    assert!(before[1].iter().all(|row| after[1].contains(row)), "{after:?}");

    // Back to the rows of before: what came since is not forgotten, and nobody else notices.
    let now = chrono::Utc::now().timestamp();
    pay(&service, "sub_1", 2, (now + 30 * DAY, now + 60 * DAY)).await;
    service.settled().await;
    act(&service, &id, "rollback").await;
    service.settled().await;
    let renewed = rows(&service).await;
    let one = renewed[0].iter().find(|row| row.contains("\"sub_1\"")).unwrap();
    assert!(one.contains("in_sub_1_2"), "{one}");
    assert_eq!(spoilt(&service).await, ["sub_2"], "what came since was folded on, its hash with it");
    assert_eq!(service.sandbox.mutating().await.len(), calls + 1, "only the renewal was a call");

    // Without anything since, the very rows of before come back.
    spoil(&service, &["sub_1"]).await;
    let id = start(&service, scope, "always").await;
    until(&service, &id, "promoted").await;
    assert_eq!(spoilt(&service).await, ["sub_2"]);
    act(&service, &id, "rollback").await;
    assert_eq!(spoilt(&service).await, ["sub_1", "sub_2"]);
    let (status, again) =
        service.admin("POST", &format!("/v1/admin/rebuilds/{id}/rollback"), json!({"reason": "again"})).await;
    assert_eq!(status, 409, "{again}");
    assert_eq!(service.sandbox.mutating().await.len(), calls + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_names_nothing_is_told_so() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    service.settled().await;
    for (scope, field) in [
        (json!({"customer": "cus_sub_1"}), "scope.customer"),
        (json!({"source": "stripe-other"}), "scope.source"),
        (json!({"source": "system"}), "scope.source"),
        (json!({"source": 7}), "scope.source"),
        (json!({"source": ""}), "scope.source"),
        (json!({"source": "stripe-main", "customer": "cus_nobody"}), "scope.customer"),
        (json!({"subscription": "sub_1"}), "scope.subscription"),
    ] {
        let (status, problem) =
            service.admin("POST", "/v1/admin/rebuilds", json!({"scope": scope, "reason": "x"})).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (400, &json!(field)), "{problem}");
    }
    let id = start(&service, json!({"source": "stripe-main"}), "manual").await;
    until(&service, &id, "ready").await;
    assert_eq!(act(&service, &id, "cancel").await["state"], json!("cancelled"));
    let (status, _) = service.admin("POST", &format!("/v1/admin/rebuilds/{id}/promote"), json!({"reason": "x"})).await;
    assert_eq!(status, 409);
    assert_eq!(diff(&service, &id).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_rebuilds_a_part_too() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    buy(&service, "sub_2").await;
    service.settled().await;
    spoil(&service, &["sub_1", "sub_2"]).await;
    let run = |arguments: &[&str]| {
        let output = service.command().arg("rebuild").args(arguments).arg("--json").output().unwrap();
        let shown = serde_json::from_slice::<Value>(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), shown, String::from_utf8(output.stderr).unwrap())
    };
    let customer = ["--source", "stripe-main", "--customer", "cus_sub_1"];
    let (code, shown, said) = run(&[&customer[..], &["--dry-run"]].concat());
    assert_eq!((code, &shown["differing"]), (Some(2), &json!(["stripe-main/sub_1"])), "{said}");
    assert_eq!(spoilt(&service).await, ["sub_1", "sub_2"]);
    let (code, shown, said) = run(&[&customer[..], &["--promote"]].concat());
    assert_eq!((code, &shown["promoted"], &shown["events"]), (Some(0), &json!(true), &json!(2)), "{said}");
    assert_eq!(spoilt(&service).await, ["sub_2"]);
    let (code, shown, said) = run(&["--source", "stripe-main", "--promote"]);
    assert_eq!((code, &shown["promoted"]), (Some(0), &json!(true)), "{said}");
    assert_eq!(spoilt(&service).await, Vec::<String>::new());
    assert_eq!(run(&["--customer", "cus_sub_1"]).0, Some(64));
    let (code, _, said) = run(&["--source", "stripe-other"]);
    assert!(code == Some(1) && said.contains("stripe-other"), "{said}");
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), 2, "the purchases, and nothing else");
}

/// What was folded anew may call for calls that nobody has asked for.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_plan_after_a_promotion_is_saved_for_a_look() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    buy(&service, "sub_2").await;
    service.settled().await;
    let proposed = async || {
        let (_, listed) = service.admin("GET", "/v1/admin/plans", Value::Null).await;
        listed["plans"].as_array().unwrap().clone()
    };
    // Nothing follows from rows that say the same.
    let id = start(&service, json!({}), "when_equal").await;
    until(&service, &id, "promoted").await;
    let owed = "SELECT count(*) FROM control.plans_owed";
    eventually("no plan is owed", || async {
        let owed: i64 = service.database.service().await.query_one(owed, &[]).await.unwrap().get(0);
        (owed == 0).then_some(())
    })
    .await;
    assert_eq!(proposed().await, Vec::<Value>::new());

    // A renewal that an older build had overlooked: the row is folded, and nobody is told to compare it.
    for (scope, subscription) in [(json!({}), "sub_1"), (json!({"source": "stripe-main"}), "sub_2")] {
        let mode = |mode: &str| json!({"mode": mode, "reason": "a test"});
        assert_eq!(service.admin("POST", "/v1/admin/reconciler", mode("frozen")).await.0, 200);
        let now = chrono::Utc::now().timestamp();
        pay(&service, subscription, 2, (now + 30 * DAY, now + 60 * DAY)).await;
        let client = service.database.service().await;
        let overlook = "UPDATE projection.subscriptions s SET dirty_since = NULL FROM control.live l
                        WHERE l.generation = s.generation AND l.journal = s.journal AND s.subscription_id = $1
                          AND s.dirty_since IS NOT NULL AND s.state LIKE '%in_' || $1 || '_2%'";
        eventually("the renewal is folded", || async {
            (client.execute(overlook, &[&subscription]).await.unwrap() > 0).then_some(())
        })
        .await;
        assert_eq!(service.admin("POST", "/v1/admin/reconciler", mode("continuous")).await.0, 200);
        let calls = service.sandbox.mutating().await.len();
        let before = proposed().await.len();
        let id = start(&service, scope, "manual").await;
        until(&service, &id, "ready").await;
        act(&service, &id, "promote").await;
        let plans = eventually("a plan is saved", || async {
            let plans = proposed().await;
            (plans.len() > before).then_some(plans)
        })
        .await;
        let plan = &plans[0];
        assert_eq!((&plan["state"], &plan["who"]), (&json!("proposed"), &json!("subledger")), "{plan}");
        assert!(plan["reason"].as_str().unwrap().starts_with("what follows from"), "{plan}");
        assert_eq!((&plan["summary"]["update"], &plan["calls"]), (&json!(1), &json!(1)), "{plan}");
        service.settled().await;
        assert_eq!(service.sandbox.mutating().await.len(), calls, "nobody has looked at it yet");
        let apply = format!("/v1/admin/plans/{}/apply", plan["id"].as_str().unwrap());
        assert_eq!(service.admin("POST", &apply, json!({"reason": "looked at"})).await.0, 202);
        eventually("the call is made", || async {
            (service.sandbox.mutating().await.len() == calls + 1).then_some(())
        })
        .await;
    }
}

async fn acts(service: &Service, source: &str) -> Vec<String> {
    let (_, listed) = service.get(&format!("/v1/events?source={source}&order=asc&limit=1000")).await;
    let types = listed["events"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap().to_owned());
    types.filter(|kind| kind.starts_with("rebuild_")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_another_takes_the_place_of_is_cancelled_and_holds_up_nobody() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    service.settled().await;
    let overtake = || {
        let output = service.command().args(["rebuild", "--dry-run", "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for scope in
        [json!({}), json!({"source": "stripe-main"}), json!({"source": "stripe-main", "customer": "cus_sub_1"})]
    {
        let id = start(&service, scope, "manual").await;
        until(&service, &id, "ready").await;
        overtake();
        let promoted = format!("/v1/admin/rebuilds/{id}/promote");
        let (status, answer) = service.admin("POST", &promoted, json!({"reason": "too late"})).await;
        assert_eq!(status, 409, "{answer}");
        let (_, shown) = service.admin("GET", &format!("/v1/admin/rebuilds/{id}"), Value::Null).await;
        assert_eq!(shown["state"], json!("cancelled"), "{shown}");
    }
    // Overtaken while it is built: whichever is there in the end, the next one is not held up.
    let id = start(&service, json!({}), "always").await;
    overtake();
    eventually("it is over", || async {
        let (_, shown) = service.admin("GET", &format!("/v1/admin/rebuilds/{id}"), Value::Null).await;
        ["promoted", "cancelled"].contains(&shown["state"].as_str().unwrap()).then_some(())
    })
    .await;
    let id = start(&service, json!({}), "manual").await;
    assert_eq!(until(&service, &id, "ready").await["differences"], json!(0));
    let said = acts(&service, "stripe-main").await;
    assert!(!said.contains(&"rebuild_promoted".to_owned()), "what did not happen is not in the log: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_roll_back_at_once_one_is_told_so() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    service.settled().await;
    for scope in [json!({"source": "stripe-main"}), json!({"source": "stripe-main", "customer": "cus_sub_1"})] {
        let id = start(&service, scope.clone(), "manual").await;
        until(&service, &id, "ready").await;
        act(&service, &id, "promote").await;
        let rollback = format!("/v1/admin/rebuilds/{id}/rollback");
        let tries = (0..3).map(|_| service.admin("POST", &rollback, json!({"reason": "back"})));
        let mut statuses: Vec<u16> =
            futures_util::future::join_all(tries).await.iter().map(|(status, _)| status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409], "{scope}");
        until(&service, &id, "rolled_back").await;
    }
}
