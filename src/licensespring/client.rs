//! One account's client: sends a call and says what is known afterwards.

use std::time::Duration;

use chrono::Utc;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::wire;
use crate::domain::license::{Action, Observed};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer that is read: a page of 100 licenses is a few hundred KB.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Rows asked for in a list; LicenseSpring cuts `/licenses/` at 100.
const PAGE: usize = 100;
/// Pages walked when a filter turns out to be ignored.
const PAGES_MAX: usize = 1_000;
/// Wait after a 429 that does not say how long.
const THROTTLE_DEFAULT: Duration = Duration::from_secs(5);

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

    /// Makes one changing call.
    pub async fn act(&self, action: &Action) -> Answer {
        match action {
            Action::CreateOrder { body } => {
                self.send(Method::POST, "api/v1/orders/create_order/", &[], Some(body)).await
            }
            Action::Update { license_id, changes } => {
                self.send(Method::PATCH, &format!("api/v1/licenses/{license_id}/"), &[], Some(changes)).await
            }
            Action::Enable { license_id } => {
                self.send(Method::POST, &format!("api/v1/licenses/{license_id}/enable/"), &[], None).await
            }
            Action::Disable { license_id } => {
                self.send(Method::POST, &format!("api/v1/licenses/{license_id}/disable/"), &[], None).await
            }
            Action::ResetDevices { license_id } => self.reset_devices(*license_id).await,
        }
    }

    /// Frees every active device of a license; stops at the first answer that is not a success.
    async fn reset_devices(&self, license_id: i64) -> Answer {
        let query = [("license", license_id.to_string()), ("limit", PAGE.to_string())];
        let listed = self.send(Method::GET, "api/v1/devices/", &query, None).await;
        let Answer::Done { body, .. } = &listed else { return listed };
        let devices = body["results"].as_array().into_iter().flatten();
        let active = devices.filter(|d| d["device_active"].as_bool() == Some(true)).filter_map(|d| wire::id(&d["id"]));
        for device in active.collect::<Vec<_>>() {
            let answer = self.send(Method::POST, &format!("api/v1/devices/{device}/reset/"), &[], None).await;
            if !matches!(answer, Answer::Done { .. }) {
                return answer;
            }
        }
        listed
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

    /// The license of a client order id, looked up directly. A filter may be ignored, so every
    /// row is compared; the next page is counted from the rows received, never from a URL.
    ///
    /// # Errors
    /// The answer, where the look-up did not work.
    pub async fn license_of_order(&self, order_id: &str) -> Result<Option<Observed>, Answer> {
        let mut offset = 0;
        for _ in 0..PAGES_MAX {
            let query =
                [("order__store_id", order_id.to_owned()), ("limit", PAGE.to_string()), ("offset", offset.to_string())];
            let answer = self.send(Method::GET, "api/v1/licenses/", &query, None).await;
            let Answer::Done { body, .. } = answer else { return Err(answer) };
            let rows =
                body["results"].as_array().ok_or_else(|| Answer::Ambiguous("the list cannot be read".to_owned()))?;
            if let Some(row) = rows.iter().find(|r| r["order_store_id"].as_str() == Some(order_id)) {
                return Ok(wire::observed(row));
            }
            offset += rows.len();
            if rows.is_empty() || body["next"].is_null() {
                return Ok(None);
            }
        }
        Err(Answer::Ambiguous("the list has too many pages".to_owned()))
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
            Answer::Throttled { wait: retry_after.map_or(THROTTLE_DEFAULT, Duration::from_secs) }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Answer::Unauthorized { status: code },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Answer::Ambiguous(format!("status {code}")),
        s if s.is_client_error() => Answer::Refused { status: code, message: wire::message(&body) },
        _ => Answer::Ambiguous(format!("status {code}")),
    }
}
