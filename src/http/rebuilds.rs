//! `/v1/admin/rebuilds`: fold everything anew, look at the difference, swap it in or drop it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::act::{Body, Reason, reason};
use super::auth::Admin;
use super::{Problem, Shared};
use crate::projector::rebuild::{self, ActError, Rebuild, Said, Scope};

/// Between two events of the progress stream.
const PROGRESS_TICK: Duration = Duration::from_millis(500);
/// Events of one progress stream: an hour of them, then the client asks again.
const PROGRESS_MAX: usize = 7_200;

#[derive(Default, Deserialize)]
pub(super) struct Start {
    scope: Option<Map<String, Value>>,
    #[serde(default)]
    reason: String,
    promote: Option<String>,
}

impl From<ActError> for Problem {
    fn from(e: ActError) -> Self {
        match e {
            ActError::Append(e) => e.into(),
            ActError::Scope(field, why) => Self::field(&format!("scope.{field}"), why),
            other => Self::new(StatusCode::CONFLICT, "Conflict", other.to_string()),
        }
    }
}

/// `{}` is everything; a key that is no scope must not become one.
fn scope(asked: &Map<String, Value>) -> Result<Scope, Problem> {
    let mut scope = Scope::default();
    for (key, value) in asked {
        let place = match key.as_str() {
            "source" => &mut scope.source,
            "customer" => &mut scope.customer,
            _ => return Err(Problem::field(&format!("scope.{key}"), "is no scope: write source, and customer")),
        };
        *place = match value {
            Value::Null => None,
            Value::String(name) if !name.is_empty() => Some(name.clone()),
            _ => return Err(Problem::field(&format!("scope.{key}"), "must be a name")),
        };
    }
    Ok(scope)
}

/// Starts a rebuild of everything, of one source, or of one customer.
pub(super) async fn start(app: Shared, admin: Admin, Body(asked): Body<Start>) -> Result<HttpResponse, Problem> {
    let why = reason(&asked.reason)?;
    let promote = asked.promote.as_deref().unwrap_or("manual");
    if !["manual", "when_equal", "always"].contains(&promote) {
        return Err(Problem::field("promote", "must be manual, when_equal or always"));
    }
    let scope = scope(asked.scope.as_ref().unwrap_or(&Map::new()))?;
    let made = rebuild::start(&app.projector, &scope, &admin.0.name, why, promote).await?;
    Ok(HttpResponse::Accepted().json(made))
}

async fn find(app: &Shared, id: Uuid) -> Result<Rebuild, Problem> {
    let client = app.projector.pool.get().await?;
    let found = rebuild::list(&client, Some(id)).await?.into_iter().next();
    found.ok_or_else(|| Problem::not_found("there is no such rebuild"))
}

/// Every rebuild, newest first.
pub(super) async fn list(app: Shared, _: Admin) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    Ok(HttpResponse::Ok().json(json!({"rebuilds": rebuild::list(&client, None).await?})))
}

/// One rebuild and how far it is.
pub(super) async fn one(app: Shared, _: Admin, id: web::Path<Uuid>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(find(&app, *id).await?))
}

/// Progress as server-sent events, until the rebuild is ready or over.
pub(super) async fn events(app: Shared, _: Admin, id: web::Path<Uuid>) -> Result<HttpResponse, Problem> {
    let first = find(&app, *id).await?;
    let stream = futures_util::stream::unfold((app, Some(first), 0_usize), |(app, rebuild, sent)| async move {
        let rebuild = rebuild?;
        let line = format!("data: {}\n\n", json!(rebuild));
        let runs = matches!(rebuild.state.as_str(), "building" | "catching_up") && sent < PROGRESS_MAX;
        let next = if runs {
            tokio::time::sleep(PROGRESS_TICK).await;
            find(&app, rebuild.id).await.ok()
        } else {
            None
        };
        Some((Ok::<_, actix_web::Error>(web::Bytes::from(line)), (app, next, sent + 1)))
    });
    Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(stream))
}

/// What is not the same as in the live generation, and the calls that would follow.
pub(super) async fn diff(app: Shared, _: Admin, id: web::Path<Uuid>) -> Result<HttpResponse, Problem> {
    let rebuild = find(&app, *id).await?;
    let mut client = app.projector.pool.get().await?;
    let differences = rebuild::differences(&app.projector, &mut client, &rebuild).await?;
    Ok(HttpResponse::Ok().json(json!({"id": rebuild.id, "generation": rebuild.generation, "differences": differences})))
}

fn by_hand<'a>(admin: &'a Admin, reason: &'a str) -> Said<'a> {
    Said { who: &admin.0.name, reason, by_hand: true }
}

/// Swaps it in.
pub(super) async fn promote(
    app: Shared,
    admin: Admin,
    id: web::Path<Uuid>,
    Body(asked): Body<Reason>,
) -> Result<HttpResponse, Problem> {
    let why = reason(&asked.reason)?;
    let rebuild = find(&app, *id).await?;
    rebuild::promote(&app.projector, &rebuild, by_hand(&admin, why)).await?;
    Ok(HttpResponse::Ok().json(find(&app, *id).await?))
}

/// Gives it up.
pub(super) async fn cancel(
    app: Shared,
    admin: Admin,
    id: web::Path<Uuid>,
    Body(asked): Body<Reason>,
) -> Result<HttpResponse, Problem> {
    let why = reason(&asked.reason)?;
    let rebuild = find(&app, *id).await?;
    rebuild::cancel(&app.projector, &rebuild, by_hand(&admin, why)).await?;
    Ok(HttpResponse::Ok().json(find(&app, *id).await?))
}

/// Swaps the generation before it back in.
pub(super) async fn rollback(
    app: Shared,
    admin: Admin,
    id: web::Path<Uuid>,
    Body(asked): Body<Reason>,
) -> Result<HttpResponse, Problem> {
    let why = reason(&asked.reason)?;
    let rebuild = find(&app, *id).await?;
    rebuild::roll_back(&app.projector, &rebuild, by_hand(&admin, why)).await?;
    Ok(HttpResponse::Ok().json(find(&app, *id).await?))
}
