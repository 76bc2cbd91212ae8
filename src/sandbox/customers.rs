//! Customers. Their e-mail is not unique at LicenseSpring, and neither is their reference.

use serde_json::{Value, json};

use super::answer::{Answer, Reply};
use super::call::Call;
use super::fields::{read_metadata, read_text};
use super::management::show;
use super::record::{Record, object, set, text};
use super::store::{Index, Table};
use super::world::World;

/// Text fields of a customer; `company` is the older name of `company_name`.
const TEXTS: &[&str] = &[
    "email",
    "first_name",
    "last_name",
    "company_name",
    "phone",
    "reference",
    "address",
    "postcode",
    "city",
    "country",
    "state",
];
/// Fields that are taken without a word and do nothing here.
const TAKEN: &[&str] = &["company", "metadata", "is_manager", "customer_account"];

pub(super) fn create(call: &mut Call<'_>) -> Reply {
    let body = call.object()?;
    let mut customer = blank();
    customer.extend(read(call, &body)?);
    if text(&customer, "email").is_empty() {
        return Err(Answer::field("email", "This field is required."));
    }
    let now = call.world.now();
    let id = call.world.store.insert(Table::Customers, customer, now);
    Ok(show(call, Table::Customers, id)) // 200, as documented, and not the usual 201
}

pub(super) fn patch(call: &mut Call<'_>, id: u64) -> Reply {
    let body = call.object()?;
    let changes = read(call, &body)?;
    let now = call.world.now();
    call.world.store.edit(Table::Customers, id, now, |customer| customer.extend(changes));
    Ok(show(call, Table::Customers, id))
}

/// What a body says about a customer, checked.
pub(super) fn read(call: &mut Call<'_>, body: &Record) -> Result<Record, Answer> {
    call.warn_unknown("customer", body, |key| TEXTS.contains(&key) || TAKEN.contains(&key));
    let mut read = Record::new();
    if let Some(company) = body.get("company") {
        set(&mut read, "company_name", read_field("company", company)?);
    }
    for key in TEXTS {
        if let Some(value) = body.get(*key) {
            set(&mut read, key, read_field(key, value)?);
        }
    }
    if let Some(metadata) = body.get("metadata") {
        set(&mut read, "metadata", read_metadata(metadata).map_err(|why| Answer::field("metadata", why))?);
    }
    let email = text(&read, "email");
    if !email.is_empty() && !is_email(email) {
        return Err(Answer::field("email", "Enter a valid email address."));
    }
    Ok(read)
}

fn read_field(key: &str, value: &Value) -> Result<String, Answer> {
    if value.is_null() {
        return Ok(String::new());
    }
    read_text(value).map_err(|why| Answer::field(key, why))
}

pub(super) fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.len() > 2)
        && !text.contains(char::is_whitespace)
}

/// The customer that create_order takes for this description, by switch S23; none: a new one.
pub(super) fn matching(world: &World, wanted: &Record) -> Option<u64> {
    let by = world.switches.get("S23");
    if by == "always_new" || text(wanted, "email").is_empty() {
        return None;
    }
    let reference_fits = |id: &u64| {
        let found = world.store.get(Table::Customers, *id);
        found.is_some_and(|c| text(c, "reference") == text(wanted, "reference"))
    };
    let mut found = world.store.ids(Index::CustomerByEmail, text(wanted, "email"));
    if by != "email_only" {
        found.retain(reference_fits);
        return (found.len() == 1).then(|| found[0]);
    }
    found.first().copied()
}

pub(super) fn blank() -> Record {
    let mut customer = object(json!({ "metadata": {} }));
    for key in TEXTS {
        set(&mut customer, key, "");
    }
    customer
}
