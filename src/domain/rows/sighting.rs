//! Several words on one row inside one instant: stamps are to the second, and changes are not.
//!
//! A callout says when it happened, so callouts have an order. A message does not: it shows the
//! row as it was when the message was sent, so it repeats what one of the callouts says, perhaps
//! with more fields, or what is last.

use std::collections::BTreeMap;

use super::{Force, Row, RowState};
use crate::domain::fact::{FactBody, FactKey};
use crate::domain::state::{Recorded, State};

/// The order inside its instant of a row that says nothing of it.
pub const UNORDERED: i64 = 0;
/// The rank of what opens: of a row, its restoration.
const RESTORES: u8 = 0;

impl State {
    /// All that one instant says of rows, each row by itself.
    pub(in crate::domain) fn apply_rows(&mut self, instant: &[Recorded]) {
        let mut said: BTreeMap<String, Vec<Sighting<'_>>> = BTreeMap::new();
        for recorded in instant {
            if let FactBody::Row(row) = &recorded.fact.body {
                let sighting = Sighting { row, key: &recorded.fact.key, position: recorded.position };
                said.entry(recorded.fact.entity.key()).or_default().push(sighting);
            }
        }
        for (entity, sightings) in said {
            let walk = Walk::of(sightings);
            walk.steps.iter().for_each(|step| self.apply_row(&entity, *step));
            if let Some(held) = self.rows.get_mut(&entity) {
                held.uncertain = walk.uncertain;
            }
        }
    }

    fn apply_row(&mut self, entity: &str, Sighting { row, key, position }: Sighting<'_>) {
        let held = self.rows.get(entity);
        let row = held.map_or_else(|| row.clone(), |held| row.over(held));
        let event = held.filter(|held| held.row == row).map_or(position, |held| held.event);
        let began = held.is_some_and(|held| held.began) || row.force == Force::On;
        let state = RowState { row, key: key.clone(), event, confirmed_by: position, began, uncertain: false };
        self.rows.insert(entity.to_owned(), state);
    }
}

/// One row fact of the instant.
#[derive(Debug, Clone, Copy)]
struct Sighting<'a> {
    row: &'a Row,
    key: &'a FactKey,
    position: i64,
}

/// The sightings of one row in the order in which they are taken to have happened.
#[derive(Debug)]
struct Walk<'a> {
    steps: Vec<Sighting<'a>>,
    /// What is last is a guess: the fullest, or by id alone.
    uncertain: bool,
}

impl<'a> Walk<'a> {
    /// `sightings` are sorted by key.
    fn of(sightings: Vec<Sighting<'a>>) -> Self {
        let (mut shown, mut told): (Vec<_>, Vec<_>) = sightings.into_iter().partition(|s| s.key.within == UNORDERED);
        // What is gone is not changed any more: an update that was told later happened before.
        if !told.iter().any(|s| s.key.rank == RESTORES) {
            told.sort_by_key(|s| s.row.force == Force::Deleted);
        }
        shown.sort_by_key(|s| fullness(s.row));
        let last = told.last().or(shown.last()).copied();
        let fuller = |s: &&Sighting<'_>| last.is_some_and(|l| fullness(s.row) > fullness(l.row) && is_of(l, s, &told));
        let end = shown.iter().rev().find(fuller).copied().or(last);
        let is_explained = |s: &Sighting<'_>| {
            told.iter().chain(&end).any(|other| agree(other.row, s.row))
                || end.is_some_and(|e| e.row.force == Force::Deleted)
        };
        let uncertain = !shown.iter().all(is_explained);
        let is_again = end.is_some_and(|e| last.is_some_and(|l| e.key != l.key));
        let steps = shown.iter().chain(&told).copied().chain(end.filter(|_| is_again)).collect();
        Self { steps, uncertain }
    }
}

/// Whether it is the last change that a message shows: it is of that which it is most like.
fn is_of(last: Sighting<'_>, shown: &Sighting<'_>, told: &[Sighting<'_>]) -> bool {
    let alike = |other: &Sighting<'_>| agree(other.row, shown.row).then(|| shared(other.row, shown.row));
    alike(&last).is_some_and(|own| told.iter().filter_map(alike).all(|other| other <= own))
}

/// In how much two rows that agree say the same.
fn shared(one: &Row, other: &Row) -> usize {
    let texts = [
        (&one.account, &other.account),
        (&one.contact, &other.contact),
        (&one.parent, &other.parent),
        (&one.revises, &other.revises),
    ];
    let texts = texts.into_iter().filter(|(one, other)| one.is_some() && other.is_some()).count();
    let dates = [(one.start, other.start), (one.end, other.end), (one.cut, other.cut)];
    let dates = dates.into_iter().filter(|(one, other)| one.is_some() && other.is_some()).count();
    let keys = one.product.keys.keys().filter(|key| other.product.keys.contains_key(*key)).count();
    texts + dates + keys + usize::from(one.quantity.is_some() && other.quantity.is_some())
}

/// How much a row says.
fn fullness(row: &Row) -> usize {
    shared(row, row)
}

/// Whether two rows can be of one change: what both say is the same.
fn agree(one: &Row, other: &Row) -> bool {
    fn same<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    let keys = one.product.keys.iter().all(|(key, value)| other.product.keys.get(key).is_none_or(|own| own == value));
    let texts = same(&one.account, &other.account)
        && same(&one.contact, &other.contact)
        && same(&one.parent, &other.parent)
        && same(&one.revises, &other.revises);
    let dates = same(&one.start, &other.start) && same(&one.end, &other.end) && same(&one.cut, &other.cut);
    let kind = one.force == other.force && one.evergreen == other.evergreen && one.livemode == other.livemode;
    keys && texts && dates && kind && same(&one.quantity, &other.quantity)
}
