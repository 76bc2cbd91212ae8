//! One account's client: sends a call and says what is known afterwards.

use std::time::Duration;

use chrono::Utc;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::wire;
use crate::domain::license::{Action, Observed};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer that is read: a page of 100 licenses is a few hundred KB.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Rows asked for in a list; LicenseSpring cuts `/licenses/` at 100.
const PAGE: usize = 100;
/// Pages walked at most: ten million licenses.
const PAGES_MAX: usize = 100_000;
/// Wait after a 429 that does not say how long.
const THROTTLE_DEFAULT: Duration = Duration::from_secs(5);

/// Longest wait that is believed.
const THROTTLE_MAX: Duration = Duration::from_secs(600);

/// What is known after a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// 2xx; the body where it is JSON.
    Done { status: u16, body: Value },
    /// Refused for good: the call as it is will not work.
    Refused { status: u16, message: String },
    /// Our key is not accepted: nothing was done, and nothing will be until it is.
    Unauthorized { status: u16 },
    /// 429: nothing was done.
    Throttled { wait: Duration },
    /// The connection was never made: nothing was done.
    Unsent(String),
    /// It may or may not have been done: timeout, reset, 5xx.
    Ambiguous(String),
}

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("base_url cannot be read: {0}")]
    BaseUrl(String),
    #[error("the API key holds characters that a header cannot carry")]
    Key,
    #[error("the HTTP client cannot be built: {0}")]
    Build(String),
}

/// A client for one account.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: reqwest::Url,
}

impl Client {
    /// # Errors
    /// The URL or key cannot be used.
    pub fn new(base_url: &str, api_key: &SecretString, timeout: Duration) -> Result<Self, ClientError> {
        let base = reqwest::Url::parse(base_url).map_err(|e| ClientError::BaseUrl(e.to_string()))?;
        let mut key =
            HeaderValue::from_str(&format!("Api-Key {}", api_key.expose_secret())).map_err(|_| ClientError::Key)?;
        key.set_sensitive(true);
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, key)]))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .redirect(redirect::Policy::none()) // the key goes to no other host, a POST loses no body
            .user_agent(concat!("subledger/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| ClientError::Build(e.to_string()))?;
        Ok(Self { http, base })
    }

    /// Makes one changing call. Devices are reset one by one: see [`Client::active_devices`].
    pub async fn act(&self, action: &Action) -> Answer {
        let post = |id: &i64, what: &str| format!("api/v1/licenses/{id}/{what}/");
        match action {
            Action::CreateOrder { body } => {
                self.send(Method::POST, "api/v1/orders/create_order/", &[], Some(body)).await
            }
            Action::Update { license_id, changes } => {
                self.send(Method::PATCH, &format!("api/v1/licenses/{license_id}/"), &[], Some(changes)).await
            }
            Action::Enable { license_id } => self.send(Method::POST, &post(license_id, "enable"), &[], None).await,
            Action::Disable { license_id } => self.send(Method::POST, &post(license_id, "disable"), &[], None).await,
            Action::ResetDevices { .. } => Answer::Done { status: 200, body: Value::Null },
            Action::SetFeatures { license_id, features } => {
                let rows: Vec<Value> = features.iter().map(|code| json!({"product_feature": code})).collect();
                let body = json!({"product_features": rows});
                self.send(Method::POST, &post(license_id, "update_features"), &[], Some(&body)).await
            }
        }
    }

    /// The active devices of a license.
    ///
    /// # Errors
    /// The answer, where the list could not be read.
    pub async fn active_devices(&self, license_id: i64) -> Result<Vec<i64>, Answer> {
        let mut devices = Vec::new();
        let mut pages = self.pages("api/v1/devices/", vec![("license", license_id.to_string())]);
        while let Some(rows) = pages.next().await? {
            let active = rows.iter().filter(|d| d["device_active"].as_bool() == Some(true));
            // A filter may be ignored.
            let own = active.filter(|d| wire::id(&d["license"]["id"]).is_none_or(|id| id == license_id));
            devices.extend(own.filter_map(|d| wire::id(&d["id"])));
        }
        Ok(devices)
    }

    /// Frees one device.
    pub async fn reset_device(&self, device_id: i64) -> Answer {
        self.send(Method::POST, &format!("api/v1/devices/{device_id}/reset/"), &[], None).await
    }

    /// Reads one license. `Ok(None)`: it does not exist (any more).
    ///
    /// # Errors
    /// The answer, where it says neither.
    pub async fn license(&self, license_id: i64) -> Result<Option<Observed>, Answer> {
        match self.send(Method::GET, &format!("api/v1/licenses/{license_id}/"), &[], None).await {
            Answer::Done { body, .. } => wire::observed(&body)
                .map(Some)
                .ok_or_else(|| Answer::Ambiguous("the license cannot be read".to_owned())),
            Answer::Refused { status: 404, .. } => Ok(None),
            other => Err(other),
        }
    }

    /// The licenses of a client order id, looked up directly; more than one is a duplicate.
    ///
    /// # Errors
    /// The answer, where the look-up did not work.
    pub async fn licenses_of_order(&self, order_id: &str) -> Result<Vec<Observed>, Answer> {
        let mut found = Vec::new();
        let mut pages = self.pages("api/v1/licenses/", vec![("order__store_id", order_id.to_owned())]);
        while let Some(rows) = pages.next().await? {
            let own = rows.iter().filter(|r| r["order_store_id"].as_str() == Some(order_id));
            found.extend(own.filter_map(wire::observed));
        }
        Ok(found)
    }

    /// Walks a list page by page.
    #[must_use]
    pub fn pages<'a>(&'a self, path: &'a str, query: Vec<(&'static str, String)>) -> Pages<'a> {
        Pages { client: self, path, query, offset: 0, pages: 0, done: false }
    }

    async fn page(&self, path: &str, query: &[(&str, String)]) -> Result<Answer, Answer> {
        match self.send(Method::GET, path, query, None).await {
            done @ Answer::Done { .. } => Ok(done),
            other => Err(other),
        }
    }

    async fn send(&self, method: Method, path: &str, query: &[(&str, String)], body: Option<&Value>) -> Answer {
        let Ok(url) = self.base.join(path) else {
            return Answer::Unsent("the path cannot be joined to base_url".to_owned());
        };
        let mut request = self.http.request(method, url).query(query);
        if let Some(body) = body {
            request = request.json(body);
        }
        match request.send().await {
            Ok(response) => answer(response).await,
            Err(e) if e.is_connect() || e.is_builder() => Answer::Unsent(e.without_url().to_string()),
            Err(e) => Answer::Ambiguous(e.without_url().to_string()),
        }
    }
}

/// A list that is being walked. Where the next page is, is counted from the rows received: a
/// page may be cut without a word, and `next` may name another host, which gets no key of ours.
pub struct Pages<'a> {
    client: &'a Client,
    path: &'a str,
    query: Vec<(&'static str, String)>,
    offset: usize,
    pages: usize,
    done: bool,
}

impl Pages<'_> {
    /// Goes on where an earlier walk stopped.
    #[must_use]
    pub fn starting_at(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// Whether the last page has been read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The rows of the next page; `None`: that was the last one.
    ///
    /// # Errors
    /// The answer, where the page could not be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, Answer> {
        if self.done {
            return Ok(None);
        }
        if self.pages == PAGES_MAX {
            return Err(Answer::Ambiguous("the list has too many pages".to_owned()));
        }
        self.pages += 1;
        let mut query = self.query.clone();
        query.extend([("limit", PAGE.to_string()), ("offset", self.offset.to_string())]);
        let Answer::Done { mut body, .. } = self.client.page(self.path, &query).await? else {
            return Err(Answer::Ambiguous("the list cannot be read".to_owned()));
        };
        let Value::Array(rows) = body["results"].take() else {
            return Err(Answer::Ambiguous("the list cannot be read".to_owned()));
        };
        self.offset += rows.len();
        self.done = rows.is_empty() || body["next"].is_null();
        Ok(Some(rows))
    }
}

async fn answer(mut response: reqwest::Response) -> Answer {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| wire::retry_after_s(v, Utc::now()));
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Answer::Ambiguous("the answer is too large".to_owned()),
            Ok(None) => break,
            Err(e) => return Answer::Ambiguous(e.without_url().to_string()),
        }
    }
    let code = status.as_u16();
    match status {
        s if s.is_success() => {
            Answer::Done { status: code, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = retry_after.map_or(THROTTLE_DEFAULT, Duration::from_secs);
            Answer::Throttled { wait: wait.min(THROTTLE_MAX) }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Answer::Unauthorized { status: code },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Answer::Ambiguous(format!("status {code}")),
        s if s.is_client_error() => Answer::Refused { status: code, message: wire::message(&body) },
        _ => Answer::Ambiguous(format!("status {code}")),
    }
}
