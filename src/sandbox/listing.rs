//! Lists: filters, order, pages, and the envelope with its absolute links.

use std::collections::HashSet;
use std::time::Instant;

use serde_json::{Value, json};

use super::answer::{Answer, Reply};
use super::call::Call;
use super::filters::{self, Filter, Lookup, named, passes};
use super::record::{Record, text};
use super::store::Table;
use super::view::View;

/// Rows of a page where the client does not say.
const PAGE_DEFAULT: usize = 20;
/// The largest page of licenses; a larger one is cut without a word.
const LICENSES_PAGE_MAX: usize = 100;
/// The largest page of anything else.
const PAGE_MAX: usize = 1_000;
/// The largest page under switch S7.
const SMALL_PAGE_MAX: usize = 20;
/// Where links point under switch S8: a host that must never see the client's key.
const OTHER_HOST: &str = "other-host.invalid";

/// Query parameters that are not filters.
const NOT_FILTERS: &[&str] = &["limit", "offset", "order_by", "ordering", "format"];

struct Wanted {
    filter: &'static Filter,
    lookup: Lookup,
    suffix: String,
    value: String,
}

struct Page {
    limit: usize,
    offset: usize,
}

pub(super) fn list(call: &mut Call<'_>, table: Table) -> Reply {
    let page = page(call, table)?;
    let wanted = wanted(call, table);
    let lag = call.world.switches.get("S21").to_owned();
    let hidden = call.world.lag.hidden(&lag, Instant::now());
    let ids = sorted(call, table, matching(call, table, &wanted, &hidden));
    let view = View { store: &call.world.store, switches: &call.world.switches, now: call.world.now() };
    let results: Vec<Value> =
        ids.iter().skip(page.offset).take(page.limit).map(|id| view.show_id(table, *id)).collect();
    let next = page.offset.checked_add(page.limit).filter(|offset| *offset < ids.len());
    let previous = (page.offset > 0).then(|| page.offset.saturating_sub(page.limit));
    Ok(Answer::ok(json!({
        "count": ids.len(),
        "next": next.and_then(|offset| link(call, page.limit, offset)),
        "previous": previous.and_then(|offset| link(call, page.limit, offset)),
        "results": results,
    })))
}

fn page(call: &Call<'_>, table: Table) -> Result<Page, Answer> {
    let max = match (call.world.switches.get("S7"), table) {
        ("20", _) => SMALL_PAGE_MAX,
        (_, Table::Licenses) => LICENSES_PAGE_MAX,
        _ => PAGE_MAX,
    };
    let number = |name| call.request.param(name).and_then(|text| text.parse::<usize>().ok());
    let asked = number("limit").filter(|limit| *limit > 0).unwrap_or(PAGE_DEFAULT);
    if asked > max && call.switched("S7", "400_on_excess") {
        return Err(Answer::field("limit", format!("Ensure this value is less than or equal to {max}.")));
    }
    Ok(Page { limit: asked.min(max), offset: number("offset").unwrap_or(0) })
}

/// The known filters of the query; the others are noted.
fn wanted(call: &mut Call<'_>, table: Table) -> Vec<Wanted> {
    let request = call.request;
    let mut wanted = Vec::new();
    for (name, value) in request.query.iter().filter(|(name, _)| !NOT_FILTERS.contains(&name.as_str())) {
        match named(table, name) {
            // django-filter takes an empty parameter for an absent one.
            Some(_) if value.is_empty() => {}
            Some((filter, lookup, suffix)) => match store_id_lookup(call, filter, lookup) {
                Some(lookup) => {
                    wanted.push(Wanted { filter, lookup, suffix: suffix.to_owned(), value: value.clone() });
                }
                None => call.warn(format!("filter {name:?} was ignored by switch S9")),
            },
            None => call.warn(format!("filter {name:?} is not known here and was ignored")),
        }
    }
    wanted
}

/// Switch S9: the filter on which a client's look-up of its own order rests.
fn store_id_lookup(call: &Call<'_>, filter: &Filter, lookup: Lookup) -> Option<Lookup> {
    if lookup != Lookup::Exact || !matches!(filter.name, "store_id" | "order__store_id") {
        return Some(lookup);
    }
    match call.world.switches.get("S9") {
        "ignored" => None,
        "icontains" => Some(Lookup::Contains),
        "case_insensitive" => Some(Lookup::IExact),
        _ => Some(Lookup::Exact),
    }
}

fn matching(call: &Call<'_>, table: Table, wanted: &[Wanted], hidden: &HashSet<u64>) -> Vec<u64> {
    let store = &call.world.store;
    let indexed = wanted
        .iter()
        .filter(|w| w.lookup == Lookup::Exact)
        .find_map(|w| filters::index(store, table, w.filter.name, &w.value));
    let candidates = indexed.unwrap_or_else(|| store.table(table).keys().copied().collect());
    let is_match =
        |record: &Record| wanted.iter().all(|w| passes(w.lookup, &w.suffix, &(w.filter.read)(store, record), &w.value));
    candidates.into_iter().filter(|id| !hidden.contains(id) && store.get(table, *id).is_some_and(is_match)).collect()
}

/// In the order asked for; without one, and among equals, by id.
fn sorted(call: &Call<'_>, table: Table, mut ids: Vec<u64>) -> Vec<u64> {
    ids.sort_unstable();
    let asked = call.request.param("order_by").or_else(|| call.request.param("ordering")).unwrap_or_default();
    let key = match asked.trim_start_matches('-') {
        "" | "id" => None,
        "created" => Some("created_at"), // as older examples have it
        other => Some(other),
    };
    if let Some(key) = key {
        let store = &call.world.store;
        ids.sort_by_cached_key(|id| store.get(table, *id).map_or("", |record| text(record, key)).to_owned());
    }
    if asked.starts_with('-') {
        ids.reverse();
    }
    ids
}

/// The same request at another offset.
fn link(call: &Call<'_>, limit: usize, offset: usize) -> Option<String> {
    let request = call.request;
    let kept = request.query.iter().filter(|(name, _)| !matches!(name.as_str(), "limit" | "offset"));
    let mut pairs: Vec<(String, String)> = kept.cloned().collect();
    pairs.push(("limit".to_owned(), limit.to_string()));
    if offset > 0 {
        pairs.push(("offset".to_owned(), offset.to_string()));
    }
    let host = if call.switched("S8", "other_host") { OTHER_HOST } else { &request.host };
    let url = reqwest::Url::parse_with_params(&format!("http://{host}{}", request.path), &pairs).ok()?;
    if call.switched("S8", "relative") {
        return Some(format!("{}?{}", url.path(), url.query().unwrap_or_default()));
    }
    Some(url.to_string())
}
