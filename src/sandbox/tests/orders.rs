use super::*;

const CREATE: &str = "/api/v1/orders/create_order/";

#[actix_web::test]
async fn an_order_brings_its_license_and_customer() {
    let lab = Lab::open().await;
    let (status, order) = lab.post(CREATE, order("stripe:sub_9:si_3")).await;
    assert_eq!(status, 201);
    assert_eq!(order["store_id"], "stripe:sub_9:si_3");
    assert_eq!(order["metadata"]["sub"], "sub_9");
    assert_eq!(order["customer"]["total_licenses"], 1);
    let license = &order["order_items"][0]["licenses"][0];
    assert!(license["id"].as_u64() > Some(1_600_000_000_000_000));
    assert_eq!(license["order"], order["id"]);
    let key = license["license_key"].as_str().expect("a key");
    assert_eq!((key.len(), key.matches('-').count()), (19, 3));
    let read = lab.get(&license_path(license)).await;
    assert_eq!(read["status"], "Active", "a subscription is active at once");
    assert_eq!(read["max_activations"], 3, "what is said counts before the policy");
    assert_eq!(read["grace_period"], 24, "what is not said comes from the policy");
    assert_eq!(read["subscription_id"], "sub_9");
    assert_eq!(read["license_template_code"], "pro-monthly");
    assert_eq!(read["order_store_id"], "stripe:sub_9:si_3");
    assert_eq!(read["product_features"].as_array().map(Vec::len), Some(2));
    assert!(lab.get(&format!("/api/v1/orders/{}", order["id"])).await.get("order_items").is_none());
}

#[tokio::test]
async fn an_order_id_is_taken_once_unless_appended_to() {
    let lab = Lab::open().await;
    lab.license("o1").await;
    let (status, refusal) = lab.post(CREATE, order("o1")).await;
    assert_eq!((status.as_u16(), &refusal["code"]), (409, &json!("order_id_exists")));
    let mut appended = order("o1");
    appended["append"] = json!(true);
    assert_eq!(lab.post(CREATE, appended).await.0, 201);
    assert_eq!(lab.get("/api/v1/orders/?store_id=o1").await["count"], 1);
    assert_eq!(lab.get("/api/v1/licenses/?order__store_id=o1").await["count"], 2);
    assert_eq!(lab.get("/api/v1/customers/").await["count"], 1, "e-mail and reference fit");
}

#[tokio::test]
async fn duplicate_answers_by_switch() {
    let lab = Lab::open().await;
    lab.license("o1").await;
    let shapes = [
        ("400_id", 400, "id"),
        ("400_detail", 400, "detail"),
        ("400_errors", 400, "errors"),
        ("400_code", 400, "code"),
        ("409_code", 409, "code"),
    ];
    for (value, status, key) in shapes {
        lab.switch("S1", value).await;
        let (seen, body) = lab.post(CREATE, order("o1")).await;
        assert_eq!(seen.as_u16(), status, "{value}");
        assert!(body.get(key).is_some(), "{value}: {body}");
    }
    lab.switch("S1", "201_second_order").await;
    assert_eq!(lab.post(CREATE, order("o1")).await.0, 201);
    assert_eq!(lab.get("/api/v1/orders/?store_id=o1").await["count"], 2);
}

#[tokio::test]
async fn what_is_wrong_in_one_item_leaves_no_trace() {
    let lab = Lab::open().await;
    let wrong = [
        (json!({ "product_code": "NONE" }), "code"),
        (
            json!({ "product_code": "PRO", "licenses": [{ "validity_period": "2027-01-01", "valid_duration": "1m" }] }),
            "non_field_errors",
        ),
        (json!({ "product_code": "PRO", "licenses": [{ "valid_duration": "1w" }] }), "valid_duration"),
        (json!({ "product_code": "PRO", "licenses": [{ "license_type": "rented" }] }), "license_type"),
        (json!({ "product_code": "PRO", "licenses": [{ "max_activations": "many" }] }), "max_activations"),
        (json!({ "product_code": "PRO", "licenses": [{ "policy_code": "none" }] }), "policy_code"),
        (json!({ "product_code": "PRO", "licenses": [{ "key": "K" }, { "key": "K" }] }), "license_key"),
        (json!({ "product_code": "PRO", "licenses": [{ "product_features": ["none"] }] }), "code"),
    ];
    for (item, key) in wrong {
        let mut body = order("o1");
        body["items"].as_array_mut().expect("items").push(item.clone());
        let (status, refusal) = lab.post(CREATE, body).await;
        assert_eq!(status, 400, "{item}");
        assert!(refusal.get(key).is_some(), "{item}: {refusal}");
    }
    let mut without_items = order("o1");
    without_items.as_object_mut().expect("an object").remove("items");
    assert_eq!(lab.post(CREATE, without_items).await.1, json!({ "items": ["This field is required."] }));
    let state = lab.control(Method::GET, "/state", Value::Null).await;
    for table in ["orders", "licenses", "customers"] {
        assert_eq!(state[table], json!([]), "{table}");
    }
}

#[tokio::test]
async fn the_answer_to_a_creation_by_switch() {
    let lab = Lab::open().await;
    lab.control(Method::PUT, "/switches", json!({ "S2": 200, "S3": "ids_only" })).await;
    let (status, body) = lab.post(CREATE, order("o1")).await;
    assert_eq!(status, 200);
    let mut keys: Vec<&String> = body["order_items"][0]["licenses"][0].as_object().expect("a license").keys().collect();
    keys.retain(|key| *key != "license_users");
    assert_eq!(keys, ["id", "license_key", "order"]);
    lab.switch("S3", "no_items").await;
    assert!(lab.post(CREATE, order("o2")).await.1.get("order_items").is_none());
    lab.switch("S3", "empty").await;
    assert_eq!(lab.post(CREATE, order("o3")).await.1, json!(""));
}

#[tokio::test]
async fn orders_are_changed_and_deleted_when_empty() {
    let lab = Lab::open().await;
    let license = lab.license("o1").await;
    lab.license("o2").await;
    let path = format!("/api/v1/orders/{}/", license["order"]);
    assert_eq!(lab.patch(&path, json!({ "store_id": "o2" })).await.0, 400, "taken");
    let (status, order) = lab.patch(&path, json!({ "store_id": "renamed", "is_test": true })).await;
    assert_eq!((status.as_u16(), &order["store_id"], &order["is_test"]), (200, &json!("renamed"), &json!(true)));
    assert_eq!(lab.get("/api/v1/licenses/?order__store_id=renamed").await["count"], 1);
    let delete = format!("{path}safe_delete/");
    assert_eq!(lab.api(Method::DELETE, &delete).send().await.expect("an answer").status(), 400);
    lab.api(Method::DELETE, &license_path(&license)).send().await.expect("an answer");
    assert_eq!(lab.api(Method::DELETE, &delete).send().await.expect("an answer").status(), 204);
    assert_eq!(lab.api(Method::GET, &path).send().await.expect("an answer").status(), 404);
}

#[tokio::test]
async fn keys_are_made_for_known_products() {
    let lab = Lab::open().await;
    let keys = lab.get("/api/v1/orders/generate_license/?product=PRO&quantity=3").await;
    assert_eq!(keys.as_array().map(Vec::len), Some(3));
    let unknown = lab.api(Method::GET, "/api/v1/orders/generate_license/?product=NONE").send().await;
    assert_eq!(unknown.expect("an answer").status(), 404);
}

#[tokio::test]
async fn users_get_their_password_once_and_the_log_never() {
    let lab = Lab::open().await;
    let seed = json!({ "products": [{ "short_code": "TEAM", "authorization_method": "user" }] });
    lab.control(Method::POST, "/seed", seed).await;
    let body = json!({ "id": "t1", "items": [{ "product_code": "TEAM", "licenses": [{ "users": [{ "email": "u@example.com" }] }] }] });
    let (status, order) = lab.post(CREATE, body).await;
    assert_eq!(status, 201, "{order}");
    let license = &order["order_items"][0]["licenses"][0];
    assert_eq!(license["license_key"], Value::Null);
    let password = license["license_users"][0]["initial_password"].as_str().expect("a password");
    let read = lab.get(&license_path(license)).await;
    assert_eq!(read["license_users"][0]["email"], "u@example.com|USS1");
    assert!(read["license_users"][0].get("initial_password").is_none());
    let log = json!(lab.log().await).to_string();
    assert!(!log.contains(password));
    assert!(!log.contains(MANAGEMENT_KEY));
}
