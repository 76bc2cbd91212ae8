//! The LicenseSpring sandbox as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A running sandbox, killed at the end.
pub struct Sandbox {
    child: Child,
    pub api: String,
    pub control: String,
    http: reqwest::Client,
}

impl Sandbox {
    /// Starts one on free ports and seeds product PRO and TEAM.
    pub async fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_subledger"))
            .args(["sandbox", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = |word: &str| {
            let line = lines.by_ref().map(Result::unwrap).find(|l| l.starts_with(word)).unwrap();
            let at = line.find("http://").unwrap();
            line[at..].split('/').take(3).collect::<Vec<_>>().join("/")
        };
        let (api, control) = (url("Management API"), url("control"));
        let sandbox = Self { child, api, control, http: reqwest::Client::new() };
        let products = ["PRO", "TEAM"].map(|code| {
            json!({"short_code": code, "product_name": code, "authorization_method": "license-key", "default_license_type": "subscription"})
        });
        let policies = json!([{"code": "pro-monthly", "product": "PRO"}, {"code": "team-monthly", "product": "TEAM"}]);
        sandbox.control("POST", "/seed", &json!({"products": products, "policies": policies})).await;
        sandbox
    }

    /// A call of the control port.
    pub async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = self.http.request(method, format!("{}{path}", self.control)).json(body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.control)).send().await.unwrap().json().await.unwrap()
    }

    /// Every license it holds.
    pub async fn licenses(&self) -> Vec<Value> {
        self.get("/state").await["licenses"].as_array().unwrap().clone()
    }

    /// Every device it knows, freed ones included.
    pub async fn devices(&self) -> Vec<Value> {
        self.get("/state").await["devices"].as_array().unwrap().clone()
    }

    /// The license of an order id of ours.
    pub async fn license(&self, order_id: &str) -> Option<Value> {
        self.licenses().await.into_iter().find(|l| l["order_store_id"] == order_id)
    }

    /// Every request it keeps, in order.
    pub async fn requests(&self) -> Vec<Value> {
        self.get("/requests").await["requests"].as_array().unwrap().clone()
    }

    /// Every request that could change something, in order.
    pub async fn mutating(&self) -> Vec<Value> {
        self.get("/requests?mutating=true").await["requests"].as_array().unwrap().clone()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
