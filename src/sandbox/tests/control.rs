use super::*;

#[tokio::test]
async fn seeding_again_updates() {
    let lab = Lab::open().await;
    let again = json!({
        "products": [{ "short_code": "PRO", "product_name": "Professional", "features": ["sync", "ai"] }],
        "policies": [{ "code": "pro-monthly", "product": "PRO", "max_activations": 9, "colour": "red" }],
    });
    let before = lab.get("/api/v1/products/").await["results"][0].clone();
    let answer = lab.control(Method::POST, "/seed", again).await;
    assert!(answer["warnings"].to_string().contains("colour"));
    let products = lab.get("/api/v1/products/").await;
    assert_eq!((&products["count"], &products["results"][0]["product_name"]), (&json!(1), &json!("Professional")));
    assert_eq!(products["results"][0]["default_license_type"], "subscription", "what is not told stays");
    assert_eq!(products["results"][0]["features"][0]["id"], before["features"][1]["id"]);
    let policies = lab.get("/api/v1/license-templates/").await;
    assert_eq!((&policies["count"], &policies["results"][0]["max_activations"]), (&json!(1), &json!(9)));
    let wrong = [
        json!({ "products": [{ "product_name": "no code" }] }),
        json!({ "policies": [{ "code": "x", "product": "NONE" }] }),
        json!({ "products": [{ "short_code": "X", "default_license_type": "rented" }] }),
        json!({ "produkts": [] }),
    ];
    for seed in wrong {
        assert_eq!(lab.try_control(Method::POST, "/seed", seed.clone()).await.0, 400, "{seed}");
    }
    assert_eq!(lab.get("/api/v1/products/").await["count"], 1);
}

#[tokio::test]
async fn reset_empties_and_goes_back_to_defaults() {
    let lab = Lab::open().await;
    let old = lab.license("o1").await;
    lab.switch("S1", "400_id").await;
    lab.control(Method::PUT, "/clock", json!({ "now": "2030-01-01T00:00:00Z" })).await;
    lab.fault("500", "/").await;
    lab.control(Method::POST, "/reset", json!({})).await;
    let state = lab.control(Method::GET, "/state", Value::Null).await;
    for table in ["licenses", "orders", "devices", "customers", "products", "policies"] {
        assert_eq!(state[table], json!([]), "{table}");
    }
    assert_eq!(lab.control(Method::GET, "/clock", Value::Null).await["mode"], "real");
    assert_eq!(lab.control(Method::GET, "/plan", Value::Null).await["plan"], "enterprise");
    assert_eq!(lab.log().await, Vec::<Value>::new());
    lab.control(Method::POST, "/seed", seed()).await;
    assert!(lab.license("o1").await["id"].as_u64() > old["id"].as_u64(), "ids are never used again");
}

#[tokio::test]
async fn the_clock_stands_runs_and_comes_back() {
    let lab = Lab::open().await;
    let clock = async |order: Value| lab.control(Method::PUT, "/clock", order).await;
    let frozen = clock(json!({ "now": "2030-01-01T00:00:00Z" })).await;
    assert_eq!((&frozen["now"], &frozen["mode"]), (&json!("2030-01-01T00:00:00.000000Z"), &json!("frozen")));
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(lab.control(Method::GET, "/clock", Value::Null).await["now"], frozen["now"]);
    clock(json!({ "rate": 86_400 })).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let running = lab.control(Method::GET, "/clock", Value::Null).await;
    assert_eq!((&running["mode"], &running["rate"]), (&json!("running"), &json!(86_400)));
    assert!(running["now"].as_str() > Some("2030-01-01T01"), "{running}");
    assert_eq!(clock(json!({ "now": "2031-01-01T00:00:00Z", "rate": 0.5 })).await["rate"], json!(0.5));
    assert_eq!(clock(json!({ "now": null })).await["mode"], "real");
    for wrong in
        [json!({}), json!({ "now": "tomorrow" }), json!({ "rate": -1 }), json!({ "rate": "fast" }), json!({ "at": 1 })]
    {
        assert_eq!(lab.try_control(Method::PUT, "/clock", wrong.clone()).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn the_log_shows_writes_since_and_no_secret() {
    let lab = Lab::open().await;
    lab.license("o1").await;
    lab.get("/api/v1/orders/?limit=5").await;
    lab.license("o2").await;
    let log = lab.log().await;
    assert_eq!(log.iter().map(|e| e["seq"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert_eq!(
        (&log[1]["method"], &log[1]["query"], &log[1]["status"]),
        (&json!("GET"), &json!("limit=5"), &json!(200))
    );
    assert_eq!(log[0]["answer"]["store_id"], "o1");
    let late = lab.control(Method::GET, "/requests?since=1&mutating=true", Value::Null).await;
    assert_eq!(late["requests"].as_array().map(Vec::len), Some(1));
    assert_eq!(late["requests"][0]["seq"], 3);
    for (query, seqs) in [
        ("method=get", json!([2])),
        ("path=/api/v1/orders/create_order/", json!([1, 3])),
        ("path=/api/v1/orders/create_order/&limit=1", json!([1])),
        ("warnings=true", json!([])),
        ("since=&mutating=&method=&path=", json!([1, 2, 3])),
    ] {
        let shown = lab.control(Method::GET, &format!("/requests?{query}"), Value::Null).await;
        let shown: Vec<&Value> = shown["requests"].as_array().expect("a list").iter().map(|e| &e["seq"]).collect();
        assert_eq!(json!(shown), seqs, "{query}");
    }
    assert!(!json!(log).to_string().contains(MANAGEMENT_KEY));
    let (status, problem) = lab.try_control(Method::GET, "/requests?since=x", Value::Null).await;
    assert_eq!((status.as_u16(), &problem["status"]), (400, &json!(400)));
}

#[tokio::test]
async fn a_hand_edits_now_or_between_a_read_and_a_write() {
    let lab = Lab::open().await;
    let license = lab.license("o1").await;
    let path = license_path(&license);
    let edit = async |order: Value| lab.try_control(Method::POST, "/vendor-edit", order).await.0.as_u16();
    assert_eq!(
        edit(json!({ "license_id": license["id"], "set": { "enabled": false, "validity_period": "2998-01-01" } }))
            .await,
        200
    );
    let read = lab.get(&path).await;
    assert_eq!((&read["status"], &read["validity_period"]), (&json!("Disabled"), &json!("2998-01-01")));
    assert!(read["time_disabled"].is_string());
    let after =
        json!({ "license_id": license["id"], "set": { "enabled": true }, "after": { "method": "GET", "path": path } });
    assert_eq!(edit(after).await, 200);
    assert_eq!(lab.get(&path).await["enabled"], false, "the read comes first");
    assert_eq!(lab.get(&path).await["enabled"], true);
    assert_eq!(edit(json!({ "license_id": 1, "delete": true })).await, 404);
    assert_eq!(edit(json!({ "license_id": license["id"] })).await, 400);
    assert_eq!(edit(json!({ "license_id": license["id"], "set": { "id": 5 } })).await, 400);
    assert_eq!(edit(json!({ "license_id": license["id"], "delete": true })).await, 200);
    assert_eq!(answer(lab.api(Method::GET, &path)).await.0, 404);
}

#[tokio::test]
async fn the_two_ports_keep_apart() {
    let lab = Lab::open().await;
    assert_eq!(answer(lab.api(Method::GET, "/state")).await.0, 404);
    assert_eq!(lab.try_control(Method::GET, "/api/v1/orders/", Value::Null).await.0, 404);
    assert_eq!(lab.try_control(Method::POST, "/state", Value::Null).await.0, 405);
    let routes = lab.control(Method::GET, "/", Value::Null).await;
    assert!(routes["routes"].to_string().contains("/vendor-edit"));
}

#[tokio::test]
async fn every_plan_can_be_chosen_and_no_other() {
    let lab = Lab::open().await;
    for plan in ["free", "starter", "plus", "enterprise", "unlimited"] {
        lab.control(Method::PUT, "/plan", json!({ "plan": plan })).await;
        assert_eq!(lab.control(Method::GET, "/plan", Value::Null).await["plan"], plan);
    }
    for wrong in [json!({ "plan": "gold" }), json!({}), json!({ "plan": "free", "x": 1 })] {
        assert_eq!(lab.try_control(Method::PUT, "/plan", wrong.clone()).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_hand_deletes_behind_a_read() {
    let lab = Lab::open().await;
    let license = lab.license("o1").await;
    let path = license_path(&license);
    let order = json!({ "license_id": license["id"], "delete": true, "after": { "method": "GET", "path": path } });
    assert_eq!(lab.control(Method::POST, "/vendor-edit", order).await, json!({ "edited": false, "waiting": 1 }));
    assert_eq!(lab.get(&path).await["id"], license["id"]);
    assert_eq!(lab.patch(&path, json!({ "note": "too late" })).await.0, 404);
}
