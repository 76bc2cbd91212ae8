use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use hmac::{Hmac, Mac};

use super::*;

pub(super) fn signature(date: &str, shared_key: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(shared_key.as_bytes()).expect("any length");
    mac.update(format!("licenseSpring\ndate: {date}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

async fn check(lab: &Lab, license: &Value, hardware_id: &str) -> (StatusCode, Value) {
    let key = license["license_key"].as_str().expect("a key");
    let path = format!("check_license?product=PRO&hardware_id={hardware_id}&license_key={key}");
    answer(signed(lab, Method::GET, &path)).await
}

#[tokio::test]
async fn a_documented_signature_opens_at_its_time() {
    let options = SandboxOptions {
        license_api_key: "sim-api-key".to_owned(),
        license_shared_key: "sim-shared-secret".to_owned(),
        ..anywhere()
    };
    let lab = Lab::open_with(options).await;
    let call = || {
        // The spelling of the Python SDK.
        let header = r#"algorithm="hmac-sha256",headers="date",signature="xSRDyrMK9++yqwBugxHOzA1nd0upYoG3K+p0Z7RS3rE=",apiKey="sim-api-key""#;
        let request = lab.bare(Method::GET, "/api/v4/check_license?product=NONE&hardware_id=h&license_key=k");
        request.header("date", "Mon, 05 Jan 2026 12:00:00 GMT").header("authorization", header)
    };
    assert_eq!(answer(call()).await.1["code"], "date_header_diff");
    lab.control(Method::PUT, "/clock", json!({ "now": "2026-01-05T12:14:00Z" })).await;
    assert_eq!(answer(call()).await.1["code"], "unknown_product", "authorized");
    lab.control(Method::PUT, "/clock", json!({ "now": "2026-01-05T12:15:01Z" })).await;
    assert_eq!(answer(call()).await.1["code"], "date_header_diff");
}

#[tokio::test]
async fn the_license_api_has_its_own_keys() {
    let lab = Lab::open().await;
    let path = "/api/v4/activate_license";
    assert_eq!(answer(lab.bare(Method::POST, path)).await.1["code"], "missing_headers");
    let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let call = async |header: String| {
        let request = lab.bare(Method::POST, path).header("date", &date).header("authorization", header);
        answer(request.json(&json!({ "a": 1 }))).await.1["code"].clone()
    };
    let header = |key: &str, shared: &str| {
        format!(r#"algorithm="hmac-sha256",headers="date",signature="{}",apikey="{key}""#, signature(&date, shared))
    };
    assert_eq!(call(format!("Api-Key {MANAGEMENT_KEY}")).await, "authorization_missing_params");
    assert_eq!(call(header("wrong", LICENSE_SHARED_KEY)).await, "invalid_api_key");
    assert_eq!(call(header(LICENSE_API_KEY, "wrong")).await, "signature_mismatch");
    assert_eq!(call(header(LICENSE_API_KEY, LICENSE_SHARED_KEY)).await, "missing_parameters");
}

#[tokio::test]
async fn devices_come_from_activations_and_are_freed() {
    let lab = Lab::open().await;
    let license = lab.license("o1").await;
    for hardware_id in ["h1", "h2", "h2", "h3"] {
        let (status, body) = device_call(&lab, "activate_license", &license, hardware_id).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["validity_period"], "2999-07-19T00:00:00.000Z");
    }
    let full = device_call(&lab, "activate_license", &license, "h4").await;
    assert_eq!((full.0.as_u16(), &full.1["code"]), (400, &json!("license_activated_max_times")));
    let devices = format!("/api/v1/devices/?license={}", license["id"]);
    assert_eq!(lab.get(&devices).await["count"], 3);
    assert_eq!(lab.get(&license_path(&license)).await["times_activated"], 3);

    assert_eq!(device_call(&lab, "deactivate_license", &license, "h1").await.1, json!("license_deactivated"));
    assert_eq!(device_call(&lab, "deactivate_license", &license, "h1").await.1["code"], "license_not_active");
    assert_eq!(device_call(&lab, "deactivate_license", &license, "h9").await.1["code"], "device_not_found");
    let device = lab.get("/api/v1/devices/?hardware_id=h2").await["results"][0].clone();
    let reset = format!("/api/v1/devices/{}/reset/", device["id"]);
    for _ in 0..2 {
        assert_eq!(lab.post(&reset, json!({})).await.1["message"], "Device reset and license updated.");
    }
    let read = lab.get(&license_path(&license)).await;
    assert_eq!((&read["times_activated"], &read["total_active_devices"]), (&json!(1), &json!(1)));
    assert_eq!(device_call(&lab, "activate_license", &license, "h4").await.1["transfer_count"], 1);

    assert_eq!(lab.post(&format!("{}reset/", license_path(&license)), json!({})).await.0, 200);
    assert_eq!(lab.get(&license_path(&license)).await["times_activated"], 0);
    let rows = lab.get(&devices).await["results"].as_array().expect("rows").clone();
    assert!(rows.len() == 4 && rows.iter().all(|d| d["device_active"] == false));
}

#[tokio::test]
async fn disabled_and_expired_licenses_say_so() {
    let lab = Lab::open().await;
    let license = lab.license("o1").await;
    device_call(&lab, "activate_license", &license, "h1").await;
    assert_eq!(check(&lab, &license, "h1").await.1["is_expired"], false);
    lab.control(Method::PUT, "/clock", json!({ "now": "2999-07-20T00:00:00Z" })).await;
    assert_eq!(check(&lab, &license, "h1").await.1["is_expired"], true);
    lab.switch("S19", "400_license_expired").await;
    assert_eq!(check(&lab, &license, "h1").await.1["code"], "license_expired");
    assert_eq!(device_call(&lab, "activate_license", &license, "h2").await.1["code"], "license_expired");
    lab.control(Method::PUT, "/clock", json!({ "now": null })).await;
    lab.post(&format!("{}disable/", license_path(&license)), json!({})).await;
    for path in ["activate_license", "deactivate_license"] {
        assert_eq!(device_call(&lab, path, &license, "h1").await.1["code"], "license_not_enabled", "{path}");
    }
    assert_eq!(check(&lab, &license, "h1").await.1["code"], "license_not_enabled");
    lab.switch("S18", "succeeds").await;
    assert_eq!(device_call(&lab, "deactivate_license", &license, "h1").await.0, 200);
}

#[tokio::test]
async fn a_trial_runs_from_its_first_activation() {
    let lab = Lab::open().await;
    lab.control(Method::PUT, "/clock", json!({ "now": "2030-01-01T08:00:00Z", "rate": 0 })).await;
    let mut body = order("t1");
    body["items"][0]["licenses"] = json!([{ "license_type": "perpetual", "is_trial": true, "trial_days": 14 }]);
    let (_, order) = lab.post("/api/v1/orders/create_order/", body).await;
    let license = order["order_items"][0]["licenses"][0].clone();
    assert_eq!((&license["status"], &license["validity_period"]), (&json!("Inactive"), &Value::Null));
    device_call(&lab, "activate_license", &license, "h1").await;
    let read = lab.get(&license_path(&license)).await;
    assert_eq!((&read["status"], &read["validity_period"]), (&json!("Active"), &json!("2030-01-15")));
}

#[tokio::test]
async fn moves_are_counted_and_limited() {
    let lab = Lab::open().await;
    let mut body = order("o1");
    body["items"][0]["licenses"][0]["max_transfers"] = json!(1);
    let (_, order) = lab.post("/api/v1/orders/create_order/", body).await;
    let license = order["order_items"][0]["licenses"][0].clone();
    for hardware_id in ["h1", "h2"] {
        assert_eq!(device_call(&lab, "activate_license", &license, hardware_id).await.0, 200);
        assert_eq!(device_call(&lab, "deactivate_license", &license, hardware_id).await.0, 200);
    }
    let third = device_call(&lab, "activate_license", &license, "h3").await;
    assert_eq!((third.0.as_u16(), &third.1["code"]), (400, &json!("license_transfer_limit_reached")));
    assert_eq!(lab.get(&license_path(&license)).await["transfer_count"], 1);
}

#[tokio::test]
async fn a_license_starts_on_its_date_and_a_blacklisted_device_stays_out() {
    let lab = Lab::open().await;
    let mut body = order("o1");
    body["items"][0]["licenses"][0]["start_date"] = json!("2500-01-01");
    let (_, order) = lab.post("/api/v1/orders/create_order/", body).await;
    let license = order["order_items"][0]["licenses"][0].clone();
    let early = device_call(&lab, "activate_license", &license, "h1").await.1;
    assert_eq!(early["code"], "license_start_date_not_reached");
    lab.control(Method::PUT, "/clock", json!({ "now": "2500-01-01T00:00:00Z" })).await;
    let activated = device_call(&lab, "activate_license", &license, "h1").await.1;
    assert_eq!(activated["start_date"], "2500-01-01T00:00:00.000Z");
    let device = lab.get("/api/v1/devices/?hardware_id=h1").await["results"][0].clone();
    let path = format!("/api/v1/devices/{}/", device["id"]);
    assert_eq!(lab.get(&path).await["device_active"], true);
    assert_eq!(lab.post(&format!("{path}blacklist/"), json!({})).await.0, 200);
    assert_eq!(lab.get("/api/v1/devices/?blacklisted=true").await["count"], 1);
    for call in ["activate_license", "deactivate_license"] {
        assert_eq!(device_call(&lab, call, &license, "h1").await.1["code"], "blacklisted", "{call}");
    }
}

#[tokio::test]
async fn its_clients_read_one_shape_of_refusal_alone() {
    let lab = Lab::open().await;
    let license = lab.license("o1").await;
    for (kind, status, code) in [("500", 500, "internal_error"), ("429", 429, "too_many_requests")] {
        lab.fault(kind, "/api/v4/").await;
        let (seen, body) = device_call(&lab, "activate_license", &license, "h1").await;
        assert_eq!((seen.as_u16(), &body["code"], &body["status"]), (status, &json!(code), &json!(status)));
    }
    let (status, body) = answer(signed(&lab, Method::GET, "no_such_call")).await;
    assert_eq!((status.as_u16(), &body["code"]), (404, &json!("not_found")));
    assert_eq!(answer(signed(&lab, Method::GET, "activate_license")).await.0, 405);
    let (_, body) = answer(signed(&lab, Method::POST, "activate_license").body("no JSON")).await;
    assert_eq!(body["code"], "invalid_json");
}
