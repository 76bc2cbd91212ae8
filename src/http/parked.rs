//! `/v1/parked` and its retry: calls that LicenseSpring refuses as they are, or an admin did.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::act::{self, Act, Body};
use super::auth::{Admin, Auditor};
use super::lists::{Page, answer};
use super::{Problem, Shared, view};
use crate::domain::account::{AccountEvent, Retry};
use crate::domain::license::LicenseRecord;
use crate::postgres::query;
use crate::projections::licenses;
use crate::sql;

/// What stands for every parked order.
const ALL: &str = "all";
/// Orders of one retry.
const RETRY_MAX: i64 = 1_000;

/// What is parked, each with its reason and the fix.
pub(super) async fn list(app: Shared, _: Auditor, page: web::Query<Page>) -> Result<HttpResponse, Problem> {
    let limit = page.limit()?;
    let (from_account, after): (String, String) = page.place()?;
    let client = app.projector.pool.get().await?;
    let mut parked = Vec::new();
    for account in app.projector.registry.accounts.values().filter(|a| a.name >= from_account) {
        let place = view::live(&client, account.journal).await?;
        let after = if account.name == from_account { after.as_str() } else { "" };
        let statement = sql!("projections/licenses/parked.sql");
        let rows = query(&client, statement, &[&place.generation, &place.journal, &(limit + 1), &after]).await?;
        for row in rows {
            let Ok(record) = serde_json::from_value::<LicenseRecord>(row.get("record")) else { continue };
            let Some(p) = &record.parked else { continue };
            let fix = if p.state_hash.is_some() {
                "nothing, if that is still wanted; POST /v1/admin/parked/{id}/retry asks for it once more"
            } else {
                "correct the catalog rule or the product in LicenseSpring; the call is made again when it differs, or by POST /v1/admin/parked/{id}/retry"
            };
            let shown = json!({
                "id": record.order_id,
                "order_id": record.order_id,
                "licensespring": account.name,
                "source": record.line.source,
                "subscription_id": record.line.subscription_id,
                "reason": p.message,
                "status": p.http_status,
                "fix": fix,
            });
            parked.push(((account.name.clone(), record.order_id), shown));
        }
    }
    Ok(answer("parked", parked, limit, |shown| view::cursor(&shown.last().map(|(place, _)| place))))
}

/// Asks once more for what is parked: one order, or `all`.
pub(super) async fn retry(
    app: Shared,
    admin: Admin,
    id: web::Path<String>,
    request: HttpRequest,
    Body(asked): Body<Act>,
) -> Result<HttpResponse, Problem> {
    let reason = act::reason(&asked.reason)?;
    let client = app.projector.pool.get().await?;
    let mut retried = Vec::new();
    for desk in act::desks(&app, asked.licensespring.as_deref())? {
        let place = view::live(&client, desk.account.journal).await?;
        let records: Vec<LicenseRecord> = if *id == ALL {
            let statement = sql!("projections/licenses/parked.sql");
            let rows = query(&client, statement, &[&place.generation, &place.journal, &RETRY_MAX, &""]).await?;
            rows.iter().filter_map(|row| serde_json::from_value(row.get("record")).ok()).collect()
        } else {
            licenses::load(&client, place, std::slice::from_ref(&*id)).await?
        };
        let order_ids: Vec<String> =
            records.into_iter().filter(|r| r.parked.is_some() || r.gone).map(|r| r.order_id).collect();
        if order_ids.is_empty() {
            continue;
        }
        let said = Retry { order_ids: order_ids.clone(), who: admin.0.name.clone(), reason: reason.to_owned() };
        desk.say(&client, &act::key(&request, "parked_retried"), &AccountEvent::ParkedRetried(said)).await?;
        retried.extend(order_ids);
    }
    if retried.is_empty() && *id != ALL {
        return Err(Problem::not_found("no order of this id is parked"));
    }
    app.projector.saved.notify_waiters();
    Ok(HttpResponse::Accepted().json(json!({"retried": retried})))
}
