//! Which filters each list knows, and how they compare. As at LicenseSpring, a filter that is not
//! known is ignored and the list shows everything; the request log says so.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::Value;

use super::record::{Record, flag, id, rows, text};
use super::store::{Index, Store, Table};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    Exact,
    /// `true` and `false` in any case.
    Flag,
    /// `__in`: a comma list.
    In,
    StartsWith,
    Contains,
    IExact,
    IsNull,
    /// `__gt`, `__gte`, `__lt`, `__lte` over instants and dates.
    Range,
}

/// A filter's name, the comparisons it takes, and the values it looks at.
pub(super) struct Filter {
    pub name: &'static str,
    pub lookups: &'static [Lookup],
    pub read: fn(&Store, &Record) -> Vec<String>,
}

use Lookup::{Contains, Exact, Flag, IExact, In, IsNull, Range, StartsWith};

const TEXT: &[Lookup] = &[Exact, StartsWith, Contains];
const CONTAINS: &[Lookup] = &[Contains];
const EXACT: &[Lookup] = &[Exact];
const FLAG: &[Lookup] = &[Flag];
const RANGE: &[Lookup] = &[Range];
const ID: &[Lookup] = &[Exact, In];
const EMAIL: &[Lookup] = &[Exact, IExact, StartsWith, Contains];
const KEY: &[Lookup] = &[Exact, StartsWith, Contains, IsNull];

const fn filter(name: &'static str, lookups: &'static [Lookup], read: fn(&Store, &Record) -> Vec<String>) -> Filter {
    Filter { name, lookups, read }
}

#[rustfmt::skip]
const LICENSES: &[Filter] = &[
    filter("id", ID, |_, l| own(l, "id")),
    filter("license_key", KEY, |_, l| own(l, "license_key")),
    filter("active", FLAG, |_, l| own(l, "active")),
    filter("enabled", FLAG, |_, l| own(l, "enabled")),
    filter("is_trial", FLAG, |_, l| own(l, "is_trial")),
    filter("license_type", EXACT, |_, l| own(l, "license_type")),
    filter("subscription_id", EXACT, |_, l| own(l, "subscription_id")),
    filter("note", CONTAINS, |_, l| own(l, "note")),
    filter("order", ID, |_, l| own(l, "order")),
    filter("order__store_id", TEXT, |s, l| of(s, Table::Orders, l, "order", "store_id")),
    filter("product", EXACT, product),
    filter("product_id", EXACT, |_, l| own(l, "product")),
    filter("product_short_code", EXACT, |s, l| of(s, Table::Products, l, "product", "short_code")),
    filter("product_name", CONTAINS, |s, l| of(s, Table::Products, l, "product", "product_name")),
    filter("license_template", EXACT, policy),
    filter("license_template_code", EXACT, |s, l| of(s, Table::Policies, l, "license_template", "code")),
    filter("customer_id", EXACT, |s, l| license_customer(s, l, "id")),
    filter("customer_email", &[Exact, Contains], |s, l| license_customer(s, l, "email")),
    filter("customer_company_name", CONTAINS, |s, l| license_customer(s, l, "company_name")),
    filter("customer__reference", CONTAINS, |s, l| license_customer(s, l, "reference")),
    filter("devices__hardware_id", EXACT, |s, l| license_devices(s, l, "hardware_id")),
    filter("devices__hostname", EXACT, |s, l| license_devices(s, l, "hostname")),
    filter("devices__os", EXACT, |s, l| license_devices(s, l, "os")),
    filter("customer_name", CONTAINS, customer_name_of_license),
    filter("product__authorization_method", EXACT, |s, l| of(s, Table::Products, l, "product", "authorization_method")),
    filter("product_features__id", EXACT, |_, l| of_rows(l, "product_features", "/product_feature/id")),
    filter("license_users__id", ID, |_, l| of_rows(l, "license_users", "/id")),
    filter("license_users__true_email", EMAIL, |s, l| user_emails(s, l, false)),
    filter("manager__true_email", EMAIL, |s, l| user_emails(s, l, true)),
    filter("is_any_floating", FLAG, |_, l| vec![(flag(l, "is_floating") || flag(l, "is_floating_cloud")).to_string()]),
    filter("updated_at", RANGE, |_, l| own(l, "updated_at")),
    filter("created_at", RANGE, |_, l| own(l, "created_at")),
    filter("validity_period", RANGE, |_, l| own(l, "validity_period")),
    filter("time_activated", RANGE, |_, l| own(l, "time_activated")),
];

#[rustfmt::skip]
const ORDERS: &[Filter] = &[
    filter("id", ID, |_, o| own(o, "id")),
    filter("store_id", TEXT, |_, o| own(o, "store_id")),
    filter("is_test", FLAG, |_, o| own(o, "is_test")),
    filter("customer", EXACT, |_, o| own(o, "customer")),
    filter("customer_id", EXACT, |_, o| own(o, "customer")),
    filter("customer_email", EXACT, |s, o| of(s, Table::Customers, o, "customer", "email")),
    filter("customer__email", TEXT, |s, o| of(s, Table::Customers, o, "customer", "email")),
    filter("customer_company_name", &[Exact, Contains], |s, o| of(s, Table::Customers, o, "customer", "company_name")),
    filter("customer_name", CONTAINS, customer_name),
    filter("customer_reference", CONTAINS, |s, o| of(s, Table::Customers, o, "customer", "reference")),
];

#[rustfmt::skip]
const DEVICES: &[Filter] = &[
    filter("license", EXACT, |_, d| own(d, "license")),
    filter("hardware_id", EXACT, |_, d| own(d, "hardware_id")),
    filter("hostname", EXACT, |_, d| own(d, "hostname")),
    filter("blacklisted", FLAG, |_, d| own(d, "blacklisted")),
    filter("device_active", FLAG, |_, d| own(d, "device_active")),
];

#[rustfmt::skip]
const CUSTOMERS: &[Filter] = &[
    filter("email", TEXT, |_, c| own(c, "email")),
    filter("reference", &[Exact, IExact, StartsWith, Contains], |_, c| own(c, "reference")),
    filter("company_name", CONTAINS, |_, c| own(c, "company_name")),
    filter("first_name", CONTAINS, |_, c| own(c, "first_name")),
    filter("last_name", CONTAINS, |_, c| own(c, "last_name")),
    filter("phone", CONTAINS, |_, c| own(c, "phone")),
];

#[rustfmt::skip]
const PRODUCTS: &[Filter] = &[
    filter("short_code", EXACT, |_, p| own(p, "short_code")),
    filter("is_archived", FLAG, |_, p| own(p, "is_archived")),
    filter("active", FLAG, |_, p| own(p, "active")),
];

#[rustfmt::skip]
const POLICIES: &[Filter] = &[
    filter("code", EXACT, |_, p| own(p, "code")),
    filter("product", EXACT, product),
    filter("is_archived", FLAG, |_, p| own(p, "is_archived")),
    filter("is_default", FLAG, |_, p| own(p, "is_default")),
];

#[rustfmt::skip]
const LICENSE_USERS: &[Filter] = &[
    filter("id", ID, |_, u| own(u, "id")),
    filter("email", EMAIL, |_, u| own(u, "email")),
    filter("true_email", EMAIL, |_, u| own(u, "true_email")),
    filter("is_active", FLAG, |_, u| own(u, "is_active")),
    filter("license", EXACT, user_licenses),
];

pub(super) fn filters(table: Table) -> &'static [Filter] {
    match table {
        Table::Licenses => LICENSES,
        Table::Orders => ORDERS,
        Table::Devices => DEVICES,
        Table::Customers => CUSTOMERS,
        Table::Products => PRODUCTS,
        Table::Policies => POLICIES,
        Table::LicenseUsers => LICENSE_USERS,
    }
}

/// The index that answers an exact filter without a walk over everything.
pub(super) fn index(store: &Store, table: Table, name: &str, value: &str) -> Option<Vec<u64>> {
    match (table, name) {
        (Table::Orders, "store_id") => Some(store.ids(Index::OrderByStoreId, value)),
        (Table::Licenses, "license_key") => Some(store.ids(Index::LicenseByKey, value)),
        (Table::Licenses, "order") => Some(store.ids(Index::LicenseByOrder, value)),
        (Table::Licenses, "order__store_id") => {
            let orders = store.ids(Index::OrderByStoreId, value);
            Some(orders.iter().flat_map(|order| store.ids(Index::LicenseByOrder, &order.to_string())).collect())
        }
        (Table::Devices, "license") => Some(store.ids(Index::DeviceByLicense, value)),
        (Table::LicenseUsers, "true_email") => Some(store.ids(Index::UserByEmail, value)),
        (Table::Customers, "email") => Some(store.ids(Index::CustomerByEmail, value)),
        _ => None,
    }
}

/// The filter that a query parameter names, and how it compares: `store_id__icontains`.
pub(super) fn named(table: Table, parameter: &str) -> Option<(&'static Filter, Lookup, &str)> {
    filters(table).iter().find_map(|filter| {
        let suffix = parameter.strip_prefix(filter.name)?;
        let lookup = match suffix {
            "" if filter.lookups.contains(&Flag) => Flag,
            "" | "__exact" => Exact,
            "__in" => In,
            "__startswith" => StartsWith,
            "__icontains" => Contains,
            "__iexact" => IExact,
            "__isnull" => IsNull,
            "__gt" | "__gte" | "__lt" | "__lte" => Range,
            _ => return None,
        };
        filter.lookups.contains(&lookup).then_some((filter, lookup, suffix))
    })
}

pub(super) fn passes(lookup: Lookup, suffix: &str, found: &[String], wanted: &str) -> bool {
    let any = |test: &dyn Fn(&str) -> bool| found.iter().any(|value| test(value));
    let lower = wanted.to_lowercase();
    match lookup {
        Exact => any(&|v| v == wanted),
        Flag => any(&|v| v == lower || (v == "true") == (lower == "1") && matches!(lower.as_str(), "0" | "1")),
        In => any(&|v| wanted.split(',').any(|w| w.trim() == v)),
        StartsWith => any(&|v| v.starts_with(wanted)),
        Contains => any(&|v| v.to_lowercase().contains(&lower)),
        IExact => any(&|v| v.to_lowercase() == lower),
        IsNull => found.is_empty() == matches!(lower.as_str(), "true" | "1"),
        Range => any(&|v| within(suffix, v, wanted)),
    }
}

fn within(suffix: &str, found: &str, wanted: &str) -> bool {
    let (Some(found), Some(wanted)) = (instant(found), instant(wanted)) else {
        return false;
    };
    match suffix {
        "__gt" => found > wanted,
        "__gte" => found >= wanted,
        "__lt" => found < wanted,
        _ => found <= wanted,
    }
}

/// An instant, or a date as its first moment.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .map(|at| at.with_timezone(&Utc))
        .or_else(|_| text.parse::<NaiveDate>().map(|date| date.and_time(NaiveTime::MIN).and_utc()))
        .ok()
}

fn own(record: &Record, key: &str) -> Vec<String> {
    match record.get(key) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(other) => vec![other.to_string()],
    }
}

/// A field of the record that this one refers to by `key`.
fn of(store: &Store, table: Table, record: &Record, key: &str, field: &str) -> Vec<String> {
    store.referred(table, record, key).map_or_else(Vec::new, |found| own(found, field))
}

/// Products are asked for by id or by code.
fn product(store: &Store, record: &Record) -> Vec<String> {
    let mut found = own(record, "product");
    found.extend(of(store, Table::Products, record, "product", "short_code"));
    found
}

/// Policies too.
fn policy(store: &Store, record: &Record) -> Vec<String> {
    let mut found = own(record, "license_template");
    found.extend(of(store, Table::Policies, record, "license_template", "code"));
    found
}

fn license_customer(store: &Store, license: &Record, field: &str) -> Vec<String> {
    store
        .referred(Table::Orders, license, "order")
        .map_or_else(Vec::new, |order| of(store, Table::Customers, order, "customer", field))
}

/// First and last name in one, as a person searches.
fn customer_name(store: &Store, order: &Record) -> Vec<String> {
    let customer = store.referred(Table::Customers, order, "customer");
    customer.map(|c| format!("{} {}", text(c, "first_name"), text(c, "last_name"))).into_iter().collect()
}

fn customer_name_of_license(store: &Store, license: &Record) -> Vec<String> {
    store.referred(Table::Orders, license, "order").map_or_else(Vec::new, |order| customer_name(store, order))
}

/// A value inside each row of a list field, by JSON pointer.
fn of_rows(license: &Record, list: &str, pointer: &str) -> Vec<String> {
    let rows = license.get(list).and_then(Value::as_array).into_iter().flatten();
    rows.filter_map(|row| row.pointer(pointer)).map(ToString::to_string).collect()
}

fn user_emails(store: &Store, license: &Record, only_managers: bool) -> Vec<String> {
    let seats = rows(license, "license_users").filter(|seat| !only_managers || flag(seat, "is_manager"));
    let users = seats.filter_map(|seat| store.referred(Table::LicenseUsers, seat, "id"));
    users.map(|user| text(user, "true_email").to_owned()).collect()
}

fn user_licenses(store: &Store, user: &Record) -> Vec<String> {
    let id = id(user, "id").unwrap_or_default().to_string();
    store.ids(Index::LicenseByUser, &id).iter().map(ToString::to_string).collect()
}

fn license_devices(store: &Store, license: &Record, field: &str) -> Vec<String> {
    let id = id(license, "id").unwrap_or_default().to_string();
    let devices = store.ids(Index::DeviceByLicense, &id);
    let values = devices.iter().filter_map(|device| store.get(Table::Devices, *device));
    values.map(|device| text(device, field).to_owned()).collect()
}
