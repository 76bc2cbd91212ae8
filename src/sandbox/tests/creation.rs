//! What create_order takes and refuses, and its switches S22, S23, S25 and S28.

use super::*;

const CREATE: &str = "/api/v1/orders/create_order/";

async fn customer_of(lab: &Lab, id: &str, customer: Value) -> Value {
    let mut body = order(id);
    body["customer"] = customer;
    let (status, order) = lab.post(CREATE, body).await;
    assert_eq!(status, 201, "{order}");
    order["customer"]["id"].clone()
}

#[tokio::test]
async fn the_customer_by_switch() {
    let lab = Lab::open().await;
    let first = json!({ "email": "a@example.com", "reference": "r1" });
    let other = json!({ "email": "a@example.com", "reference": "r2" });
    lab.switch("S23", "none_when_unknown").await;
    assert_eq!(customer_of(&lab, "o0", first.clone()).await, Value::Null);
    lab.switch("S23", "email_and_reference").await;
    let one = customer_of(&lab, "o1", first.clone()).await;
    assert_eq!(customer_of(&lab, "o2", first.clone()).await, one);
    let two = customer_of(&lab, "o3", other.clone()).await;
    assert_ne!(two, one);
    lab.switch("S23", "email_only").await;
    assert_eq!(customer_of(&lab, "o4", other.clone()).await, one);
    lab.switch("S23", "none_when_unknown").await;
    assert_eq!(customer_of(&lab, "o5", other.clone()).await, two);
    lab.switch("S23", "always_new").await;
    assert_ne!(customer_of(&lab, "o6", first.clone()).await, one);
    lab.switch("S23", "email_and_reference").await;
    let customers = lab.get("/api/v1/customers/").await["count"].clone();
    customer_of(&lab, "o7", first).await;
    assert_eq!(
        lab.get("/api/v1/customers/").await["count"].as_u64(),
        customers.as_u64().map(|n| n + 1),
        "two fit: new"
    );
}

#[tokio::test]
async fn a_product_that_is_not_sold_by_switch() {
    let lab = Lab::open().await;
    let table = [
        (json!({ "is_archived": true, "active": true }), "archived_product"),
        (json!({ "is_archived": false, "active": false }), "disabled_product"),
    ];
    for (mut product, code) in table {
        product["short_code"] = json!("PRO");
        lab.control(Method::POST, "/seed", json!({ "products": [product] })).await;
        lab.switch("S28", "code").await;
        let (status, refusal) = lab.post(CREATE, order("o1")).await;
        assert_eq!((status.as_u16(), &refusal["code"]), (400, &json!(code)));
        lab.switch("S28", "field_error").await;
        let (status, refusal) = lab.post(CREATE, order("o1")).await;
        assert_eq!(status, 400);
        assert!(refusal["product_code"].is_array(), "{refusal}");
    }
}

#[tokio::test]
async fn past_bugs_and_the_subscription_id_by_switch() {
    let lab = Lab::open().await;
    let mut of_item = order("o1");
    of_item["items"][0]["subscription_id"] = json!("sub_item");
    of_item["items"][0]["licenses"][0].as_object_mut().expect("a license").remove("subscription_id");
    let (_, made) = lab.post(CREATE, of_item).await;
    assert_eq!(made["order_items"][0]["licenses"][0]["subscription_id"], "sub_item");
    lab.switch("S22", "dropped").await;
    assert_eq!(lab.license("o2").await["subscription_id"], Value::Null);
    lab.switch("S25", "policy_ignored").await;
    assert_eq!(lab.license("o3").await["grace_period"], 0);
    lab.switch("S25", "zero_validity").await;
    let license = lab.license("o4").await;
    assert_eq!((&license["validity_period"], &license["grace_period"]), (&json!("0000-00-00"), &json!(24)));
}

#[tokio::test]
async fn fields_come_from_the_license_else_the_policy_else_the_product() {
    let lab = Lab::open().await;
    let seed = json!({
        "products": [{ "short_code": "KIT", "max_activations": 7, "floating_users": 2, "is_floating_cloud": true,
                       "default_license_type": "time-limited", "valid_duration": "1y", "prevent_vm": false }],
        "policies": [{ "code": "kit", "product": "KIT", "floating_users": 3, "license_type": "consumption",
                       "max_consumptions": 50, "consumption_period": "monthly" }],
    });
    lab.control(Method::POST, "/seed", seed).await;
    let body = json!({ "id": "k1", "prevent_vm": true, "items": [{ "product_code": "KIT", "licenses": [
        {}, { "policy_code": "kit" }, { "policy_code": "kit", "floating_users": 4, "prevent_vm": false },
    ] }] });
    let (status, order) = lab.post(CREATE, body).await;
    assert_eq!(status, 201, "{order}");
    let licenses = &order["order_items"][0]["licenses"];
    let told = |at: usize, field: &str| licenses[at][field].clone();
    assert_eq!([told(0, "floating_users"), told(1, "floating_users"), told(2, "floating_users")], [2, 3, 4]);
    assert_eq!([told(0, "license_type"), told(1, "license_type")], ["time-limited", "consumption"]);
    assert_eq!([told(0, "max_consumptions"), told(1, "max_consumptions")], [0, 50]);
    assert_eq!([told(1, "prevent_vm"), told(2, "prevent_vm")], [true, false], "the order's, else the license's");
    assert_eq!((told(0, "max_activations"), told(0, "valid_duration")), (json!(7), json!("1y")));
    assert_eq!((told(0, "status"), told(0, "validity_period")), (json!("Inactive"), Value::Null), "until activated");
}

#[tokio::test]
async fn fields_nobody_knows_are_noted_and_accounts_are_not_found() {
    let lab = Lab::open().await;
    let mut body = order("o1");
    body["custmer"] = json!({});
    body["items"][0]["prodct"] = json!(1);
    body["items"][0]["licenses"][0]["max_activtions"] = json!(1);
    body["customer"]["emial"] = json!("x");
    assert_eq!(lab.post(CREATE, body).await.0, 201);
    let warnings = lab.log().await.last().expect("an entry")["warnings"].to_string();
    for name in ["custmer", "prodct", "max_activtions", "emial"] {
        assert!(warnings.contains(name), "{warnings}");
    }
    let mut of_account = order("o2");
    of_account["customer_account_id"] = json!(5);
    assert_eq!(lab.post(CREATE, of_account).await.1["code"], "customer_account_not_found");
    let wrong = [
        ("id", json!({})),
        ("id", json!("")),
        ("append", json!("maybe")),
        ("created", json!("yesterday")),
        ("customer", json!("a@example.com")),
        ("customer", json!({ "email": "nobody" })),
        ("metadata", json!("no JSON")),
        ("items", json!([])),
        ("items", json!({})),
        ("items", json!([5])),
        ("items", json!([{}])),
        ("items", json!([{ "product_code": "PRO", "licenses": 5 }])),
    ];
    for (field, value) in wrong {
        let mut body = order("o3");
        body[field] = value.clone();
        assert_eq!(lab.post(CREATE, body).await.0, 400, "{field}: {value}");
    }
    let (status, _) = answer(lab.api(Method::POST, CREATE).body("x").header("content-type", "text/plain")).await;
    assert_eq!(status, 415);
    assert_eq!(lab.get("/api/v1/orders/").await["count"], 1);
}
