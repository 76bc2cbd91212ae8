//! Rules: adopting them makes a plan and never a call, and two instances with different files
//! cannot fight.

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::other::Other;
use crate::support::service::Service;
use crate::support::stripe::{DAY, event, invoice, subscription};

const TEAM: &str =
    "\n[[catalog]]\nmatch = { price = \"price_new\" }\nproduct_code = \"TEAM\"\npolicy_code = \"team-monthly\"\n";

async fn buy(service: &Service, id: &str, price: &str) {
    let now = chrono::Utc::now().timestamp();
    let period = (now, now + 30 * DAY);
    let held = subscription(id, "active", price, 1, period);
    let paid = invoice(&format!("in_{id}"), id, "paid", price, period);
    for body in [
        event(&format!("evt_{id}_1"), "customer.subscription.created", now, &held, None),
        event(&format!("evt_{id}_2"), "invoice.paid", now, &paid, None),
    ] {
        assert_eq!(service.post("stripe-main", body.to_string().as_bytes()).await.0, 200);
    }
}

async fn put(service: &Service, body: Value) -> (u16, Value) {
    let (status, answer) = service.admin("PUT", "/v1/admin/config", body).await;
    (status.as_u16(), answer)
}

/// The rules of the service's file with one more, as a text of their own.
fn text(service: &Service, more: &str) -> String {
    let file = std::fs::read_to_string(&service.config).unwrap();
    let (from, to) = (file.find("[[catalog]]").unwrap(), file.find("[reconciler]").unwrap());
    format!("{}{more}", &file[from..to])
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_a_text_makes_a_plan_and_no_call() {
    let mut service = Service::start().await;
    buy(&service, "sub_new", "price_new").await;
    buy(&service, "sub_pro", "price_pro").await;
    service.settled().await;
    let calls = service.sandbox.mutating().await.len();
    let wanted = text(&service, TEAM).replace("grace_days = 3", "grace_days = 10");
    let (status, dry) = put(&service, json!({"reason": "a look", "catalog_and_policy": wanted, "dry_run": true})).await;
    assert_eq!((status, &dry["plan"]["summary"]), (200, &json!({"create": 1, "update": 1, "deactivate": 0})), "{dry}");
    let (_, shown) = service.admin("GET", "/v1/admin/config", Value::Null).await;
    assert_eq!((&shown["event"], &shown["file_is_adopted"]), (&json!("system/1"), &json!(true)), "nothing was adopted");

    let (status, adopted) = put(&service, json!({"reason": "the new product", "catalog_and_policy": wanted})).await;
    assert_eq!((status, &adopted["event"], &adopted["plan"]), (200, &json!("system/2"), &dry["plan"]), "{adopted}");
    let groups = adopted["plan"]["groups"].as_array().unwrap();
    assert_eq!(groups.iter().map(|g| g["count"].as_i64().unwrap()).sum::<i64>(), 2);
    let orders: Vec<&Value> = adopted["plan"]["calls"].as_array().unwrap().iter().map(|c| &c["order_id"]).collect();
    assert_eq!(orders, ["stripe-main:sub_new:TEAM", "stripe-main:sub_pro:PRO"]);
    let (_, shown) = service.admin("GET", "/v1/admin/config", Value::Null).await;
    assert_eq!((&shown["catalog_and_policy"], &shown["hash"]), (&json!(wanted), &adopted["hash"]), "the full text");
    assert!(shown["note"].as_str().is_some_and(|note| note.contains("makes no calls")), "{shown}");

    // With the text in the file this instance reconciles again; still nobody has looked at the plan.
    service.kill();
    let file = std::fs::read_to_string(&service.config).unwrap();
    let from = file.find("[reconciler]").unwrap();
    let head = file[..from].replace("grace_days = 3", "grace_days = 10");
    std::fs::write(&service.config, format!("{head}{}{TEAM}", &file[from..])).unwrap();
    service.run().await;
    buy(&service, "sub_other", "price_pro").await;
    service.settled().await;
    let orders = service.sandbox.mutating().await.len();
    assert_eq!(orders, calls + 1, "the purchase, and no call of the plan");
    assert_eq!(service.get("/v1/unmapped").await.1["unmapped"], json!([]), "the rules hold all the same");

    let approve = json!({"reason": "looked at it", "approve": dry["plan"]["hash"]});
    let (status, answer) = put(&service, approve).await;
    assert_eq!((status, &answer["approved"]), (200, &json!(true)), "{answer}");
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), orders + 2);
    assert_eq!(service.sandbox.license("stripe-main:sub_new:TEAM").await.unwrap()["enabled"], json!(true));
    let (status, answer) = put(&service, json!({"reason": "again", "approve": dry["plan"]["hash"]})).await;
    assert_eq!(status, 409, "{answer}");
    let (_, history) = service.admin("GET", "/v1/admin/config/history", Value::Null).await;
    let said: Vec<&Value> = history["history"].as_array().unwrap().iter().map(|h| &h["said"]["reason"]).collect();
    assert_eq!(said, ["the new product", "first start: nothing was adopted yet"]);
    let (_, events) = service.get("/v1/events?source=system&type=config_plan_approved").await;
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_a_text_is_named_and_nothing_is_adopted() {
    let service = Service::start().await;
    let wrong = "[[catalog]]\nmatch = { colour = \"red\" }\npolicy_code = \"x\"\n[policy.default]\ngrace_days = -1\non_cancel = \"explode\"\nsurprise = 1\n";
    let (status, problem) = put(&service, json!({"reason": "x", "catalog_and_policy": wrong})).await;
    assert_eq!(status, 400, "{problem}");
    let fields: Vec<String> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap().to_owned()).collect();
    for part in ["match.colour", "product_code", "grace_days", "on_cancel", "surprise"] {
        assert!(fields.iter().any(|f| f.contains(part)), "nothing about {part}: {fields:?}");
    }
    assert!(problem["errors"].as_array().unwrap().iter().all(|e| e["fix"].is_string() && e["detail"].is_string()));
    let (status, problem) = put(&service, json!({"reason": "x", "catalog_and_policy": "this is = not = toml"})).await;
    assert_eq!((status, problem["errors"].as_array().map(Vec::len)), (400, Some(1)), "{problem}");
    assert_eq!(service.get("/v1/journals/system").await.1["head"], json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_instances_with_different_files_the_adopted_one_counts() {
    let mut service = Service::start().await;
    let other = Other::start(&service, TEAM).await;
    let (first, second) = (service.url.clone(), other.url.clone());
    let mut say = async |url: &str| {
        service.url = url.to_owned();
        let (_, shown) = service.admin("GET", "/v1/admin/config", Value::Null).await;
        (shown["file_is_adopted"].clone(), shown["hash"].clone())
    };
    let (of_first, hash) = say(&first).await;
    let (of_second, same) = say(&second).await;
    assert_eq!((of_first, of_second, &same), (json!(true), json!(false), &hash));
    let said = |log: String| log.contains("no calls are made here");
    eventually("the second says so", || async { said(std::fs::read_to_string(&other.log).unwrap()).then_some(()) })
        .await;
    assert!(!said(service.log()));

    // The second one's file is adopted: now the first one stands aside, and the second one works.
    service.url = second;
    let (status, adopted) = put(&service, json!({"reason": "the newer file"})).await;
    assert_eq!((status, &adopted["file_is_adopted"]), (200, &json!(true)), "{adopted}");
    eventually("the first says so", || async { said(service.log()).then_some(()) }).await;
    service.url = first;
    assert_eq!(service.admin("GET", "/v1/admin/config", Value::Null).await.1["file_is_adopted"], json!(false));
    buy(&service, "sub_1", "price_new").await;
    service.settled().await;
    assert!(service.sandbox.license("stripe-main:sub_1:TEAM").await.is_some(), "by the rules that count");
    service.kill();
    buy_at(&service, &other.url).await;
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), 2, "the second one made them");
}

async fn buy_at(service: &Service, url: &str) {
    let now = chrono::Utc::now().timestamp();
    let period = (now, now + 30 * DAY);
    let held = subscription("sub_2", "active", "price_pro", 1, period);
    let paid = invoice("in_2", "sub_2", "paid", "price_pro", period);
    for body in [
        event("evt_2_1", "customer.subscription.created", now, &held, None),
        event("evt_2_2", "invoice.paid", now, &paid, None),
    ] {
        let answer = service.poster().at(url).send("stripe-main", body.to_string().as_bytes(), &[]).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}
