//! What a handler answers with, and the several shapes in which LicenseSpring says no.

use serde_json::{Value, json};

/// An answer before it becomes HTTP.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Body,
    pub headers: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Json(Value),
    /// JSON that is written already.
    JsonText(String),
    /// RFC 9457, as the control API says no.
    Problem(Value),
    Html(String),
    Empty,
}

/// Handlers return early with a refusal; both sides are answers.
pub(super) type Reply = Result<Answer, Answer>;

impl Answer {
    fn new(status: u16, body: Body) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    pub fn json(status: u16, body: Value) -> Self {
        Self::new(status, Body::Json(body))
    }

    pub fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub fn json_text(text: String) -> Self {
        Self::new(200, Body::JsonText(text))
    }

    pub fn empty(status: u16) -> Self {
        Self::new(status, Body::Empty)
    }

    /// What the nginx in front of LicenseSpring shows when nobody behind it answers.
    pub fn html(status: u16) -> Self {
        let reason = match status {
            429 => "Too Many Requests",
            502 => "Bad Gateway",
            503 => "Service Temporarily Unavailable",
            504 => "Gateway Time-out",
            _ => "Internal Server Error",
        };
        let title = format!("{status} {reason}");
        Self::new(
            status,
            Body::Html(format!(
                "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
            )),
        )
    }

    /// Django REST Framework's general refusal.
    pub fn detail(status: u16, text: impl Into<String>) -> Self {
        Self::json(status, json!({ "detail": text.into() }))
    }

    /// Django REST Framework's refusal of one field.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Self::json(400, json!({ name: [message.into()] }))
    }

    /// The License API's refusal, which create_order shares.
    pub fn code(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::json(status, json!({ "status": status, "code": code, "message": message.into() }))
    }

    pub fn not_found() -> Self {
        Self::detail(404, "Not found.")
    }

    pub fn method_not_allowed(method: &str) -> Self {
        Self::detail(405, format!("Method \"{method}\" not allowed."))
    }

    /// A refusal of the control API.
    pub fn problem(status: u16, title: &str, detail: impl Into<String>) -> Self {
        let body = json!({ "type": "about:blank", "title": title, "status": status, "detail": detail.into() });
        Self::new(status, Body::Problem(body))
    }

    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}
