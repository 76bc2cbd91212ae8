use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn a_walk_along_next_sees_all_250_licenses() {
    let lab = Lab::open().await;
    let many: Vec<Value> = (0..250).map(|_| json!({})).collect();
    let order = json!({ "id": "big", "items": [{ "product_code": "PRO", "licenses": many }] });
    assert_eq!(lab.post("/api/v1/orders/create_order/", order).await.0, 201);
    let mut url = Some(lab.url("/api/v1/licenses/?limit=1000&order_by=created_at"));
    let (mut pages, mut seen) = (0, BTreeSet::new());
    while let Some(next) = url {
        let path = next.strip_prefix(&lab.url("")).expect("the same host").to_owned();
        let page = lab.get(&path).await;
        assert_eq!(page["count"], 250);
        let rows = page["results"].as_array().expect("rows");
        assert!(rows.len() <= 100, "licenses are capped without a word");
        seen.extend(rows.iter().filter_map(|row| row["id"].as_u64()));
        pages += 1;
        url = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!((pages, seen.len()), (3, 250));
    let last = lab.get("/api/v1/licenses/?limit=100&offset=200").await;
    assert_eq!((&last["next"], last["results"].as_array().map(Vec::len)), (&Value::Null, Some(50)));
    assert!(last["previous"].as_str().expect("a link").contains("offset=100"));
    assert_eq!(lab.get("/api/v1/licenses/").await["results"].as_array().map(Vec::len), Some(20));
    lab.switch("S7", "20").await;
    assert_eq!(lab.get("/api/v1/licenses/?limit=100").await["results"].as_array().map(Vec::len), Some(20));
    lab.switch("S7", "400_on_excess").await;
    assert_eq!(answer(lab.api(Method::GET, "/api/v1/licenses/?limit=101")).await.0, 400);
}

#[tokio::test]
async fn filters_compare_and_unknown_ones_do_nothing() {
    let lab = Lab::open().await;
    lab.license("stripe:a:1").await;
    lab.license("stripe:a:10").await;
    let mut other = order("fs:b");
    other["customer"] = json!({ "email": "b+x@example.com", "reference": "fs:b" });
    other["items"][0]["licenses"][0]["subscription_id"] = json!("sub_b");
    lab.post("/api/v1/orders/create_order/", other).await;
    let table = [
        ("orders/?store_id=stripe:a:1", 1),
        ("orders/?store_id__startswith=stripe:a:1", 2),
        ("orders/?store_id__icontains=STRIPE", 2),
        ("orders/?customer__email=b%2Bx@example.com", 1),
        ("orders/?store_id=", 3),
        ("licenses/?order__store_id=stripe:a:1", 1),
        ("licenses/?order__store_id=stripe:a:1&enabled=false", 0),
        ("licenses/?subscription_id=sub_b", 1),
        ("licenses/?subscription_id=sub_B", 0),
        ("licenses/?enabled=True", 3),
        ("licenses/?license_key__isnull=true", 0),
        ("licenses/?product=PRO", 3),
        ("licenses/?updated_at__gte=2000-01-01", 3),
        ("licenses/?updated_at__lt=2000-01-01", 0),
        ("licenses/?no_such_filter=1", 3),
        ("customers/?email=a@example.com", 1),
        ("customers/?reference=fs:b", 1),
        ("products/?short_code=PRO", 1),
        ("products/?short_code=NONE", 0),
        ("license-templates/?product=PRO&is_archived=false", 1),
    ];
    for (query, count) in table {
        assert_eq!(lab.get(&format!("/api/v1/{query}")).await["count"], count, "{query}");
    }
    let log = json!(lab.log().await).to_string();
    assert!(log.contains("no_such_filter\\\" is not known"), "{log}");
}

#[tokio::test]
async fn lists_by_switch() {
    let lab = Lab::open().await;
    lab.license("o:1").await;
    lab.license("o:2").await;
    let path = "/api/v1/orders/?store_id=O:1&limit=1";
    for (value, count) in [("exact", 0), ("case_insensitive", 1), ("icontains", 1), ("ignored", 2)] {
        lab.switch("S9", value).await;
        assert_eq!(lab.get(path).await["count"], count, "{value}");
    }
    lab.switch("S8", "other_host").await;
    let next = lab.get(path).await["next"].as_str().expect("a link").to_owned();
    assert!(next.starts_with("http://other-host.invalid/api/v1/orders/?store_id="), "{next}");
    lab.switch("S8", "relative").await;
    assert!(lab.get(path).await["next"].as_str().expect("a link").starts_with("/api/v1/orders/?"));
    lab.control(Method::PUT, "/switches", json!({ "S9": null, "S21": "3_requests" })).await;
    let license = lab.license("late").await;
    assert_eq!(lab.get(&license_path(&license)).await["id"], license["id"], "by id at once");
    for count in [0, 0, 0, 1] {
        assert_eq!(lab.get("/api/v1/orders/?store_id=late").await["count"], count);
    }
    for value in ["500ms", "2000ms"] {
        lab.switch("S21", value).await;
        lab.license(value).await;
        // How long it is hidden is tested beside the code, on a clock of its own.
        while lab.get(&format!("/api/v1/orders/?store_id={value}")).await["count"] == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn the_order_asked_for() {
    let lab = Lab::open().await;
    for id in ["b", "a", "c"] {
        lab.license(id).await;
    }
    let ids = async |query: &str| {
        let list = lab.get(&format!("/api/v1/orders/?{query}")).await;
        list["results"].as_array().expect("rows").iter().map(|o| o["store_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, ["b", "a", "c"]);
    assert_eq!(ids("order_by=-created_at").await, ["c", "a", "b"]);
    assert_eq!(ids("order_by=store_id").await, ["a", "b", "c"]);
}

#[tokio::test]
async fn customers_are_made_and_changed() {
    let lab = Lab::open().await;
    let (status, customer) = lab.post("/api/v1/customers/", json!({ "email": "c@example.com", "company": "X" })).await;
    assert_eq!((status.as_u16(), &customer["company_name"]), (200, &json!("X")));
    assert!(customer["id"].as_u64() > Some(1_000) && customer["id"].as_u64() < Some(2_000));
    let path = format!("/api/v1/customers/{}/", customer["id"]);
    assert_eq!(lab.patch(&path, json!({ "email": "d@example.com" })).await.0, 200);
    assert_eq!(lab.get("/api/v1/customers/?email=d@example.com").await["count"], 1);
    assert_eq!(lab.get("/api/v1/customers/?email=c@example.com").await["count"], 0);
    assert_eq!(lab.patch(&path, json!({ "email": "nobody" })).await.0, 400);
    assert_eq!(lab.post("/api/v1/customers/", json!({})).await.0, 400);
}

#[tokio::test]
async fn paths_without_their_slash() {
    let lab = Lab::open().await;
    let get = async || {
        lab.bare(Method::GET, "/api/v1/orders")
            .header("authorization", format!("Api-Key {MANAGEMENT_KEY}"))
            .send()
            .await
            .expect("an answer")
    };
    assert_eq!(get().await.status(), 200);
    lab.switch("S20", "404").await;
    assert_eq!(get().await.status(), 404);
    let post = async || {
        let request = lab.api(Method::POST, "/api/v1/orders/create_order").json(&order("o1"));
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(post().await, 404);
    lab.switch("S20", "301").await;
    assert_eq!(post().await, 405, "redirected as a GET, without its body");
    assert_eq!(lab.get("/api/v1/orders/").await["count"], 0);
    assert!(get().await.url().path().ends_with("/orders/"), "redirected");
}
