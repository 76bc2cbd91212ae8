//! Features and custom fields.

use super::*;

async fn shop(lab: &Lab) {
    let seed = json!({ "products": [{ "short_code": "PRO", "features": [
            "export", { "code": "calls", "feature_type": "consumption", "max_consumption": 10 }],
        "custom_fields": ["region", { "name": "tier", "default_value": "basic" }] }] });
    lab.control(Method::POST, "/seed", seed).await;
}

#[tokio::test]
async fn features_are_replaced_all_or_none() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    let update = format!("{path}update_features/");
    let body = json!({ "product_features": [{ "product_feature": "sync", "max_consumption": 7 }] });
    assert_eq!(lab.post(&update, body).await.0, 200);
    let features = lab.get(&path).await["product_features"].clone();
    assert_eq!(features.as_array().map(Vec::len), Some(1));
    assert_eq!((&features[0]["product_feature"]["code"], &features[0]["max_consumption"]), (&json!("sync"), &json!(7)));
    let by_id = json!({ "product_features": [{ "product_feature": features[0]["product_feature"]["id"] }] });
    assert_eq!(lab.post(&update, by_id).await.0, 200);
    assert_eq!(lab.get(&path).await["product_features"][0]["max_consumption"], 0, "nothing of the old row stays");
    let wrong = [
        (json!([{ "product_feature": "export" }, { "product_feature": "none" }]), "code"),
        (json!(["export", "export"]), "product_features"),
        (json!([{ "code": "export", "max_consumption": "many" }]), "max_consumption"),
        (json!([{ "code": "export", "expiry_date": "soon" }]), "expiry_date"),
        (json!("export"), "product_features"),
    ];
    for (list, key) in wrong {
        let (status, refusal) = lab.post(&update, json!({ "product_features": list })).await;
        assert_eq!(status, 400, "{list}");
        assert!(refusal.get(key).is_some(), "{refusal}");
    }
    assert_eq!(lab.get(&path).await["product_features"][0]["product_feature"]["code"], "sync");
    assert_eq!(lab.post(&update, json!({ "product_features": [] })).await.0, 200);
    assert_eq!(lab.get(&path).await["product_features"], json!([]));
}

#[tokio::test]
async fn an_order_chooses_its_features_and_their_limits() {
    let lab = Lab::open().await;
    shop(&lab).await;
    let created = async |id: &str, features: Value| {
        let mut body = order(id);
        body["items"][0]["licenses"][0]["product_features"] = features;
        lab.post("/api/v1/orders/create_order/", body).await
    };
    let (status, order) = created("o1", json!([{ "code": "calls", "max_consumption": 99 }])).await;
    assert_eq!(status, 201, "{order}");
    let rows = &order["order_items"][0]["licenses"][0]["product_features"];
    assert_eq!((rows.as_array().map(Vec::len), &rows[0]["max_consumption"]), (Some(1), &json!(99)));
    let all = lab.license("o2").await["product_features"].clone();
    assert_eq!(all.as_array().map(Vec::len), Some(2), "who does not choose has all");
    let (status, refusal) = created("o3", json!(["export", "none"])).await;
    assert_eq!((status.as_u16(), &refusal["code"]), (400, &json!("unsupported_product_feature")));
    assert_eq!(lab.get("/api/v1/orders/?store_id=o3").await["count"], 0);
    let id = &rows[0]["product_feature"]["id"];
    assert_eq!(lab.get(&format!("/api/v1/licenses/?product_features__id={id}")).await["count"], 2);
}

#[tokio::test]
async fn custom_fields_have_defaults_and_can_be_set() {
    let lab = Lab::open().await;
    shop(&lab).await;
    let mut body = order("o1");
    body["items"][0]["licenses"][0]["custom_fields"] =
        json!([{ "name": "region", "value": "eu" }, { "name": "colour", "value": 5 }]);
    let (_, order) = lab.post("/api/v1/orders/create_order/", body).await;
    let license = order["order_items"][0]["licenses"][0].clone();
    let rows = license["product_custom_fields"].as_array().expect("rows");
    let told: Vec<(&Value, &Value)> = rows.iter().map(|row| (&row["name"], &row["value"])).collect();
    assert_eq!(json!(told), json!([["region", "eu"], ["tier", "basic"], ["colour", "5"]]));
    assert!(rows[0]["product_custom_field"].is_u64() && rows[2]["product_custom_field"].is_null());
    assert!(lab.log().await.last().expect("an entry")["warnings"].to_string().contains("colour"));
    let (_, seen) = device_call(&lab, "activate_license", &license, "h1").await;
    assert_eq!(seen["custom_fields"][0], json!({ "name": "region", "value": "eu" }));
    for wrong in [json!("x"), json!([{}]), json!([{ "name": "region", "value": [] }])] {
        let mut body = super::order("o2");
        body["items"][0]["licenses"][0]["custom_fields"] = wrong.clone();
        assert_eq!(lab.post("/api/v1/orders/create_order/", body).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn the_license_api_shows_features_flat_and_leaves_out_what_is_over() {
    let lab = Lab::open().await;
    shop(&lab).await;
    let license = lab.license("o1").await;
    let update = format!("{}update_features/", license_path(&license));
    let rows = json!([{ "product_feature": "export", "expiry_date": "2500-01-01" }, { "product_feature": "calls" }]);
    assert_eq!(lab.post(&update, json!({ "product_features": rows })).await.0, 200);
    let (_, seen) = device_call(&lab, "activate_license", &license, "h1").await;
    let first = &seen["product_features"][0];
    assert_eq!((&first["code"], &first["feature_type"]), (&json!("export"), &json!("activation")));
    assert_eq!(first["expiry_date"], "2500-01-01T00:00:00.000Z");
    assert_eq!(seen["product_features"][1]["max_consumption"], 10);
    lab.control(Method::PUT, "/clock", json!({ "now": "2500-01-01T00:00:00Z" })).await;
    let key = license["license_key"].as_str().expect("a key");
    for (query, count) in [("", 1), ("&include_expired_features=false", 1), ("&include_expired_features=true", 2)] {
        let path = format!("check_license?product=PRO&hardware_id=h1&license_key={key}{query}");
        let (status, seen) = answer(signed(&lab, Method::GET, &path)).await;
        assert_eq!(status, 200, "{seen}");
        assert_eq!(seen["product_features"].as_array().map(Vec::len), Some(count), "{query}");
    }
}
