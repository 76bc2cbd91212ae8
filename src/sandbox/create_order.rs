//! `POST /orders/create_order/`: first everything is checked and drafted, then everything is
//! kept, so that an error in the last item leaves no trace of the first.

use serde_json::{Value, json};

use super::answer::{Answer, Reply};
use super::call::Call;
use super::clock::stamp;
use super::customers;
use super::fields::{read_instant, read_metadata, read_text};
use super::license_draft::{self, ItemDraft, LicenseDraft};
use super::license_users::{self, Passwords};
use super::record::{Record, object, set};
use super::store::{Index, Table};
use super::view::View;

/// The longest order id taken. LicenseSpring's limit is not documented.
const ORDER_ID_CHARS_MAX: usize = 255;

const ORDER_FIELDS: &[&str] = &[
    "id",
    "append",
    "is_test",
    "is_trial",
    "is_bundle",
    "created",
    "order_type",
    "reference",
    "language",
    "campaign_params",
    "download_id",
    "prevent_vm",
    "metadata",
    "include_metadata_string",
    "customer_account_id",
    "add_to_customer_account",
    "customer",
    "items",
];

/// An order that has passed every check.
struct Draft {
    /// The order to append to; none: a new one.
    existing: Option<u64>,
    order: Record,
    customer: Option<Customer>,
    items: Vec<ItemDraft>,
}

/// What has been kept of a draft.
#[derive(Default)]
struct Kept {
    order: u64,
    licenses: Vec<u64>,
    /// Of users who are new with this order: told in its answer, and never again.
    passwords: Passwords,
}

enum Customer {
    Known(u64),
    New(Record),
}

pub(super) fn create_order(call: &mut Call<'_>) -> Reply {
    let body = call.object()?;
    call.warn_unknown("order", &body, |key| ORDER_FIELDS.contains(&key));
    let draft = draft(call, &body)?;
    let kept = keep(call, draft);
    Ok(answer(call, &kept))
}

fn draft(call: &mut Call<'_>, body: &Record) -> Result<Draft, Answer> {
    let order_id = order_id(body)?;
    let append = flag_of(body, "append")?;
    let same = order_id.as_ref().and_then(|id| call.world.store.first(Index::OrderByStoreId, id));
    if let (Some(id), Some(_), false) = (&order_id, same, append) {
        refuse_duplicate(call, id)?;
    }
    let order = order_record(call, body, order_id)?;
    license_draft::refuse_account(body)?;
    let items = license_draft::items(call, &with_prevent_vm(body)?)?;
    let customer = if same.is_some() && append { None } else { customer(call, body)? };
    Ok(Draft { existing: same.filter(|_| append), order, customer, items })
}

fn order_id(body: &Record) -> Result<Option<String>, Answer> {
    let Some(value) = body.get("id").filter(|v| !v.is_null()) else {
        return Ok(None);
    };
    let id = read_text(value).map_err(|why| Answer::field("id", why))?;
    match id.chars().count() {
        0 => Err(Answer::field("id", "This field may not be blank.")),
        1..=ORDER_ID_CHARS_MAX => Ok(Some(id)),
        _ => Err(Answer::field("id", format!("Ensure this field has no more than {ORDER_ID_CHARS_MAX} characters."))),
    }
}

/// Switch S1: how LicenseSpring says that the order id is taken, if it says so at all.
fn refuse_duplicate(call: &Call<'_>, id: &str) -> Result<(), Answer> {
    let message = format!("Order with id {id} already exists.");
    Err(match call.world.switches.get("S1") {
        "400_id" => Answer::field("id", message),
        "400_detail" => Answer::detail(400, message),
        "400_errors" => Answer::json(400, json!({ "errors": [{ "message": message, "value": id }] })),
        "400_code" => Answer::code(400, "order_id_exists", message),
        "201_second_order" => return Ok(()),
        _ => Answer::code(409, "order_id_exists", message),
    })
}

fn order_record(call: &mut Call<'_>, body: &Record, store_id: Option<String>) -> Result<Record, Answer> {
    let texts = |key: &str| match body.get(key).filter(|v| !v.is_null()) {
        None => Ok(String::new()),
        Some(value) => read_text(value).map_err(|why| Answer::field(key, why)),
    };
    let metadata = body.get("metadata").map_or(Ok(json!({})), read_metadata);
    let order_type = texts("order_type")?;
    let mut order = object(json!({
        "type": if order_type.is_empty() { "normal" } else { &order_type },
        "is_test": flag_of(body, "is_test")?, "is_trial": flag_of(body, "is_trial")?,
        "reference": texts("reference")?, "language": texts("language")?,
        "campaign_params": texts("campaign_params")?, "download_id": texts("download_id")?,
        "metadata": metadata.map_err(|why| Answer::field("metadata", why))?, "order_items": [],
    }));
    if let Some(created) = body.get("created").filter(|v| !v.is_null()) {
        let refused = || Answer::field("created", "Use this format: YYYY-MM-DD HH:MM:SS.");
        let at = created.as_str().and_then(read_instant).ok_or_else(refused)?;
        set(&mut order, "created_at", stamp(at));
    }
    let store_id = match store_id {
        Some(id) => id,
        // Where the caller gives none, LicenseSpring makes one.
        None => format!("order_{}", call.world.store.next_id()),
    };
    set(&mut order, "store_id", store_id);
    Ok(order)
}

/// The order's `prevent_vm` is meant for each of its licenses that does not say otherwise.
fn with_prevent_vm(body: &Record) -> Result<Record, Answer> {
    let mut body = body.clone();
    let Some(prevents) = body.get("prevent_vm").filter(|v| !v.is_null()).cloned() else {
        return Ok(body);
    };
    let prevents = super::fields::Kind::Bool.read(&prevents).map_err(|why| Answer::field("prevent_vm", why))?;
    for item in body.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        for license in item.get_mut("licenses").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(license) = license.as_object_mut() {
                license.entry("prevent_vm").or_insert_with(|| prevents.clone());
            }
        }
    }
    Ok(body)
}

fn customer(call: &mut Call<'_>, body: &Record) -> Result<Option<Customer>, Answer> {
    let told = match body.get("customer") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(map)) if map.is_empty() => return Ok(None),
        Some(Value::Object(map)) => customers::read(call, map)?,
        Some(_) => {
            return Err(Answer::field("customer", "Invalid data. Expected a dictionary."));
        }
    };
    if let Some(known) = customers::matching(call.world, &told) {
        return Ok(Some(Customer::Known(known)));
    }
    if call.switched("S23", "none_when_unknown") {
        return Ok(None);
    }
    let mut new = customers::blank();
    new.extend(told);
    Ok(Some(Customer::New(new)))
}

/// Keeps the draft. Nothing here can fail.
fn keep(call: &mut Call<'_>, draft: Draft) -> Kept {
    let world = &mut *call.world;
    let now = world.now();
    let mut order = draft.order;
    let customer = draft.customer.map(|customer| match customer {
        Customer::Known(id) => id,
        Customer::New(record) => world.store.insert(Table::Customers, record, now),
    });
    set(&mut order, "customer", customer);
    let order_id = draft.existing.unwrap_or_else(|| {
        let id = world.store.insert(Table::Orders, order, now);
        world.created(id);
        id
    });
    let mut kept = Kept { order: order_id, ..Kept::default() };
    let mut items = Vec::new();
    for item in draft.items {
        let item_id = world.store.next_id();
        items.push(json!({ "id": item_id, "product": item.product }));
        for LicenseDraft { mut license, users } in item.licenses {
            set(&mut license, "order", order_id);
            set(&mut license, "order_item", item_id);
            let id = world.store.insert(Table::Licenses, license, now);
            world.created(id);
            kept.passwords.extend(license_users::seat(world, id, &users));
            kept.licenses.push(id);
        }
    }
    world.store.edit(Table::Orders, order_id, now, |order| {
        if let Some(Value::Array(list)) = order.get_mut("order_items") {
            list.extend(items);
        }
    });
    kept
}

/// The answer, in the ways of switches S2 and S3.
fn answer(call: &Call<'_>, kept: &Kept) -> Answer {
    let status = if call.switched("S2", "200") { 200 } else { 201 };
    let body = call.world.switches.get("S3");
    if body == "empty" {
        return Answer::empty(status);
    }
    let store = &call.world.store;
    let view = View { store, switches: &call.world.switches, now: call.world.now() };
    let mut shown = view.show_id(Table::Orders, kept.order);
    if body != "no_items" {
        shown["order_items"] = Value::Array(items(&view, kept, body == "ids_only"));
    }
    if call.json().is_ok_and(|sent| sent["include_metadata_string"] == json!(true)) {
        shown["metadata_string"] = shown["metadata"].to_string().into();
    }
    Answer::json(status, shown)
}

/// The items of this call, each with its licenses; on append, those of earlier calls are left out.
fn items(view: &View<'_>, kept: &Kept, ids_only: bool) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    let Some(order) = view.store.get(Table::Orders, kept.order) else {
        return items;
    };
    for item in super::record::rows(order, "order_items") {
        let id = item.get("id");
        let own = kept.licenses.iter().filter_map(|l| view.store.get(Table::Licenses, *l));
        let own = own.filter(|l| l.get("order_item") == id);
        let own: Vec<Value> = own.map(|l| view.new_license(l, &kept.passwords, ids_only)).collect();
        if !own.is_empty() {
            items.push(json!({ "id": id, "product": item.get("product"), "licenses": own }));
        }
    }
    items
}

fn flag_of(body: &Record, key: &str) -> Result<bool, Answer> {
    let read = |value| super::fields::Kind::Bool.read(value).map_err(|why| Answer::field(key, why));
    body.get(key).map_or(Ok(json!(false)), read).map(|value| value == json!(true))
}
