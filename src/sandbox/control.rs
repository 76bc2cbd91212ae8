//! The control API, on its own port: seed, look, move the clock, order faults, edit by hand. It
//! is never limited and never fails on purpose.

use chrono::Utc;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{Answer, Reply};
use super::call::Request;
use super::faults::{Fault, Match};
use super::record::Record;
use super::request_log::Wanted;
use super::seed::seed;
use super::shared::State;
use super::store::Table;
use super::switches::Switches;
use super::vendor_edit::{self, Refusal};
use super::view::View;

const ROUTES: &[(&str, &str)] = &[
    ("POST", "/reset"),
    ("POST", "/seed"),
    ("GET", "/state"),
    ("GET", "/requests"),
    ("GET", "/switches"),
    ("PUT", "/switches"),
    ("GET", "/clock"),
    ("PUT", "/clock"),
    ("GET", "/plan"),
    ("PUT", "/plan"),
    ("GET", "/faults"),
    ("POST", "/faults"),
    ("DELETE", "/faults"),
    ("POST", "/vendor-edit"),
];

pub(super) fn answer(state: &mut State, request: &Request) -> Answer {
    route(state, request).unwrap_or_else(|refusal| refusal)
}

fn route(state: &mut State, request: &Request) -> Reply {
    let path = match request.path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    match (request.method.as_str(), path) {
        ("GET", "/") => Ok(Answer::ok(json!({ "routes": routes() }))),
        ("POST", "/reset") => Ok(reset(state)),
        ("POST", "/seed") => post_seed(state, request),
        ("GET", "/state") => Ok(Answer::ok(show_state(state))),
        ("GET", "/requests") => requests(state, request),
        ("GET", "/switches") => Ok(Answer::ok(state.world.switches.show())),
        ("PUT", "/switches") => put_switches(state, request),
        ("GET", "/clock") => Ok(Answer::ok(state.world.clock.show(Utc::now()))),
        ("PUT", "/clock") => put_clock(state, request),
        ("GET", "/plan") => Ok(show_plan(state)),
        ("PUT", "/plan") => put_plan(state, request),
        ("GET", "/faults") => Ok(show_faults(state)),
        ("POST", "/faults") => post_faults(state, request),
        ("DELETE", "/faults") => {
            state.world.faults.waiting.clear();
            Ok(show_faults(state))
        }
        ("POST", "/vendor-edit") => vendor_edit(state, request),
        (method, path) => Err(no_route(method, path)),
    }
}

fn routes() -> Vec<String> {
    ROUTES.iter().map(|(method, path)| format!("{method} {path}")).collect()
}

fn no_route(method: &str, path: &str) -> Answer {
    let known = routes().join(", ");
    if ROUTES.iter().any(|(_, known)| *known == path) {
        return Answer::problem(405, "method not allowed", format!("{method} {path}: not one of {known}"));
    }
    Answer::problem(404, "not found", format!("{method} {path}: not one of {known}"))
}

fn refused(detail: impl Into<String>) -> Answer {
    Answer::problem(400, "bad request", detail)
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Answer> {
    serde_json::from_slice(&request.body).map_err(|e| refused(format!("the body: {e}")))
}

fn reset(state: &mut State) -> Answer {
    state.world.reset();
    state.log.clear();
    state.limits = super::limits::Limits::default();
    Answer::ok(json!({ "reset": true }))
}

fn post_seed(state: &mut State, request: &Request) -> Reply {
    let told: Record = body(request)?;
    let now = state.world.now();
    let seeded = seed(&mut state.world.store, &told, now).map_err(refused)?;
    let switches = Switches::default();
    let view = View { store: &state.world.store, switches: &switches, now };
    let show = |table, ids: Vec<u64>| ids.into_iter().map(|id| view.show_id(table, id)).collect::<Vec<Value>>();
    Ok(Answer::ok(json!({
        "products": show(Table::Products, seeded.products), "policies": show(Table::Policies, seeded.policies),
        "warnings": seeded.warnings,
    })))
}

/// All of it in the plain form, whatever switches do to the answers of the API.
fn show_state(state: &State) -> Value {
    let mut plain = Switches::default();
    let expiry = super::record::object(json!({ "S17": state.world.switches.get("S17") }));
    // S17 decides what a status is and not how it looks, so it stays.
    let _ = plain.put(&expiry);
    let view = View { store: &state.world.store, switches: &plain, now: state.world.now() };
    json!({
        "licenses": view.show_all(Table::Licenses), "orders": view.show_all(Table::Orders),
        "devices": view.show_all(Table::Devices), "customers": view.show_all(Table::Customers),
        "products": view.show_all(Table::Products), "policies": view.show_all(Table::Policies),
    })
}

fn requests(state: &State, request: &Request) -> Reply {
    let number = |name: &str, default: u64| match request.param(name).filter(|text| !text.is_empty()) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| refused(format!("{name}: must be a whole number"))),
    };
    let flag = |name: &str| match request.param(name) {
        Some("true" | "1") => Ok(true),
        None | Some("" | "false" | "0") => Ok(false),
        Some(_) => Err(refused(format!("{name}: must be true or false"))),
    };
    let text = |name: &str| request.param(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let wanted = Wanted {
        since: number("since", 0)?,
        limit: usize::try_from(number("limit", u64::MAX)?).unwrap_or(usize::MAX),
        mutating: flag("mutating")?,
        warned: flag("warnings")?,
        on: Match { method: text("method"), path: text("path") },
    };
    state.log.show(&wanted).map(Answer::json_text).map_err(|e| Answer::problem(500, "internal error", e.to_string()))
}

fn put_switches(state: &mut State, request: &Request) -> Reply {
    let order: Record = body(request)?;
    state.world.switches.put(&order).map_err(refused)?;
    Ok(Answer::ok(state.world.switches.show()))
}

fn put_clock(state: &mut State, request: &Request) -> Reply {
    let order: Record = body(request)?;
    let real = Utc::now();
    state.world.clock = state.world.clock.put(&order, real).map_err(refused)?;
    Ok(Answer::ok(state.world.clock.show(real)))
}

fn show_plan(state: &State) -> Answer {
    Answer::ok(json!({ "plan": state.world.plan }))
}

fn put_plan(state: &mut State, request: &Request) -> Reply {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        plan: super::limits::Plan,
    }
    state.world.plan = body::<Order>(request)?.plan;
    Ok(show_plan(state))
}

fn show_faults(state: &State) -> Answer {
    Answer::ok(json!({ "faults": state.world.faults.waiting }))
}

/// One fault, or a list of them in the order in which they are to be used up.
fn post_faults(state: &mut State, request: &Request) -> Reply {
    let sent: Value = body(request)?;
    let list = if let Value::Array(list) = sent { list } else { vec![sent] };
    let mut faults = state.world.faults.clone();
    for fault in list {
        let fault: Fault = serde_json::from_value(fault).map_err(|e| refused(format!("the fault: {e}")))?;
        faults.add(fault).map_err(refused)?;
    }
    state.world.faults = faults;
    Ok(show_faults(state))
}

fn vendor_edit(state: &mut State, request: &Request) -> Reply {
    let order: vendor_edit::Order = body(request)?;
    let made = vendor_edit::take(&mut state.world, order).map_err(|refusal| match refusal {
        Refusal::UnknownLicense => Answer::problem(404, "not found", "license_id: there is no such license"),
        Refusal::Wrong(why) => refused(why),
    })?;
    Ok(Answer::ok(json!({ "edited": made, "waiting": state.world.edits.len() })))
}
