//! User-based products.

use super::*;

const CREATE: &str = "/api/v1/orders/create_order/";

async fn team(lab: &Lab, id: &str, users: Value, max_license_users: u64) -> (StatusCode, Value) {
    let seed = json!({ "products": [{ "short_code": "TEAM", "authorization_method": "user", "max_activations": 1 }] });
    lab.control(Method::POST, "/seed", seed).await;
    let license = json!({ "users": users, "max_license_users": max_license_users });
    lab.post(CREATE, json!({ "id": id, "items": [{ "product_code": "TEAM", "licenses": [license] }] })).await
}

async fn call(lab: &Lab, path: &str, user: &str, hardware_id: &str, more: Value) -> (StatusCode, Value) {
    let mut body = json!({ "product": "TEAM", "username": user, "hardware_id": hardware_id });
    body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    answer(signed(lab, Method::POST, path).json(&body)).await
}

#[tokio::test]
async fn a_user_has_a_password_once_and_devices_of_their_own() {
    let lab = Lab::open().await;
    let users =
        json!([{ "email": "u@example.com", "first_name": "U" }, { "email": "v@example.com", "max_activations": 2 }]);
    let (status, order) = team(&lab, "t1", users, 0).await;
    assert_eq!(status, 201, "{order}");
    let license = order["order_items"][0]["licenses"][0].clone();
    assert_eq!(license["license_key"], Value::Null);
    let password = license["license_users"][0]["initial_password"].as_str().expect("a password");
    for shown in [lab.get(&license_path(&license)).await, lab.get("/api/v1/license-users/").await] {
        assert!(!shown.to_string().contains(password) && shown.to_string().contains("u@example.com|USS1"), "{shown}");
    }
    let wrong = call(&lab, "activate_license", "u@example.com", "h1", json!({ "password": "guess" })).await;
    assert_eq!((wrong.0.as_u16(), &wrong.1["code"]), (400, &json!("invalid_credentials")));
    let (status, seen) = call(&lab, "activate_license", "u@example.com", "h1", json!({ "password": password })).await;
    assert_eq!(status, 200, "{seen}");
    assert_eq!((&seen["user"]["email"], &seen["user"]["total_activations"]), (&json!("u@example.com"), &json!(1)));
    let full = call(&lab, "activate_license", "u@example.com", "h2", json!({})).await.1;
    assert_eq!(full["code"], "license_activated_max_times");
    for hardware_id in ["h3", "h4"] {
        assert_eq!(call(&lab, "activate_license", "v@example.com", hardware_id, json!({})).await.0, 200);
    }
    assert_eq!(lab.get(&license_path(&license)).await["times_activated"], 3);
    assert_eq!(call(&lab, "deactivate_license", "u@example.com", "h1", json!({})).await.0, 200);
    assert_eq!(call(&lab, "activate_license", "u@example.com", "h2", json!({})).await.0, 200, "freed");
    assert_eq!(call(&lab, "activate_license", "w@example.com", "h5", json!({})).await.1["code"], "license_not_found");
    let log = json!(lab.log().await).to_string();
    assert!(!log.contains(password) && !log.contains("guess"));
}

#[tokio::test]
async fn one_user_sits_in_several_licenses() {
    let lab = Lab::open().await;
    let users = json!([{ "email": "u@example.com" }]);
    let first = team(&lab, "t1", users.clone(), 1).await.1["order_items"][0]["licenses"][0].clone();
    let second = team(&lab, "t2", users, 1).await.1["order_items"][0]["licenses"][0].clone();
    let id = |license: &Value| license["license_users"][0]["id"].clone();
    assert_eq!(id(&first), id(&second));
    assert!(second["license_users"][0].get("initial_password").is_none(), "it was told before");
    let list = lab.get("/api/v1/license-users/?true_email__iexact=U@example.com").await;
    assert_eq!(list["count"], 1);
    assert_eq!(lab.get(&format!("/api/v1/license-users/{}/", id(&first))).await["true_email"], "u@example.com");
    assert_eq!(lab.get("/api/v1/licenses/?license_users__true_email=u@example.com").await["count"], 2);
    let picked = call(&lab, "activate_license", "u@example.com", "h1", json!({ "license_id": second["id"] })).await.1;
    assert_eq!(picked["id"], second["id"]);
}

#[tokio::test]
async fn users_are_assigned_and_unassigned() {
    let lab = Lab::open().await;
    let license =
        team(&lab, "t1", json!([{ "email": "u@example.com" }]), 3).await.1["order_items"][0]["licenses"][0].clone();
    let path = license_path(&license);
    let assign = async |body: Value| lab.post(&format!("{path}assign_user/"), body).await;
    let (status, told) = assign(json!({ "email": "v@example.com", "is_manager": true, "password": "chosen" })).await;
    assert_eq!(status, 200, "{told}");
    assert!(told["license_users"][1].get("initial_password").is_none(), "who chose it knows it");
    assert_eq!(
        (&told["license_users"][1]["is_manager"], &told["license_users"][1]["is_initial_password"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(call(&lab, "activate_license", "v@example.com", "h1", json!({ "password": "chosen" })).await.0, 200);
    assert_eq!(assign(json!({ "email": "v@example.com" })).await.0, 400, "assigned already");
    assert_eq!(assign(json!({ "email": "nobody" })).await.0, 400);
    assert_eq!(assign(json!({})).await.0, 400);
    let many = async |emails: Value| lab.post(&format!("{path}assign_users/"), json!({ "emails": emails })).await;
    assert_eq!(
        many(json!([{ "email": "w@example.com" }, { "email": "x@example.com" }])).await.0,
        400,
        "one seat is left"
    );
    let (status, told) = many(json!([{ "email": "w@example.com" }])).await;
    assert_eq!(status, 200, "{told}");
    assert!(told["license_users"][2]["initial_password"].is_string());

    let unassign = async |body: Value| lab.post(&format!("{path}unassign_user/"), body).await.0.as_u16();
    assert_eq!(unassign(json!({ "license_user_email": "v@example.com" })).await, 200);
    assert_eq!(unassign(json!({ "license_user_email": "v@example.com" })).await, 400);
    assert_eq!(unassign(json!({})).await, 400);
    assert_eq!(unassign(json!({ "license_user_id": told["license_users"][2]["id"] })).await, 200);
    let read = lab.get(&path).await;
    assert_eq!((read["license_users"].as_array().map(Vec::len), &read["times_activated"]), (Some(1), &json!(0)));
    assert_eq!(call(&lab, "check_license", "v@example.com", "h1", json!({})).await.0, 405);
    assert_eq!(call(&lab, "activate_license", "v@example.com", "h1", json!({})).await.1["code"], "license_not_found");
    lab.switch("S29", "204").await;
    assert_eq!(assign(json!({ "email": "v@example.com" })).await, (StatusCode::NO_CONTENT, json!("")));
}

#[tokio::test]
async fn what_is_wrong_with_users_leaves_no_trace() {
    let lab = Lab::open().await;
    let wrong = [
        (json!([{ "email": "u@example.com" }, { "email": "v@example.com" }]), 1),
        (json!([{ "email": "u@example.com" }, { "email": "U@example.com" }]), 0),
        (json!([{ "first_name": "U" }]), 1),
        (json!(["u@example.com"]), 1),
        (json!("u@example.com"), 1),
        (json!([{ "email": "u@example.com", "max_activations": -1 }]), 1),
    ];
    for (users, max) in wrong {
        assert_eq!(team(&lab, "t1", users.clone(), max).await.0, 400, "{users}");
    }
    let body = json!({ "id": "t1", "items": [{ "product_code": "TEAM", "licenses": [{ "key": "K" }] }] });
    assert_eq!(lab.post(CREATE, body).await.0, 400, "a license for users has no key");
    assert_eq!(lab.get("/api/v1/license-users/").await["count"], 0);
    assert_eq!(lab.get("/api/v1/orders/").await["count"], 0);
    let keyed = lab.license("o1").await;
    let path = format!("{}assign_user/", license_path(&keyed));
    assert_eq!(lab.post(&path, json!({ "email": "u@example.com" })).await.0, 400, "used with a key");
}
