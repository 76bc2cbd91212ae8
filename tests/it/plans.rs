//! Plans: looked at before they are made, refused when they are not what was looked at.

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::service::Service;
use crate::support::shop::{buy, cancel, change, edit, enabled, order, renew};

async fn propose(service: &Service) -> Value {
    let (status, plan) = service.admin("POST", "/v1/admin/plans", json!({"reason": "a look"})).await;
    assert_eq!(status, 201, "{plan}");
    plan
}

async fn act(service: &Service, plan: &Value, what: &str, body: Value) -> (u16, Value) {
    let path = format!("/v1/admin/plans/{}/{what}", plan["id"].as_str().unwrap());
    let (status, answer) = service.admin("POST", &path, body).await;
    (status.as_u16(), answer)
}

async fn applied(service: &Service, plan: &Value) -> Value {
    let path = format!("/v1/admin/plans/{}", plan["id"].as_str().unwrap());
    eventually("the plan is applied", || async {
        let shown = service.admin("GET", &path, Value::Null).await.1;
        (shown["state"] == "applied").then_some(shown)
    })
    .await
}

/// Until everything is folded; in `plan_only` marks stay.
async fn folded(service: &Service) {
    let client = service.database.service().await;
    let behind = "SELECT count(*) FROM ledger.journals j JOIN control.live v ON v.journal = j.id
        JOIN control.checkpoints c ON c.journal = j.id AND c.generation = v.generation
        WHERE c.position < coalesce((SELECT max(e.position) FROM ledger.events e WHERE e.journal = j.id), 0)";
    eventually("everything is folded", || async {
        (client.query_one(behind, &[]).await.unwrap().get::<_, i64>(0) == 0).then_some(())
    })
    .await;
}

async fn mode(service: &Service, mode: &str) -> Value {
    let (status, answer) =
        service.admin("POST", "/v1/admin/reconciler", json!({"mode": mode, "reason": "a test"})).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_old_and_new_and_is_applied_when_told() {
    let service = Service::start_with("mode = \"plan_only\"").await;
    buy(&service, "sub_1", "price_pro", 3).await;
    buy(&service, "sub_2", "price_pro", 3).await;
    folded(&service).await;
    let plan = propose(&service).await;
    assert_eq!(plan["state"], json!("proposed"));
    assert_eq!(
        (&plan["summary"]["create"], &plan["summary"]["update"], &plan["summary"]["deactivate"]),
        (&json!(2), &json!(0), &json!(0))
    );
    assert_eq!((&plan["licensespring"], &plan["eta_seconds"]), (&json!("main"), &json!(1)));
    let entry = &plan["entries"][0];
    assert_eq!(
        (&entry["op"], &entry["source"], &entry["order_id"]),
        (&json!("+"), &json!("stripe-main"), &json!(order("sub_1")))
    );
    let seats = entry["changes"].as_array().unwrap().iter().find(|c| c["field"] == "max_activations").unwrap();
    assert_eq!(seats, &json!({"field": "max_activations", "old": null, "new": 3}));
    assert!(!plan.to_string().contains("example.com"), "no address in a plan: {plan}");
    assert_eq!(service.sandbox.mutating().await.len(), 0, "a plan makes no call");
    let (status, answer) = act(&service, &plan, "apply", json!({"reason": "go"})).await;
    assert_eq!(status, 202, "{answer}");
    let done = applied(&service, &plan).await;
    assert!(done["entries"].as_array().unwrap().iter().all(|e| e["result"] == "done"), "{done}");
    assert_eq!(enabled(&service).await, 2);
    assert_eq!(act(&service, &plan, "apply", json!({"reason": "again"})).await.0, 409);
    assert_eq!(propose(&service).await["calls"], json!(0));
    let (_, listed) = service.admin("GET", "/v1/admin/plans", Value::Null).await;
    assert_eq!(listed["plans"].as_array().unwrap().len(), 2);
    let (_, calls) = service.get("/v1/events?type=intent").await;
    let (_, intent) = service.get(&format!("/v1/events/{}", calls["events"][0]["event"].as_str().unwrap())).await;
    assert_eq!(intent["facts"]["plan"], plan["id"], "the call names its plan: {intent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_stop_refuses_the_plan_and_other_moved_calls_are_left_out() {
    let service = Service::start_with("mode = \"plan_only\"").await;
    for id in ["sub_1", "sub_2", "sub_3"] {
        buy(&service, id, "price_pro", 3).await;
    }
    folded(&service).await;
    let first = propose(&service).await;
    assert_eq!(act(&service, &first, "apply", json!({"reason": "go"})).await.0, 202);
    applied(&service, &first).await;

    cancel(&service, "sub_1").await;
    change(&service, "sub_2", "price_pro", 5, 1).await;
    change(&service, "sub_3", "price_pro", 6, 1).await;
    folded(&service).await;
    let plan = propose(&service).await;
    assert_eq!((&plan["summary"]["update"], &plan["summary"]["deactivate"]), (&json!(2), &json!(1)), "{plan}");
    // A harmless call that moved is left out and named.
    change(&service, "sub_2", "price_pro", 7, 2).await;
    folded(&service).await;
    assert_eq!(act(&service, &plan, "apply", json!({"reason": "go"})).await.0, 202);
    let done = applied(&service, &plan).await;
    assert_eq!(done["dropped"].as_array().unwrap().len(), 1, "{done}");
    assert_eq!(done["dropped"][0]["order_id"], json!(order("sub_2")));
    let seats = |l: Option<Value>| l.unwrap()["max_activations"].clone();
    assert_eq!(seats(service.sandbox.license(&order("sub_2")).await), json!(3));
    assert_eq!(seats(service.sandbox.license(&order("sub_3")).await), json!(6));
    assert_eq!(service.sandbox.license(&order("sub_1")).await.unwrap()["enabled"], json!(false));

    // A stop that moved refuses it all.
    cancel(&service, "sub_3").await;
    folded(&service).await;
    let plan = propose(&service).await;
    let grant = json!({"source": "stripe-main", "subscription_id": "sub_3", "kind": "comp", "until": "2099-01-01", "reason": "a friend"});
    assert_eq!(service.admin("POST", "/v1/admin/overrides", grant).await.0, 201);
    let (status, answer) = act(&service, &plan, "apply", json!({"reason": "go"})).await;
    assert_eq!(status, 409, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains(&order("sub_3")), "it names what moved: {answer}");
    let path = format!("/v1/admin/plans/{}", plan["id"].as_str().unwrap());
    assert_eq!(service.admin("GET", &path, Value::Null).await.1["state"], json!("stale"));
    assert_eq!(service.sandbox.license(&order("sub_3")).await.unwrap()["enabled"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_are_events_and_the_stricter_one_counts() {
    let mut service = Service::start().await;
    assert_eq!(service.admin("POST", "/v1/admin/reconciler", json!({"mode": "frozen"})).await.0, 400);
    let said = mode(&service, "frozen").await;
    assert_eq!(said["accounts"][0]["mode"], json!("frozen"), "{said}");
    assert!(said["accounts"][0]["event"].as_str().unwrap().starts_with("licensespring-main/"), "{said}");
    buy(&service, "sub_1", "price_pro", 3).await;
    folded(&service).await;
    let plan = propose(&service).await;
    assert_eq!(act(&service, &plan, "apply", json!({"reason": "go"})).await.0, 409, "frozen");
    service.kill();
    service.run().await;
    mode(&service, "plan_only").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    assert_eq!(service.sandbox.mutating().await.len(), 0, "plans wait to be applied");
    mode(&service, "continuous").await;
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), 1);
    renew(&service, "sub_1", "price_pro", 3, 1).await;
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_judges_a_plan_as_a_whole_before_its_first_call() {
    let service = Service::start_with("mode = \"plan_only\"\nguard_max_destructive = 2").await;
    for n in 0..4 {
        buy(&service, &format!("sub_{n}"), "price_pro", 3).await;
    }
    folded(&service).await;
    let first = propose(&service).await;
    assert_eq!(act(&service, &first, "apply", json!({"reason": "go"})).await.0, 202);
    applied(&service, &first).await;
    for n in 0..3 {
        cancel(&service, &format!("sub_{n}")).await;
    }
    folded(&service).await;
    let plan = propose(&service).await;
    let (status, answer) = act(&service, &plan, "apply", json!({"reason": "go"})).await;
    assert_eq!(status, 409, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("guard_max_destructive"), "{answer}");
    assert_eq!(enabled(&service).await, 4, "not even the first two");
    let (status, approved) = act(&service, &plan, "approve", json!({"reason": "a clearance"})).await;
    assert_eq!((status, &approved["state"]), (200, &json!("approved")), "{approved}");
    assert_eq!(enabled(&service).await, 4, "in plan_only it waits to be applied");
    assert_eq!(act(&service, &plan, "apply", json!({"reason": "go"})).await.0, 202);
    applied(&service, &plan).await;
    assert_eq!(enabled(&service).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_plans_applies_and_sweeps() {
    let mut service = Service::start_with("mode = \"plan_only\"").await;
    buy(&service, "sub_1", "price_pro", 3).await;
    folded(&service).await;
    let run = |service: &Service, args: &[&str]| {
        let output = service.command().arg("reconcile").args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, text, said) = run(&service, &["plan"]);
    assert_eq!(code, Some(2), "{text}{said}");
    assert!(text.contains("+ create_order stripe-main:sub_1:PRO (paid)"), "{text}");
    assert!(
        text.contains("max_activations: nothing → 3") && text.contains("1 to create") && text.contains("about 1 s"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colour where nobody looks");
    // Also when no service is running.
    service.kill();
    let (code, json, said) = run(&service, &["plan", "--json"]);
    assert_eq!(code, Some(2), "{said}");
    let plan: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["calls"], json!(1), "{plan}");
    let (code, text, said) = run(&service, &["apply", plan["id"].as_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}{said}");
    assert!(text.contains("applied: 1 of 1 calls done"), "{text}");
    let (code, text, _) = run(&service, &["plan"]);
    assert_eq!((code, text.contains("nothing to do")), (Some(0), true), "{text}");
    edit(&service, "sub_1", json!({"max_activations": 9})).await;
    let (code, json, said) = run(&service, &["sweep", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let swept: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(swept["findings"]["drifted"], json!(1), "{swept}");
    assert_eq!(run(&service, &["apply", "0198c0de-0000-7000-8000-000000000000"]).0, Some(1));
    assert_eq!(run(&service, &["applly"]).0, Some(64));
}
