//! Every action: features, cancel modes with devices first, generations, seats, users, trials.

use serde_json::{Value, json};

use crate::support::service::Service;
use crate::support::shop::{buy, cancel, change, now, order, post};
use crate::support::stripe::{DAY, event, subscription};

const CATALOG: &str = "
[[catalog]]
match = { price = \"price_features\" }
product_code = \"SUITE\"
features = [\"sync\", \"export\"]
custom_fields = { tier = \"gold\" }
[[catalog]]
match = { price = \"price_floating\" }
product_code = \"SUITE\"
seats = \"floating_users\"
[[catalog]]
match = { price = \"price_each\" }
product_code = \"SUITE\"
seats = \"licenses\"
[[catalog]]
match = { price = \"price_users\" }
product_code = \"USERS\"
seats = \"max_license_users\"
user_based = true
[[catalog]]
match = { price = \"price_timed\" }
product_code = \"PRO\"
license_type = \"time-limited\"
";

async fn start(extra: &str) -> Service {
    let service = Service::start_with(&format!("{extra}{CATALOG}")).await;
    let products = json!([
        {"short_code": "SUITE", "product_name": "Suite", "authorization_method": "license-key",
         "default_license_type": "subscription", "features": ["sync", "export", "audit"]},
        {"short_code": "USERS", "product_name": "Users", "authorization_method": "user", "default_license_type": "subscription"}]);
    service.sandbox.control("POST", "/seed", &json!({"products": products, "policies": []})).await;
    service
}

async fn calls(service: &Service) -> Vec<String> {
    let tell = |r: &Value| {
        let path = r["path"].as_str().unwrap().trim_start_matches("/api/v1/").trim_end_matches('/');
        let words: Vec<&str> = path.split('/').filter(|w| w.parse::<i64>().is_err()).collect();
        format!("{} {}", r["method"].as_str().unwrap(), words.join(" "))
    };
    service.sandbox.mutating().await.iter().map(tell).collect()
}

fn codes(license: &Value) -> Vec<String> {
    let rows = license["product_features"].as_array().unwrap();
    let mut codes: Vec<String> =
        rows.iter().map(|r| r["product_feature"]["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    codes
}

#[tokio::test(flavor = "multi_thread")]
async fn features_are_exactly_those_of_the_catalog() {
    let mut service = start("").await;
    buy(&service, "sub_1", "price_features", 2).await;
    service.settled().await;
    let suite = "stripe-main:sub_1:SUITE";
    assert_eq!(codes(&service.sandbox.license(suite).await.unwrap()), ["export", "sync"]);
    assert_eq!(calls(&service).await, ["POST orders create_order"]);
    service.kill();
    let file = std::fs::read_to_string(&service.config).unwrap();
    std::fs::write(&service.config, file.replace("[\"sync\", \"export\"]", "[\"sync\", \"audit\"]")).unwrap();
    service.run().await;
    service.adopt_and_approve(json!({})).await;
    service.settled().await;
    assert_eq!(codes(&service.sandbox.license(suite).await.unwrap()), ["audit", "sync"]);
    assert_eq!(calls(&service).await, ["POST orders create_order", "POST licenses update_features"]);
}

/// Activates a device as an application would: signed with the License API's keys.
async fn activate(service: &Service, order: &str, hardware: &str) {
    use base64::Engine;
    use hmac::{Hmac, Mac};
    use subledger::sandbox::{LICENSE_API_KEY, LICENSE_SHARED_KEY};
    let license = service.sandbox.license(order).await.unwrap();
    let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(LICENSE_SHARED_KEY.as_bytes()).unwrap();
    mac.update(format!("licenseSpring\ndate: {date}").as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    let header =
        format!("algorithm=\"hmac-sha256\",headers=\"date\",signature=\"{signature}\",apikey=\"{LICENSE_API_KEY}\"");
    let body = json!({"product": "PRO", "hardware_id": hardware, "license_key": license["license_key"]});
    let request = service.http.post(format!("{}/api/v4/activate_license", service.sandbox.api));
    let answer = request.header("date", date).header("authorization", header).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_does_what_its_mode_says_devices_first() {
    const RESET: &str = "POST devices reset";
    for (mode, expected, is_on) in [
        ("disable", vec!["POST licenses disable"], false),
        ("deactivate_and_disable", vec![RESET, RESET, "POST licenses disable"], false),
        ("deactivate_devices", vec![RESET, RESET], true),
        ("expire_only", vec!["PATCH licenses"], true),
    ] {
        let service = Service::start_with(&format!("{CATALOG}[policy.PRO]\non_cancel = \"{mode}\"\n")).await;
        buy(&service, "sub_1", "price_pro", 3).await;
        service.settled().await;
        for hardware in ["hw-1", "hw-2"] {
            activate(&service, &order("sub_1"), hardware).await;
        }
        let before = calls(&service).await.len();
        cancel(&service, "sub_1").await;
        service.settled().await;
        assert_eq!(calls(&service).await[before..], expected, "{mode}");
        let license = service.sandbox.license(&order("sub_1")).await.unwrap();
        assert_eq!(license["enabled"], json!(is_on), "{mode}");
        let devices = if expected.contains(&RESET) { 0 } else { 2 };
        assert_eq!(license["total_active_devices"], json!(devices), "{mode}: {license}");
        // Nothing more is done about it.
        change_nothing(&service).await;
        assert_eq!(calls(&service).await[before..], expected, "{mode}");
    }
}

/// A word that says nothing new: the subscription is compared again.
async fn change_nothing(service: &Service) {
    let (status, _) = service.admin("PUT", "/v1/admin/config", json!({"reason": "look again"})).await;
    assert_eq!(status, 200);
    service.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_type_is_the_next_order_and_the_old_one_comes_back() {
    let service = start("").await;
    buy(&service, "sub_1", "price_pro", 3).await;
    service.settled().await;
    let period = (now() - 3_600, now() + 30 * DAY);
    let tell = async |price: &str, at: i64| {
        let told = now() - 3_000 + at;
        let after = subscription("sub_1", "active", price, 3, period);
        post(&service, event(&format!("evt_swap_{at}"), "customer.subscription.updated", told, &after, None)).await;
        service.settled().await;
    };
    tell("price_timed", 1).await;
    let second = format!("{}:g2", order("sub_1"));
    let (old, new) =
        (service.sandbox.license(&order("sub_1")).await.unwrap(), service.sandbox.license(&second).await.unwrap());
    assert_eq!(
        (&old["enabled"], &new["enabled"], &new["license_type"]),
        (&json!(false), &json!(true), &json!("time-limited"))
    );
    let made = calls(&service).await;
    assert_eq!(made[1..], ["POST orders create_order", "POST licenses disable"], "the new one first");
    tell("price_pro", 2).await;
    let (old, new) =
        (service.sandbox.license(&order("sub_1")).await.unwrap(), service.sandbox.license(&second).await.unwrap());
    assert_eq!((&old["enabled"], &new["enabled"]), (&json!(true), &json!(false)));
    assert_eq!(service.sandbox.licenses().await.len(), 2, "re-enabled, not recreated");
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_go_where_the_catalog_says() {
    let service = start("").await;
    for (id, price) in
        [("sub_f", "price_floating"), ("sub_e", "price_each"), ("sub_u", "price_users"), ("sub_m", "price_pro")]
    {
        buy(&service, id, price, 3).await;
    }
    service.settled().await;
    let of = async |order: &str| service.sandbox.license(order).await.unwrap_or(Value::Null);
    assert_eq!(of("stripe-main:sub_f:SUITE").await["floating_users"], json!(3));
    assert_eq!(of("stripe-main:sub_m:PRO").await["max_activations"], json!(3));
    let users = of("stripe-main:sub_u:USERS").await;
    assert_eq!((&users["max_license_users"], &users["license_key"]), (&json!(3), &Value::Null), "{users}");
    assert_eq!(users["license_users"][0]["true_email"], json!("sub_u@example.com"), "{users}");
    let each = ["stripe-main:sub_e:SUITE", "stripe-main:sub_e:SUITE.2", "stripe-main:sub_e:SUITE.3"];
    for order in each {
        assert_eq!(of(order).await["enabled"], json!(true), "{order}");
    }
    for (id, price) in
        [("sub_f", "price_floating"), ("sub_e", "price_each"), ("sub_u", "price_users"), ("sub_m", "price_pro")]
    {
        change(&service, id, price, 2, 1).await;
    }
    service.settled().await;
    assert_eq!(of("stripe-main:sub_f:SUITE").await["floating_users"], json!(2));
    assert_eq!(of("stripe-main:sub_m:PRO").await["max_activations"], json!(2));
    assert_eq!(of("stripe-main:sub_u:USERS").await["max_license_users"], json!(2));
    assert_eq!(of(each[2]).await["enabled"], json!(false), "one license less");
    // The first password of a user is nobody's business: it is in no event and no log.
    let client = service.database.service().await;
    let leaked: i64 = client
        .query_one(
            "SELECT count(*) FROM ledger.bodies WHERE position('initial_password' in convert_from(bytes, 'UTF8')) > 0",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(leaked, 0);
    assert!(!service.log().contains("initial_password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_becomes_a_paid_license_in_place() {
    let service = start("").await;
    let (begin, end) = (now() - 3_600, now() + 7 * DAY);
    let mut trial = subscription("sub_1", "trialing", "price_pro", 3, (begin, end));
    trial["trial_start"] = json!(begin);
    trial["trial_end"] = json!(end);
    post(&service, event("evt_1", "customer.subscription.created", begin, &trial, None)).await;
    service.settled().await;
    assert_eq!(service.sandbox.license(&order("sub_1")).await.unwrap()["is_trial"], json!(true));
    let mut paid = subscription("sub_1", "active", "price_pro", 3, (end, end + 30 * DAY));
    paid["trial_end"] = json!(end);
    let money = crate::support::stripe::invoice("in_1", "sub_1", "paid", "price_pro", (end, end + 30 * DAY));
    post(&service, event("evt_2", "customer.subscription.updated", now() - 100, &paid, None)).await;
    post(&service, event("evt_3", "invoice.paid", now() - 100, &money, None)).await;
    service.settled().await;
    let license = service.sandbox.license(&order("sub_1")).await.unwrap();
    assert_eq!(license["is_trial"], json!(false), "{license}");
    assert_eq!(calls(&service).await, ["POST orders create_order", "PATCH licenses"]);
}
