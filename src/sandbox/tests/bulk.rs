//! Calls on many licenses: all of them, or none.

use super::*;

#[tokio::test]
async fn many_are_changed_in_one_call_or_none_is() {
    let lab = Lab::open().await;
    let (one, two) = (lab.license("o1").await, lab.license("o2").await);
    let path = "/api/v1/licenses/bulk_update/";
    let body = json!([
        { "id": one["id"], "is_trial": false, "validity_period": "2999-08-19" },
        { "id": two["id"].to_string(), "max_activations": 8, "colour": "red" },
    ]);
    let (status, changed) = lab.patch(path, body).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!((&changed[0]["validity_period"], &changed[1]["max_activations"]), (&json!("2999-08-19"), &json!(8)));
    assert!(lab.log().await.last().expect("an entry")["warnings"].to_string().contains("colour"));
    let wrong = [
        json!([{ "id": one["id"], "note": "half" }, { "id": two["id"], "validity_period": "2999-08-19" }]),
        json!([{ "id": one["id"], "note": "half" }, { "note": "no id" }]),
        json!([{ "id": one["id"], "note": "half" }, 5]),
        json!({ "id": one["id"], "note": "half" }),
    ];
    for body in wrong {
        assert_eq!(lab.patch(path, body.clone()).await.0, 400, "{body}");
    }
    assert_eq!(lab.patch(path, json!([{ "id": one["id"], "note": "half" }, { "id": 5 }])).await.0, 404);
    assert_eq!(lab.get(&license_path(&one)).await["note"], "");
}

#[tokio::test]
async fn many_are_disabled_or_reset() {
    let lab = Lab::open().await;
    let (one, two) = (lab.license("o1").await, lab.license("o2").await);
    for license in [&one, &two] {
        assert_eq!(device_call(&lab, "activate_license", license, "h1").await.0, 200);
    }
    let unknown = json!([one["id"], 5]);
    assert_eq!(lab.post("/api/v1/licenses/disable_bulk/", unknown.clone()).await.0, 404);
    assert_eq!(lab.post("/api/v1/licenses/reset_bulk/", unknown).await.0, 404);
    assert_eq!(lab.get("/api/v1/licenses/?enabled=true").await["count"], 2);
    let both = json!([one["id"], two["id"].to_string()]);
    let (_, told) = lab.post("/api/v1/licenses/reset_bulk/", both.clone()).await;
    assert_eq!(told["message"], "Licenses and related devices reset.");
    assert_eq!(lab.get("/api/v1/devices/?device_active=true").await["count"], 0);
    let (_, told) = lab.post("/api/v1/licenses/disable_bulk/", both).await;
    assert_eq!(told["message"], "Licenses disabled.");
    assert_eq!(lab.get("/api/v1/licenses/?enabled=false").await["count"], 2);
    assert_eq!(lab.api(Method::GET, "/api/v1/licenses/disable_bulk/").send().await.expect("an answer").status(), 405);
}
