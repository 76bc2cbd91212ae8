//! `POST /v1/admin/parked/{id}/retry`: calls that LicenseSpring refused, or an admin, once more.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::act::{self, Act};
use super::auth::Admin;
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

/// Asks once more for what is parked: one order, or `all`.
pub(super) async fn retry(
    app: Shared,
    admin: Admin,
    id: web::Path<String>,
    bytes: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let asked: Act = act::body(&bytes)?;
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
        desk.say(&client, &act::key("parked_retried"), &AccountEvent::ParkedRetried(said)).await?;
        retried.extend(order_ids);
    }
    if retried.is_empty() && *id != ALL {
        return Err(Problem::not_found("no order of this id is parked"));
    }
    app.projector.saved.notify_waiters();
    Ok(HttpResponse::Accepted().json(json!({"retried": retried})))
}
