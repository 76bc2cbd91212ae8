//! One customer at two providers: joined by an admin's word, and parted by one.

use serde_json::json;

use crate::support::service::Service;
use crate::support::stripe::{DAY, event, invoice, subscription};

async fn buy(service: &Service, id: &str) {
    let now = chrono::Utc::now().timestamp();
    let period = (now - 60, now + 30 * DAY);
    for body in [
        event(
            &format!("evt_{id}_1"),
            "customer.subscription.created",
            period.0,
            &subscription(id, "active", "price_pro", 1, period),
            None,
        ),
        event(
            &format!("evt_{id}_2"),
            "invoice.paid",
            period.0,
            &invoice(&format!("in_{id}"), id, "paid", "price_pro", period),
            None,
        ),
    ] {
        assert_eq!(service.post("stripe-main", body.to_string().as_bytes()).await.0, 200);
    }
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
