//! What needs a person.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Auditor;
use super::{Problem, Shared, view};
use crate::domain::dates::rfc3339;
use crate::domain::license::LicenseRecord;
use crate::postgres::query;
use crate::sql;

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<String>,
}

/// Deliveries that were turned away, newest first; they are not events.
pub(super) async fn refusals(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(page.limit.as_deref())?;
    let client = app.projector.pool.get().await?;
    let rows = query(&client, sql!("schema/statements/refusals.sql"), &[&limit]).await?;
    let refusals: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "refused_at": rfc3339(row.get::<_, DateTime<Utc>>("refused_at")),
                "source": row.get::<_, String>("source"),
                "code": row.get::<_, String>("code"),
                "reason": row.get::<_, String>("detail"),
                "remote": row.get::<_, Option<String>>("remote"),
                "body_bytes": row.get::<_, Option<i64>>("body_bytes"),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"refusals": refusals})))
}

/// Calls that LicenseSpring refuses as they are.
pub(super) async fn parked(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = view::limit(page.limit.as_deref())?;
    let client = app.projector.pool.get().await?;
    let mut parked = Vec::new();
    for account in app.projector.registry.accounts.values() {
        let place = view::live(&client, account.journal).await?;
        let rows =
            query(&client, sql!("projections/licenses/parked.sql"), &[&place.generation, &place.journal, &limit])
                .await?;
        for row in rows {
            let Ok(record) = serde_json::from_value::<LicenseRecord>(row.get("record")) else { continue };
            parked.push(json!({
                "order_id": record.order_id,
                "licensespring": account.name,
                "reason": record.parked.as_ref().map(|p| p.message.clone()),
                "status": record.parked.as_ref().and_then(|p| p.http_status),
                "fix": "correct the catalog rule or the product in LicenseSpring; the call is made again when it differs",
            }));
        }
    }
    Ok(HttpResponse::Ok().json(json!({"parked": parked})))
}
