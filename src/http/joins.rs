//! `/v1/admin/customer-joins`: customers of several sources that are one person or company.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::Utc;
use deadpool_postgres::Client;
use serde::Deserialize;
use serde_json::json;

use super::act::{Body, Reason, reason};
use super::auth::Admin;
use super::customers::states;
use super::{Problem, Shared, view};
use crate::domain::joins::{CustomerRef, Join, same_as};
use crate::ledger::joins;

/// Customers in one join.
const CUSTOMERS_MAX: usize = 50;

#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    customers: Vec<CustomerRef>,
    #[serde(default)]
    reason: String,
}

/// The joins that hold.
pub(super) async fn list(app: Shared, _: Admin) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let held = joins::all(&client, app.projector.registry.system).await?;
    Ok(HttpResponse::Ok().json(json!({"joins": held})))
}

/// Joins two or more customers that are known, each by its source.
pub(super) async fn create(app: Shared, admin: Admin, Body(asked): Body<Asked>) -> Result<HttpResponse, Problem> {
    let why = reason(&asked.reason)?;
    let customers: BTreeSet<CustomerRef> = asked.customers.iter().cloned().collect();
    if !(2..=CUSTOMERS_MAX).contains(&customers.len()) {
        return Err(Problem::field("customers", format!("must name 2 to {CUSTOMERS_MAX} different customers")));
    }
    let client = app.projector.pool.get().await?;
    for CustomerRef { source, customer_id } in &customers {
        if states(&client, view::source(&app, source)?, customer_id).await?.is_empty() {
            return Err(Problem::field("customers", format!("no subscription of {source} names {customer_id}")));
        }
    }
    let system = app.projector.registry.system;
    let (join, position) = joins::join(&client, system, customers, (&admin.0.name, why), Utc::now()).await?;
    app.projector.wake.notify_one();
    let shown = json!({"id": join.id, "customers": join.customers, "event": format!("system/{position}")});
    Ok(HttpResponse::build(StatusCode::CREATED).json(shown))
}

/// Takes a join back.
pub(super) async fn delete(
    app: Shared,
    admin: Admin,
    id: web::Path<String>,
    Body(asked): Body<Reason>,
) -> Result<HttpResponse, Problem> {
    let why = reason(&asked.reason)?;
    let client = app.projector.pool.get().await?;
    let system = app.projector.registry.system;
    if !joins::all(&client, system).await?.iter().any(|held| held.join.id == *id) {
        return Err(Problem::not_found("there is no join of that id that holds"));
    }
    let position = joins::part(&client, system, &id, (&admin.0.name, why), Utc::now()).await?;
    app.projector.wake.notify_one();
    Ok(HttpResponse::Ok().json(json!({"id": *id, "event": format!("system/{position}")})))
}

/// Everybody who was said to be the same as a customer, before a position of the system journal.
pub(super) async fn others(
    app: &Shared,
    client: &Client,
    customer: &CustomerRef,
    before: i64,
) -> Result<BTreeSet<CustomerRef>, Problem> {
    let held = joins::known_before(client, app.projector.registry.system, before).await?;
    let joins: Vec<Join> = held.into_iter().map(|held| held.join).collect();
    Ok(same_as(&joins, customer))
}
