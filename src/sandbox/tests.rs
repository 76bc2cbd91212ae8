//! Every test talks to a running sandbox over a real socket, as a client would.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{LICENSE_API_KEY, LICENSE_SHARED_KEY, MANAGEMENT_KEY, Sandbox, SandboxOptions, start};

mod bulk;
mod control;
mod creation;
mod faults;
mod features;
mod hands;
mod license_api;
mod licenses;
mod lists;
mod lost;
mod orders;
mod persistence;
mod switches;
mod users;

/// A sandbox on free ports, seeded with one product and one policy, and a client for it.
pub(super) struct Lab {
    pub sandbox: Sandbox,
    http: reqwest::Client,
}

pub(super) fn anywhere() -> SandboxOptions {
    SandboxOptions { listen: "127.0.0.1:0".to_owned(), ..SandboxOptions::default() }
}

impl Lab {
    pub async fn open() -> Self {
        let lab = Self::open_with(anywhere()).await;
        lab.control(Method::PUT, "/plan", json!({ "plan": "unlimited" })).await;
        lab.control(Method::POST, "/seed", seed()).await;
        lab
    }

    pub async fn open_with(options: SandboxOptions) -> Self {
        let sandbox = start(options).await.expect("the sandbox starts");
        // No pool: a connection that one test breaks must not be another request's.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        Self { sandbox, http }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.sandbox.api_addr())
    }

    /// A request to the Management API with its key.
    pub fn api(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("authorization", format!("Api-Key {MANAGEMENT_KEY}"))
    }

    /// A request without credentials.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    pub async fn get(&self, path: &str) -> Value {
        self.api(Method::GET, path).send().await.expect("an answer").json().await.expect("JSON")
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.api(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.api(Method::PATCH, path).json(&body)).await
    }

    /// A control call that is expected to work.
    pub async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_control(method, path, body).await;
        assert!(status.is_success(), "{path}: {answer}");
        answer
    }

    pub async fn try_control(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("http://{}{path}", self.sandbox.control_addr());
        answer(self.http.request(method, url).json(&body)).await
    }

    pub async fn switch(&self, name: &str, value: &str) {
        self.control(Method::PUT, "/switches", json!({ name: value })).await;
    }

    pub async fn fault(&self, kind: &str, path: &str) {
        self.control(Method::POST, "/faults", json!({ "match": { "path": path }, "times": 1, "kind": kind })).await;
    }

    pub async fn log(&self) -> Vec<Value> {
        let log = self.control(Method::GET, "/requests", Value::Null).await;
        log["requests"].as_array().expect("a list").clone()
    }

    /// Creates an order and gives its one license.
    pub async fn license(&self, id: &str) -> Value {
        let (status, order) = self.post("/api/v1/orders/create_order/", order(id)).await;
        assert_eq!(status, 201, "{order}");
        order["order_items"][0]["licenses"][0].clone()
    }
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(super) fn seed() -> Value {
    json!({
        "products": [{ "short_code": "PRO", "product_name": "Pro", "authorization_method": "license-key",
                       "default_license_type": "subscription", "features": ["export", "sync"] }],
        "policies": [{ "code": "pro-monthly", "product": "PRO", "max_activations": 5, "allow_grace_period": true,
                       "grace_period": 24 }],
    })
}

pub(super) fn order(id: &str) -> Value {
    json!({
        "id": id, "append": false, "metadata": "{\"sub\":\"sub_9\"}",
        "customer": { "email": "a@example.com", "first_name": "A", "reference": "stripe:cus_7" },
        "items": [{ "product_code": "PRO", "licenses": [{ "policy_code": "pro-monthly", "is_trial": false,
            "license_type": "subscription", "validity_period": "2999-07-19", "max_activations": 3,
            "subscription_id": "sub_9" }] }],
    })
}

/// A License API call signed as the documents say, at this very time.
pub(super) fn signed(lab: &Lab, method: Method, path: &str) -> RequestBuilder {
    let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let signature = license_api::signature(&date, LICENSE_SHARED_KEY);
    let header =
        format!(r#"algorithm="hmac-sha256", headers="date", signature="{signature}", apikey="{LICENSE_API_KEY}""#);
    lab.bare(method, &format!("/api/v4/{path}")).header("date", date).header("authorization", header)
}

pub(super) async fn device_call(lab: &Lab, path: &str, license: &Value, hardware_id: &str) -> (StatusCode, Value) {
    let body = json!({ "product": "PRO", "license_key": license["license_key"], "hardware_id": hardware_id });
    answer(signed(lab, Method::POST, path).json(&body)).await
}

pub(super) fn license_path(license: &Value) -> String {
    format!("/api/v1/licenses/{}/", license["id"])
}
