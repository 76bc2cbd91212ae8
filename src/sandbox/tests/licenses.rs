use super::*;

#[tokio::test]
async fn only_the_management_key_opens() {
    let lab = Lab::open().await;
    let path = "/api/v1/licenses/";
    let (status, body) = answer(lab.bare(Method::GET, path)).await;
    assert_eq!((status.as_u16(), body), (403, json!({ "detail": "Authentication credentials were not provided." })));
    let wrong = || lab.bare(Method::GET, path).header("authorization", "Api-Key wrong");
    assert_eq!(answer(wrong()).await.0, 403);
    lab.switch("S24", "401").await;
    assert_eq!(answer(wrong()).await.0, 401);
    assert_eq!(answer(lab.api(Method::GET, path)).await.0, 200);
}

#[tokio::test]
async fn a_renewal_names_is_trial_and_one_kind_of_validity() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    let before = lab.get(&path).await;
    let (status, refusal) = lab.patch(&path, json!({ "validity_period": "2999-08-19" })).await;
    assert_eq!(status, 400);
    assert!(refusal.get("is_trial").is_some());
    let both = json!({ "is_trial": false, "validity_period": "2999-08-19", "valid_duration": "1m" });
    assert_eq!(lab.patch(&path, both).await.0, 400);
    assert_eq!(lab.patch(&path, json!({ "maintenance_period": "2999-01-01" })).await.0, 400);
    let (status, license) = lab.patch(&path, json!({ "is_trial": false, "validity_period": "2999-08-19" })).await;
    assert_eq!((status.as_u16(), &license["validity_period"]), (200, &json!("2999-08-19")));
    assert!(license["updated_at"].as_str() > before["updated_at"].as_str());
    lab.switch("S12", "not_enforced").await;
    assert_eq!(lab.patch(&path, json!({ "validity_period": "2999-09-19" })).await.0, 200);
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_noted() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    let body = json!({ "max_activtions": 9, "license_type": "perpetual", "enabled": false });
    let (status, license) = lab.patch(&path, body).await;
    assert_eq!(status, 200);
    assert_eq!((&license["license_type"], &license["enabled"]), (&json!("subscription"), &json!(true)));
    let warnings = lab.log().await.last().expect("an entry")["warnings"].to_string();
    assert!(warnings.contains("max_activtions") && warnings.contains("license_type"), "{warnings}");
    lab.control(Method::PUT, "/switches", json!({ "S13": "400", "S14": "honoured" })).await;
    assert_eq!(lab.patch(&path, json!({ "license_type": "perpetual" })).await.0, 400);
    assert_eq!(lab.patch(&path, json!({ "enabled": false })).await.1["status"], "Disabled");
}

#[tokio::test]
async fn metadata_goes_in_as_string_or_object_and_comes_out_as_object() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    for sent in [json!("{\"a\":1}"), json!({ "a": 1 })] {
        assert_eq!(lab.patch(&path, json!({ "metadata": sent })).await.1["metadata"], json!({ "a": 1 }));
    }
    assert_eq!(lab.patch(&path, json!({ "metadata": "no JSON" })).await.0, 400);
    lab.switch("S10", "string_only").await;
    assert_eq!(lab.patch(&path, json!({ "metadata": {} })).await.0, 400);
}

#[tokio::test]
async fn disabling_and_enabling() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    let disable = format!("{path}disable/");
    for _ in 0..2 {
        let (status, body) = lab.post(&disable, json!({})).await;
        assert_eq!((status.as_u16(), body), (200, json!({ "message": "License disabled." })));
    }
    let disabled = lab.get(&path).await;
    assert_eq!((&disabled["status"], &disabled["enabled"]), (&json!("Disabled"), &json!(false)));
    assert!(disabled["time_disabled"].is_string());
    lab.switch("S15", "400").await;
    assert_eq!(lab.post(&disable, json!({})).await.0, 400);
    assert_eq!(lab.post(&format!("{path}enable/"), json!({})).await.0, 200);
    let enabled = lab.get(&path).await;
    assert_eq!((&enabled["status"], &enabled["time_disabled"]), (&json!("Active"), &Value::Null));
    lab.switch("S29", "204").await;
    assert_eq!(lab.post(&disable, json!({})).await.0, 204);
}

#[tokio::test]
async fn features_are_replaced() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    let update = format!("{path}update_features/");
    let body = json!({ "product_features": [{ "product_feature": "sync", "max_consumption": 7 }] });
    assert_eq!(lab.post(&update, body).await.0, 200);
    let features = lab.get(&path).await["product_features"].clone();
    assert_eq!(features.as_array().map(Vec::len), Some(1));
    assert_eq!((&features[0]["product_feature"]["code"], &features[0]["max_consumption"]), (&json!("sync"), &json!(7)));
    let unknown = json!({ "product_features": [{ "product_feature": "none" }] });
    assert_eq!(lab.post(&update, unknown).await.1["code"], "unsupported_product_feature");
}

#[tokio::test]
async fn the_clock_expires_a_license_after_its_grace() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    let status_at = async |now: &str| {
        lab.control(Method::PUT, "/clock", json!({ "now": now })).await;
        lab.get(&path).await["status"].clone()
    };
    lab.patch(&path, json!({ "is_trial": false, "validity_period": "2030-05-01" })).await;
    assert_eq!(status_at("2030-05-01T23:59:59Z").await, "Active", "24 hours of grace");
    assert_eq!(status_at("2030-05-02T00:00:00Z").await, "Expired");
    lab.switch("S17", "end_of_date").await;
    assert_eq!(status_at("2030-05-02T12:00:00Z").await, "Active");
    assert_eq!(status_at("2030-05-03T00:00:00Z").await, "Expired");
    let (_, renewed) = lab.patch(&path, json!({ "is_trial": false, "validity_period": "2030-06-01" })).await;
    assert_eq!(renewed["status"], "Active");
}

#[tokio::test]
async fn a_duration_becomes_a_date_for_a_subscription() {
    let lab = Lab::open().await;
    lab.control(Method::PUT, "/clock", json!({ "now": "2030-01-31T10:00:00Z" })).await;
    let path = license_path(&lab.license("o1").await);
    let (_, license) = lab.patch(&path, json!({ "is_trial": false, "valid_duration": "1m" })).await;
    assert_eq!(license["validity_period"], "2030-02-28");
}
