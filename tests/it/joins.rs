//! One customer at two providers: joined by an admin's word, and parted by one.

use serde_json::{Value, json};

use crate::histories::fastspring;
use crate::support::rng::Rng;
use crate::support::service::Service;
use crate::support::shop;

async fn buy(service: &Service, id: &str) {
    shop::buy(service, id, "price_pro", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_joined_by_an_act_with_a_reason_and_never_by_e_mail() {
    let service = Service::start().await;
    // The same address at both: that alone says nothing.
    buy(&service, "sub_1").await;
    buy(&service, "sub_2").await;
    service.settled().await;
    let one = || async { service.get("/v1/customers/stripe-main/cus_sub_1").await.1 };
    assert_eq!((one().await["subscriptions"].as_array().unwrap().len(), &one().await["joined_with"]), (1, &json!([])));

    let customer = |id: &str| json!({"source": "stripe-main", "customer_id": id});
    let both = json!([customer("cus_sub_1"), customer("cus_sub_2")]);
    let path = "/v1/admin/customer-joins";
    for (body, field) in [
        (json!({"customers": both}), "reason"),
        (json!({"customers": [customer("cus_sub_1")], "reason": "x"}), "customers"),
        (json!({"customers": [customer("cus_sub_1"), customer("cus_sub_1")], "reason": "x"}), "customers"),
        (json!({"customers": [customer("cus_sub_1"), customer("nobody")], "reason": "x"}), "customers"),
        (
            json!({"customers": [customer("cus_sub_1"), {"source": "nowhere", "customer_id": "c"}], "reason": "x"}),
            "source",
        ),
    ] {
        let (status, answer) = service.admin("POST", path, body).await;
        assert_eq!((status.as_u16(), &answer["errors"][0]["field"]), (400, &json!(field)), "{answer}");
    }
    let forbidden = service.http.post(format!("{}{path}", service.url)).bearer_auth(&service.auditor);
    assert_eq!(forbidden.json(&json!({"customers": both, "reason": "x"})).send().await.unwrap().status(), 403);

    let (status, join) = service.admin("POST", path, json!({"customers": both, "reason": "ticket 7"})).await;
    assert_eq!(status, 201, "{join}");
    let shown = one().await;
    assert_eq!(shown["joined_with"], json!([customer("cus_sub_2")]));
    assert_eq!((shown["subscriptions"].as_array().unwrap().len(), shown["licenses"].as_array().unwrap().len()), (2, 2));
    let event = join["event"].as_str().unwrap();
    let (_, said) = service.get(&format!("/v1/events/{event}")).await;
    assert_eq!(said["type"], json!("customers_joined"));
    assert_eq!(service.sandbox.mutating().await.len(), 2, "a join causes no call");

    let id = join["id"].as_str().unwrap();
    let held = format!("{path}/{id}");
    let part = |body| service.admin("DELETE", &held, body);
    assert_eq!(part(json!({})).await.0, 400, "parting needs a reason, too");
    assert_eq!(part(json!({"reason": "another person"})).await.0, 200);
    assert_eq!(part(json!({"reason": "again"})).await.0, 404);
    assert_eq!(one().await["joined_with"], json!([]));
    assert_eq!(service.admin("GET", path, json!(null)).await.1, json!({"joins": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_of_time_has_what_happened_to_all_who_are_joined_and_keeps_its_pages() {
    let service = Service::start().await;
    for id in ["sub_1", "sub_2", "sub_3"] {
        buy(&service, id).await;
    }
    let start = chrono::Utc::now().timestamp_millis() - 60_000;
    for post in fastspring::random(&mut Rng::new(1), "Sub-1", start, 0).posts {
        let body = json!({"events": post}).to_string();
        assert_eq!(service.post("fastspring-main", body.as_bytes()).await.0, 200);
    }
    service.settled().await;
    let (_, theirs) = service.get("/v1/customers?source=fastspring-main").await;
    let customer = |id: &str| json!({"source": "stripe-main", "customer_id": id});
    let there = json!({"source": "fastspring-main", "customer_id": theirs["customers"][0]["customer_id"]});
    let join = async |customers: Value| {
        let asked = json!({"customers": customers, "reason": "one company"});
        let (status, join) = service.admin("POST", "/v1/admin/customer-joins", asked).await;
        assert_eq!(status, 201, "{join}");
    };
    let path = "/v1/customers/stripe-main/cus_sub_1/timeline";
    let from = |line: &Value, journal: &str| -> usize {
        let events = line["timeline"].as_array().unwrap().iter();
        events.filter(|m| m["event"].as_str().unwrap().starts_with(&format!("{journal}/"))).count()
    };
    let alone = service.get(path).await.1;
    assert_eq!((from(&alone, "stripe-main"), from(&alone, "fastspring-main")), (2, 0), "{alone}");

    join(json!([customer("cus_sub_1"), there])).await;
    join(json!([customer("cus_sub_2"), there])).await;
    let whole = service.get(path).await.1;
    assert_eq!(whole["joined_with"], json!([there, customer("cus_sub_2")]), "also who is joined with those");
    let of_all = service.get("/v1/events?source=fastspring-main").await.1["events"].as_array().unwrap().len();
    assert_eq!((from(&whole, "stripe-main"), from(&whole, "fastspring-main")), (4, of_all), "{whole}");
    assert_eq!(from(&whole, "licensespring-main"), 6, "an intent and an outcome each: {whole}");
    let times: Vec<&str> =
        whole["timeline"].as_array().unwrap().iter().map(|m| m["recorded_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first, whatever the journal: {times:?}");
    // From any of them the events are the same.
    let other = service.get("/v1/customers/stripe-main/cus_sub_2/timeline").await.1;
    assert_eq!(other["timeline"], whole["timeline"]);

    // Read in pages, while more is said and somebody else is joined: what was begun is finished.
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = service.get(&format!("{path}?limit=3&cursor={cursor}")).await.1;
        walked.extend(page["timeline"].as_array().unwrap().iter().cloned());
        if walked.len() == 3 {
            join(json!([customer("cus_sub_3"), there])).await;
            buy(&service, "sub_4").await;
            service.settled().await;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let named = |line: &[Value]| line.iter().map(|m| m["event"].to_string()).collect::<Vec<_>>();
    assert_eq!(named(&walked), named(whole["timeline"].as_array().unwrap()));
    let more = service.get(path).await.1;
    assert_eq!((from(&more, "stripe-main"), from(&more, "licensespring-main")), (6, 8), "{more}");
}
