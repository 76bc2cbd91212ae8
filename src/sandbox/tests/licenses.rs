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
    let unreadable = json!({ "enabled": "maybe", "note": "half" });
    assert_eq!(lab.patch(&path, unreadable).await.0, 400);
    assert_eq!(lab.get(&path).await["note"], "", "all or nothing");
    assert_eq!(lab.patch(&path, json!({ "enabled": false })).await.1["status"], "Disabled");
    lab.switch("S14", "400").await;
    assert_eq!(lab.patch(&path, json!({ "enabled": true })).await.0, 400);
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
    assert_eq!(lab.patch(&path, json!({ "metadata": "{}" })).await.0, 200);
    lab.switch("S10", "object_only").await;
    assert_eq!(lab.patch(&path, json!({ "metadata": {} })).await.0, 200);
    assert_eq!(lab.patch(&path, json!({ "metadata": "{}" })).await.0, 400);
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
    assert_eq!(lab.post(&format!("{path}enable/"), json!({})).await.0, 400);
    for (value, status) in [("204", 204), ("empty_200", 200)] {
        lab.control(Method::PUT, "/switches", json!({ "S15": "200", "S29": value })).await;
        assert_eq!(lab.post(&disable, json!({})).await, (StatusCode::from_u16(status).expect("a status"), json!("")));
    }
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

#[tokio::test]
async fn what_is_wrong_in_a_patch_leaves_no_trace() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    let before = lab.get(&path).await;
    let wrong = [
        ("max_activations", json!(-1)),
        ("max_activations", json!("many")),
        ("floating_users", json!(1.5)),
        ("is_floating", json!("yes")),
        ("grace_period", Value::Null),
        ("consumption_period", json!("hourly")),
        ("validity_period", json!("2026-02-30")),
        ("valid_duration", json!("1w")),
        ("order", json!(7)),
        ("metadata", json!([1])),
    ];
    for (field, value) in wrong {
        let body = json!({ "is_trial": false, "note": "half", field: value });
        let (status, refusal) = lab.patch(&path, body).await;
        assert_eq!(status, 400, "{field} {value}");
        assert!(refusal.get(field).is_some(), "{field}: {refusal}");
    }
    assert_eq!(lab.get(&path).await, before);
}

#[tokio::test]
async fn every_changeable_field_is_kept() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    let body = json!({
        "max_activations": 9, "allow_unlimited_activations": true, "max_transfers": -1, "max_license_users": 0,
        "max_consumptions": 100, "total_consumptions": 3, "allow_overages": true, "max_overages": 5,
        "reset_consumption": true, "consumption_period": "monthly", "is_trial": true, "trial_days": 14,
        "validity_period": "2999-01-02", "allow_grace_period": false, "grace_period": 48,
        "enable_maintenance_period": true, "maintenance_period": "2999-01-03", "is_floating": true,
        "is_floating_cloud": true, "floating_users": 4, "floating_timeout": 30, "prevent_vm": true, "note": "n",
    });
    let (status, license) = lab.patch(&path, body.clone()).await;
    assert_eq!(status, 200, "{license}");
    for (field, value) in body.as_object().expect("an object") {
        assert_eq!(&license[field], value, "{field}");
    }
    assert_eq!(lab.log().await.last().expect("an entry")["warnings"], json!([]));
    assert_eq!(lab.get("/api/v1/licenses/?is_any_floating=true").await["count"], 1);
}
