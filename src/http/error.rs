//! Errors are shaped where they leave: RFC 9457 `application/problem+json`, here alone.

use std::fmt;

use actix_web::error::QueryPayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};
use tracing::error;

use crate::ledger::append::AppendError;
use crate::postgres::DbError;

/// Seconds after which a caller may try again when we cannot help it now.
pub(super) const RETRY_AFTER_S: u16 = 5;

/// A problem, as it is answered.
#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub title: &'static str,
    pub detail: String,
    pub errors: Vec<Value>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), errors: Vec::new() }
    }
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad request", detail)
    }
    /// A field of the request is wrong.
    pub(super) fn field(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let errors = vec![json!({"field": name, "detail": detail})];
        Self { errors, ..Self::bad_request(format!("{name}: {detail}")) }
    }
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }
    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", detail)
    }
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", detail)
    }
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable", detail)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut body = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if !self.errors.is_empty() {
            body["errors"] = json!(self.errors);
        }
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S)))
            }
            StatusCode::UNAUTHORIZED => response.insert_header((header::WWW_AUTHENTICATE, "Bearer")),
            _ => &mut response,
        };
        response.body(body.to_string())
    }
}

/// The database's own words are for the log, not for callers.
impl From<DbError> for Problem {
    fn from(e: DbError) -> Self {
        // A NUL, or an instant beyond the calendar: asking again would not help.
        if e.is_data_error() {
            return Self::bad_request("the request holds a value that cannot be stored or looked for");
        }
        error!(error = %e, "a request could not be answered");
        Self::unavailable("the database cannot be used now")
    }
}

impl From<deadpool_postgres::PoolError> for Problem {
    fn from(e: deadpool_postgres::PoolError) -> Self {
        DbError::from(e).into()
    }
}

impl From<AppendError> for Problem {
    fn from(e: AppendError) -> Self {
        match e {
            AppendError::TailMoved => Self::new(StatusCode::CONFLICT, "Conflict", "the journal moved; try again"),
            AppendError::Database(e) => e.into(),
        }
    }
}

/// What stands in the query is not what can be asked for.
pub(super) fn unreadable_query(error: &QueryPayloadError) -> Problem {
    let why = match error {
        QueryPayloadError::Deserialize(why) => why.to_string(),
        _ => "it is not written as key=value pairs".to_owned(),
    };
    Problem::bad_request(format!("the query cannot be read: {why}"))
}

/// The path is one of ours, the method is none of it.
pub(super) async fn wrong_method(allowed: String) -> HttpResponse {
    let problem =
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", format!("here there are {allowed}"));
    let mut response = problem.error_response();
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// No such route.
pub(super) async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found("there is nothing at this path"))
}
