//! `/v1/admin/tokens`: who may come in. A secret is shown once, and stored nowhere.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::act::{Body, Reason, reason, reason_in};
use super::auth::Admin;
use super::{Problem, Shared, view};
use crate::control::{self, Role};
use crate::domain::dates::rfc3339;
use crate::ledger::append::{NewDelivery, append};

/// Longest name of a token.
const NAME_BYTES_MAX: usize = 200;

/// Every token, newest first; never a secret.
pub(super) async fn list(app: Shared, _: Admin) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    Ok(HttpResponse::Ok().json(json!({"tokens": control::list(&client).await?})))
}

#[derive(Default, Deserialize)]
pub(super) struct Create {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    /// `90d`, `12h`; absent: until revoked.
    expires: Option<String>,
    /// The same as an instant.
    expires_at: Option<String>,
}

impl Create {
    fn name(&self) -> Result<&str, Problem> {
        let name = self.name.trim();
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
        if fits { Ok(name) } else { Err(Problem::field("name", format!("must have 1 to {NAME_BYTES_MAX} bytes"))) }
    }

    fn role(&self) -> Result<Role, Problem> {
        match self.role.as_str() {
            "auditor" => Ok(Role::Auditor),
            "admin" => Ok(Role::Admin),
            _ => Err(Problem::field("role", "must be auditor or admin")),
        }
    }

    fn end(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Problem> {
        if let Some(text) = view::present(self.expires.as_deref()) {
            let lifetime = control::lifetime(text).map_err(|why| Problem::field("expires", why))?;
            return Ok(Some(now + lifetime));
        }
        let end = view::instant("expires_at", self.expires_at.as_deref())?;
        if end.is_some_and(|end| end <= now) {
            return Err(Problem::field("expires_at", "must lie in the future"));
        }
        Ok(end)
    }
}

/// Makes a token. If that cannot be recorded there is none.
pub(super) async fn create(app: Shared, admin: Admin, Body(asked): Body<Create>) -> Result<HttpResponse, Problem> {
    let why = reason(&asked.reason)?;
    let (name, role, end) = (asked.name()?, asked.role()?, asked.end(Utc::now())?);
    let client = app.projector.pool.get().await?;
    let (token, secret) = control::create(&client, name, role, end).await?;
    let shown = json!({"id": token.id, "name": name, "role": role, "expires_at": end.map(rfc3339)});
    if let Err(problem) = record(&app, &client, "token_created", token.id, &shown, (&admin.0.name, why)).await {
        control::revoke(&client, token.id).await?;
        return Err(problem);
    }
    let mut shown = shown;
    shown["token"] = json!(secret);
    Ok(HttpResponse::build(StatusCode::CREATED).json(shown))
}

/// Revokes a token at once.
pub(super) async fn revoke(
    app: Shared,
    admin: Admin,
    id: web::Path<Uuid>,
    query: web::Query<Reason>,
    Body(asked): Body<Reason>,
) -> Result<HttpResponse, Problem> {
    let why = reason_in(&asked, &query)?;
    let client = app.projector.pool.get().await?;
    let held = control::list(&client).await?.into_iter().find(|t| t.id == *id && t.revoked_at.is_none());
    let held = held.ok_or_else(|| Problem::not_found("there is no token of that id that could still be used"))?;
    let shown = json!({"id": held.id, "name": held.name, "role": held.role});
    record(&app, &client, "token_revoked", held.id, &shown, (&admin.0.name, why)).await?;
    control::revoke(&client, held.id).await?;
    Ok(HttpResponse::Ok().json(json!({"id": held.id, "name": held.name, "role": held.role, "revoked": true})))
}

/// Who made or revoked which token, and why; in the journal of the system.
async fn record(
    app: &Shared,
    client: &Client,
    act: &str,
    id: Uuid,
    token: &Value,
    (who, why): (&str, &str),
) -> Result<(), Problem> {
    let body = json!({"act": act, "token": token, "who": who, "reason": why});
    let delivery = NewDelivery::own(act, &format!("{act}:{id}"), &body, Utc::now());
    append(client, app.projector.registry.system, None, &[delivery]).await?;
    app.projector.wake.notify_one();
    Ok(())
}
