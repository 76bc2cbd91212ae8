//! The Management API: who may ask, and who answers.

use serde_json::{Value, json};

use super::answer::{Answer, Reply};
use super::call::{Call, Request};
use super::store::Table;
use super::view::View;
use super::{create_order, customers, devices, license_users, licenses, listing, look, orders};

pub(super) const PREFIX: &str = "/api/v1/";
/// What is posted to a single license.
const LICENSE_ACTIONS: &[&str] =
    &["disable", "enable", "reset", "update_features", "assign_user", "assign_users", "unassign_user"];

/// Answers a request to the Management API, refusals included.
pub(super) fn answer(call: &mut Call<'_>, key: &str) -> Answer {
    let mut answer = authorize(call, key).and_then(|()| route(call)).unwrap_or_else(|refusal| refusal);
    look::dress(&mut answer, &call.world.switches);
    answer
}

/// LicenseSpring says 403 where most say 401.
fn authorize(call: &Call<'_>, key: &str) -> Result<(), Answer> {
    let header = call.request.authorization.as_deref().unwrap_or_default();
    let (scheme, given) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("Api-Key") {
        return Err(Answer::detail(403, "Authentication credentials were not provided."));
    }
    // A plain comparison: the key of a sandbox protects nothing.
    if given.trim() == key {
        return Ok(());
    }
    let status = if call.switched("S24", "401") { 401 } else { 403 };
    Err(Answer::detail(status, "Invalid API key."))
}

fn route(call: &mut Call<'_>) -> Reply {
    let request = call.request;
    slash(call, request)?;
    let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    match segments.as_slice() {
        ["orders", rest @ ..] => order_routes(call, rest),
        ["licenses", rest @ ..] => license_routes(call, rest),
        ["devices", rest @ ..] => device_routes(call, rest),
        ["customers", rest @ ..] => customer_routes(call, rest),
        ["products", rest @ ..] => read_routes(call, Table::Products, rest),
        ["license-templates", rest @ ..] => read_routes(call, Table::Policies, rest),
        ["license-users", rest @ ..] => read_routes(call, Table::LicenseUsers, rest),
        _ => Err(Answer::not_found()),
    }
}

/// Switch S20: what becomes of a path that leaves its last slash out.
fn slash(call: &Call<'_>, request: &Request) -> Result<(), Answer> {
    if request.path.ends_with('/') {
        return Ok(());
    }
    match call.world.switches.get("S20") {
        "404" => Err(Answer::not_found()),
        "301" => {
            let query = if request.raw_query.is_empty() { "" } else { "?" };
            let location = format!("{}/{query}{}", request.path, request.raw_query);
            Err(Answer::empty(301).with_header("location", location))
        }
        _ => Ok(()),
    }
}

fn order_routes(call: &mut Call<'_>, rest: &[&str]) -> Reply {
    match (method(call), rest) {
        ("GET", []) => listing::list(call, Table::Orders),
        ("POST", ["create_order"]) => create_order::create_order(call),
        ("GET", ["generate_license"]) => orders::generate_license(call),
        (method, ["create_order" | "generate_license"]) => Err(Answer::method_not_allowed(method)),
        ("GET", [id]) => get(call, Table::Orders, id),
        ("PATCH", [id]) => orders::patch(call, known(call, Table::Orders, id)?),
        ("DELETE", [id, "safe_delete"]) => orders::safe_delete(call, known(call, Table::Orders, id)?),
        (method, [] | [_] | [_, "safe_delete"]) => Err(Answer::method_not_allowed(method)),
        _ => Err(Answer::not_found()),
    }
}

fn license_routes(call: &mut Call<'_>, rest: &[&str]) -> Reply {
    match (method(call), rest) {
        ("GET", []) => listing::list(call, Table::Licenses),
        ("POST", ["disable_bulk"]) => licenses::disable_bulk(call),
        ("POST", ["reset_bulk"]) => licenses::reset_bulk(call),
        ("PATCH", ["bulk_update"]) => licenses::bulk_update(call),
        (method, ["disable_bulk" | "reset_bulk" | "bulk_update"]) => Err(Answer::method_not_allowed(method)),
        ("GET", [id]) => get(call, Table::Licenses, id),
        ("PATCH", [id]) => licenses::patch(call, known(call, Table::Licenses, id)?),
        ("DELETE", [id]) => licenses::delete(call, known(call, Table::Licenses, id)?),
        ("POST", [id, "disable"]) => licenses::disable(call, known(call, Table::Licenses, id)?),
        ("POST", [id, "enable"]) => licenses::enable(call, known(call, Table::Licenses, id)?),
        ("POST", [id, "reset"]) => licenses::reset(call, known(call, Table::Licenses, id)?),
        ("POST", [id, "update_features"]) => licenses::update_features(call, known(call, Table::Licenses, id)?),
        ("POST", [id, "assign_user"]) => license_users::assign_user(call, known(call, Table::Licenses, id)?),
        ("POST", [id, "assign_users"]) => license_users::assign_users(call, known(call, Table::Licenses, id)?),
        ("POST", [id, "unassign_user"]) => license_users::unassign_user(call, known(call, Table::Licenses, id)?),
        (method, [] | [_]) => Err(Answer::method_not_allowed(method)),
        (method, [_, action]) if LICENSE_ACTIONS.contains(action) => Err(Answer::method_not_allowed(method)),
        _ => Err(Answer::not_found()),
    }
}

fn device_routes(call: &mut Call<'_>, rest: &[&str]) -> Reply {
    match (method(call), rest) {
        ("GET", []) => listing::list(call, Table::Devices),
        ("GET", [id]) => get(call, Table::Devices, id),
        ("POST", [id, "reset"]) => devices::reset(call, known(call, Table::Devices, id)?),
        ("POST", [id, "blacklist"]) => devices::blacklist(call, known(call, Table::Devices, id)?),
        (method, [] | [_] | [_, "reset" | "blacklist"]) => Err(Answer::method_not_allowed(method)),
        _ => Err(Answer::not_found()),
    }
}

fn customer_routes(call: &mut Call<'_>, rest: &[&str]) -> Reply {
    match (method(call), rest) {
        ("POST", []) => customers::create(call),
        ("PATCH", [id]) => customers::patch(call, known(call, Table::Customers, id)?),
        _ => read_routes(call, Table::Customers, rest),
    }
}

fn read_routes(call: &mut Call<'_>, table: Table, rest: &[&str]) -> Reply {
    match (method(call), rest) {
        ("GET", []) => listing::list(call, table),
        ("GET", [id]) => get(call, table, id),
        (method, [] | [_]) => Err(Answer::method_not_allowed(method)),
        _ => Err(Answer::not_found()),
    }
}

fn method<'a>(call: &Call<'a>) -> &'a str {
    // HEAD is answered as GET; the server leaves the body out.
    if call.request.method == "HEAD" { "GET" } else { &call.request.method }
}

/// The id of a path, if there is such a record.
fn known(call: &Call<'_>, table: Table, id: &str) -> Result<u64, Answer> {
    id.parse().ok().filter(|id| call.world.store.get(table, *id).is_some()).ok_or_else(Answer::not_found)
}

fn get(call: &mut Call<'_>, table: Table, id: &str) -> Reply {
    let id = known(call, table, id)?;
    Ok(show(call, table, id))
}

/// 200 with the object as it is now.
pub(super) fn show(call: &Call<'_>, table: Table, id: u64) -> Answer {
    let view = View { store: &call.world.store, switches: &call.world.switches, now: call.world.now() };
    Answer::ok(view.show_id(table, id))
}

/// The answer of an action, in the way of switch S29.
pub(super) fn done(call: &Call<'_>, message: &str) -> Reply {
    Ok(action_answer(call, json!({ "message": message })))
}

/// The same, with one thing more to say.
pub(super) fn done_with(call: &Call<'_>, message: &str, key: &str, value: Value) -> Reply {
    Ok(action_answer(call, json!({ "message": message, key: value })))
}

fn action_answer(call: &Call<'_>, body: Value) -> Answer {
    match call.world.switches.get("S29") {
        "empty_200" => Answer::empty(200),
        "204" => Answer::empty(204),
        _ => Answer::ok(body),
    }
}
