//! Providers that keep records of sales and no subscriptions (Salesforce): a record is a *row*.
//!
//! All rows of one account are folded together, as a book; here a book is split: the rows of one
//! product of the catalog belong together, whichever objects they are of, because a renewal is a
//! new record, an amendment another row, and neither may make a second license. What a group of
//! rows comes to on a given day is worked out in [`super::terms`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::dates::rfc3339;
use super::fact::{CustomerFacts, Entity, EntityKind, FactKey, Item, ProductRef, Snapshot, Status};
use super::license::LicenseRecord;
use super::rules::{Mapping, Rules};
use super::state::{Provenance, Said, State, written};
use super::terms::Terms;

mod sighting;

pub use sighting::UNORDERED as ROW_UNORDERED;

/// The one item of a group.
const ITEM: &str = "main";
/// How many rows a renewal, amendment or line may be away from the one that it began with; more
/// is a circle.
const REVISIONS_MAX: usize = 1_000;

/// Whether what a row sells is in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    #[default]
    On,
    /// Never yet: a draft, a deal that is not won.
    Pending,
    /// Not any more.
    Off,
    /// The record is gone; what it said last still says what it was about.
    Deleted,
}

/// A record of a sale as the provider has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub row_id: String,
    /// What kind of record it is. The same sale can be told by records of several kinds.
    pub kind: String,
    pub force: Force,
    /// The provider's word, verbatim.
    pub provider_status: String,
    /// `false`: a test. Entitles nothing in a live source.
    pub livemode: bool,
    pub account: Option<String>,
    pub contact: Option<String>,
    /// The record that it is a line of.
    pub parent: Option<String>,
    /// Its parent's status is its own; it has none.
    #[serde(default)]
    pub needs_parent: bool,
    /// It stands for its lines, and sells something itself only where it names a product.
    #[serde(default)]
    pub is_header: bool,
    pub product: ProductRef,
    /// `None`: not counted. Below zero: takes away.
    pub quantity: Option<i64>,
    pub start: Option<DateTime<Utc>>,
    /// The first instant after its term. `None`: it names none.
    pub end: Option<DateTime<Utc>>,
    /// Ended before its time: the first instant after.
    pub cut: Option<DateTime<Utc>>,
    /// Runs on until it is ended.
    #[serde(default)]
    pub evergreen: bool,
    /// The row that it amends.
    pub revises: Option<String>,
    /// An amendment says the whole quantity, not the difference.
    #[serde(default)]
    pub replaces: bool,
    /// Fields that decide and were not sent, as `Object.field`: nobody knows what they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Row {
    fn sells(&self) -> bool {
        !self.is_header || !self.product.keys.is_empty()
    }

    /// What a row says over what was known of it: a deletion names little but the id.
    fn over(&self, held: &RowState) -> Self {
        match self.force {
            Force::Deleted => Self { force: Force::Deleted, missing: Vec::new(), ..held.row.clone() },
            // It was in force, and is taken back: a deal that was opened again.
            Force::Pending if held.began => Self { force: Force::Off, ..self.clone() },
            _ => self.clone(),
        }
    }
}

/// A row as it was last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowState {
    pub row: Row,
    #[serde(serialize_with = "written::key")]
    pub key: FactKey,
    /// The event that said it first, and the last that said the same.
    pub event: i64,
    pub confirmed_by: i64,
    /// It was in force at some time.
    #[serde(default)]
    pub began: bool,
    /// Which of its last instant's words is the last one is a guess.
    #[serde(default)]
    pub uncertain: bool,
}

impl State {
    /// The rows that sell, each by itself.
    pub(super) fn selling(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().map(|held| &held.row).filter(|row| row.sells())
    }

    /// The ids under which licenses of this subscription were made. The row that a group of rows
    /// is called by can change, when an older one is heard of late; the license stays.
    #[must_use]
    pub fn license_ids(&self) -> Vec<String> {
        let rows = self.selling().map(|row| row.row_id.clone());
        rows.chain([self.subscription_id.clone()]).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether it is, or holds, what is called so.
    #[must_use]
    pub fn is_called(&self, id: &str) -> bool {
        self.subscription_id == id || self.selling().any(|row| row.row_id == id)
    }

    /// Licenses that were made under another row's id, as lines of this subscription; the one
    /// that is to be kept, where there are two, comes last.
    #[must_use]
    pub fn adopt(&self, mut held: Vec<LicenseRecord>) -> Vec<LicenseRecord> {
        if self.rows.is_empty() {
            return held;
        }
        let rank = |h: &LicenseRecord| {
            let enabled = h.observed.as_ref().map(|o| o.enabled);
            (h.order_generation, enabled, h.line.subscription_id == self.subscription_id, h.order_id.clone())
        };
        held.sort_by_cached_key(rank);
        for record in &mut held {
            record.line.subscription_id.clone_from(&self.subscription_id);
        }
        held
    }

    /// The fields that decide and were not sent.
    #[must_use]
    pub fn missing(&self) -> BTreeSet<&str> {
        // A list that was cut off, or a contract whose order has not come yet.
        let items = (self.snapshot.is_some() && !self.has_all_items()).then_some("items");
        self.selling().flat_map(|row| &row.missing).map(String::as_str).chain(items).collect()
    }
}

/// Splits a book into one state a product.
#[must_use]
pub fn split(book: &State, source: &str, rules: &Rules) -> Vec<State> {
    let resolved: BTreeMap<&String, RowState> = book
        .rows
        .iter()
        .filter(|(_, held)| owner(book, &held.row) == book.subscription_id)
        .map(|(key, held)| (key, RowState { row: resolved(book, &held.row), ..held.clone() }))
        .collect();
    let mut groups: BTreeMap<Name, BTreeMap<String, RowState>> = BTreeMap::new();
    for (key, held) in resolved.iter().filter(|(_, held)| held.row.sells()) {
        let group = groups.entry(Name::of(source, rules, &held.row)).or_default();
        group.insert((*key).clone(), held.clone());
        let header = held.row.parent.as_ref().map(|id| Entity::new(EntityKind::Row, id.as_str()).key());
        if let Some((key, header)) = header.and_then(|key| resolved.get_key_value(&key)).filter(|(_, h)| !h.row.sells())
        {
            group.insert((*key).clone(), header.clone());
        }
    }
    groups.into_values().map(revised).map(|rows| state(book, rows, source, rules)).collect()
}

/// What makes two rows the same thing.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    /// The catalog's product code.
    Mapped(String),
    Unmapped(ProductRef),
    /// It names no product.
    Nameless(String),
}

impl Name {
    fn of(source: &str, rules: &Rules, row: &Row) -> Self {
        match rules.map(source, &row.product) {
            Some(mapping) => Self::Mapped(mapping.product_code),
            None if row.product.keys.is_empty() => Self::Nameless(row.row_id.clone()),
            None => Self::Unmapped(row.product.clone()),
        }
    }
}

fn parent<'a>(book: &'a State, row: &Row) -> Option<&'a Row> {
    let parent = Entity::new(EntityKind::Row, row.parent.as_deref()?);
    book.rows.get(&parent.key()).map(|held| &held.row)
}

/// Whose it is: its account's, its parent's account's, its contact's; else its own.
fn owner<'a>(book: &'a State, row: &'a Row) -> &'a str {
    let parent = parent(book, row);
    let known = [row.account.as_deref(), parent.and_then(|p| p.account.as_deref()), row.contact.as_deref()];
    let of_parent = || parent.and_then(|p| p.contact.as_deref().or(Some(&p.row_id)));
    known.into_iter().flatten().next().or_else(of_parent).unwrap_or(&row.row_id)
}

/// A line with what its header says for it: whose, whether in force, and until when.
fn resolved(book: &State, row: &Row) -> Row {
    let mut row = row.clone();
    let Some(header) = parent(book, &row) else {
        if row.needs_parent && row.force == Force::On {
            row.missing.push(format!("{}.parent", row.kind));
        }
        return row;
    };
    row.account = row.account.or_else(|| header.account.clone());
    row.contact = row.contact.or_else(|| header.contact.clone());
    row.start = row.start.or(header.start);
    row.end = if row.evergreen { row.end } else { [row.end, header.end].into_iter().flatten().min() };
    row.livemode &= header.livemode;
    let is_known = header.missing.is_empty();
    row.force = match (row.force, header.force) {
        (Force::On, Force::Deleted) => Force::Off,
        (Force::On, force) if is_known => force,
        (own, _) => own,
    };
    if row.needs_parent {
        row.missing.extend(header.missing.iter().filter(|_| row.force == Force::On).cloned());
        row.provider_status.clone_from(&header.provider_status);
    }
    row
}

/// Where an amendment says the whole quantity, the row before it is cut where it begins.
fn revised(mut rows: BTreeMap<String, RowState>) -> BTreeMap<String, RowState> {
    if !rows.values().any(|held| held.row.replaces) {
        return rows;
    }
    let by_id: BTreeMap<String, Row> = rows.values().map(|h| (h.row.row_id.clone(), h.row.clone())).collect();
    let mut families: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in by_id.values().filter(|row| row.replaces && row.force == Force::On) {
        families.entry(first_of(&by_id, row)).or_default().push(row);
    }
    let mut cuts: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
    for family in families.values_mut() {
        family.sort_by_key(|row| (row.start, &row.row_id));
        for pair in family.windows(2) {
            cuts.extend(pair[1].start.map(|start| (pair[0].row_id.clone(), start)));
        }
    }
    for held in rows.values_mut() {
        if let Some(cut) = cuts.get(&held.row.row_id) {
            held.row.cut = Some(held.row.cut.map_or(*cut, |own| own.min(*cut)));
        }
    }
    rows
}

/// The row that a chain of amendments began with.
fn first_of(by_id: &BTreeMap<String, Row>, row: &Row) -> String {
    let mut first = row.row_id.clone();
    for _ in 0..REVISIONS_MAX {
        let Some(revises) = by_id.get(&first).and_then(|row| row.revises.clone()) else { break };
        first = revises;
    }
    first
}

fn state(book: &State, rows: BTreeMap<String, RowState>, source: &str, rules: &Rules) -> State {
    let mut state = State { rows, customers: book.customers.clone(), ..State::default() };
    let selling = || state.rows.values().filter(|held| held.row.sells());
    // What the rest followed: the first that began, or where it is not said the first in order of ids.
    let root = selling().min_by_key(|held| (held.row.start.unwrap_or(DateTime::<Utc>::MAX_UTC), &held.row.row_id));
    let newest = selling()
        .max_by_key(|held| (held.row.force == Force::On, held.row.start, &held.row.row_id))
        .map(|held| held.row.clone());
    let (Some(root), Some(newest)) = (root.cloned(), newest) else { return state };
    let last = state.rows.values().map(|held| &held.key).max().cloned();
    let mapping = rules.map(source, &newest.product);
    state.subscription_id.clone_from(&root.row.row_id);
    state.uncertain = !state.missing().is_empty() || state.rows.values().any(|held| held.uncertain);
    let snapshot = snapshot(&state, &newest, mapping.as_ref());
    state.snapshot = last.clone().map(|key| Said { value: snapshot, key });
    state.last = last;
    take_email_of_contact(&mut state, &newest);
    note_provenance(&mut state, &root);
    state
}

fn snapshot(state: &State, newest: &Row, mapping: Option<&Mapping>) -> Snapshot {
    let terms = Terms::of(state, mapping);
    let has = |force: Force| state.selling().any(|row| row.force == force);
    let is_over = !has(Force::On) && !has(Force::Pending);
    let is_unknown = !state.missing().is_empty();
    let status = match () {
        () if is_unknown => Status::Unknown,
        () if terms.counts() => Status::Active,
        () if has(Force::Pending) => Status::Incomplete,
        () => Status::Canceled,
    };
    let ended =
        || state.rows.values().filter(|h| h.row.sells()).map(|h| h.row.end.map_or(h.key.at, |e| e.min(h.key.at)));
    let item = Item {
        item_id: ITEM.to_owned(),
        product: newest.product.clone(),
        quantity: terms.last_quantity(),
        period_start: state.selling().filter_map(|row| row.start).min(),
        period_end: terms.end(),
        metered: false,
        one_off: false,
    };
    Snapshot {
        status: if is_over && !is_unknown { Status::Canceled } else { status },
        provider_status: newest.provider_status.clone(),
        livemode: state.selling().any(|row| row.livemode),
        customer_id: newest.account.clone().or_else(|| newest.contact.clone()),
        cancel_at: terms.cancel_at(),
        ended_at: (status == Status::Canceled).then(|| ended().max()).flatten(),
        items: vec![item],
        items_complete: true,
        paid_through: terms.end(),
        ..Snapshot::default()
    }
}

/// The account is the customer; its contact has the e-mail address.
fn take_email_of_contact(state: &mut State, newest: &Row) {
    let (Some(customer), Some(contact)) = (state.customer_id().map(Entity::customer), &newest.contact) else { return };
    let Some(said) = state.customers.get(&Entity::customer(contact.as_str()).key()).cloned() else { return };
    let own = state.customers.get(&customer.key()).map(|said| said.value.clone()).unwrap_or_default();
    let value = CustomerFacts {
        email: own.email.or(said.value.email),
        first_name: own.first_name.or(said.value.first_name),
        last_name: own.last_name.or(said.value.last_name),
        company: own.company.or(said.value.company),
        deleted: own.deleted,
    };
    state.customers.insert(customer.key(), Said { value, key: said.key });
}

/// Each field is owed to the row that decides it.
fn note_provenance(state: &mut State, root: &RowState) {
    let selling = || state.rows.values().filter(|held| held.row.sells());
    let last = selling().max_by_key(|held| &held.key).unwrap_or(root);
    let until = selling().max_by_key(|held| (held.row.force == Force::On, held.row.end, &held.key)).unwrap_or(root);
    let mut noted = BTreeMap::new();
    for (name, value) in state.fields() {
        let own = state.rows.values().find(|held| name == format!("rows.{}", held.row.row_id));
        let cause = match name.rsplit('.').next() {
            _ if own.is_some() => own.unwrap_or(root),
            Some("paid_through") => until,
            Some("customer_id") => root,
            _ => last,
        };
        noted.insert(name, Provenance { value, event: cause.event, confirmed_by: cause.confirmed_by });
    }
    state.provenance = noted;
}

/// The fields of rows that provenance and `diff` speak of: one a row.
pub(super) fn fields(state: &State) -> impl Iterator<Item = (String, serde_json::Value)> {
    state.rows.values().map(|held| {
        let Row { row_id, kind, force, quantity, start, end, cut, .. } = &held.row;
        let [start, end, cut] = [start, end, cut].map(|at| at.map(rfc3339));
        let said = json!({"kind": kind, "force": force, "quantity": quantity, "start": start, "end": end, "cut": cut});
        (format!("rows.{row_id}"), said)
    })
}
