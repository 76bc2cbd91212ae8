//! How a state is written: what it holds many of as lists, without the names of their fields, which
//! were a third of its text. They are read back as any struct is, from a list or with names.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use super::Provenance;
use crate::domain::fact::{Entity, FactKey, Link};

/// The fields of a [`FactKey`], in their order.
fn list(key: &FactKey) -> impl Serialize + '_ {
    (key.at, key.within, key.rank, &key.external_id, &key.api_version)
}

pub fn key<S: Serializer>(key: &FactKey, to: S) -> Result<S::Ok, S::Error> {
    list(key).serialize(to)
}

#[allow(clippy::ref_option)] // serde's signature
pub(super) fn last<S: Serializer>(last: &Option<FactKey>, to: S) -> Result<S::Ok, S::Error> {
    last.as_ref().map(list).serialize(to)
}

pub(super) fn links<S: Serializer>(links: &BTreeSet<Link>, to: S) -> Result<S::Ok, S::Error> {
    fn end(entity: &Entity) -> impl Serialize + '_ {
        (entity.kind, &entity.id)
    }
    to.collect_seq(links.iter().map(|link| (end(&link.child), end(&link.parent))))
}

pub(super) fn provenance<S: Serializer>(fields: &BTreeMap<String, Provenance>, to: S) -> Result<S::Ok, S::Error> {
    fn list(of: &Provenance) -> impl Serialize + '_ {
        (&of.value, of.event, of.confirmed_by)
    }
    to.collect_map(fields.iter().map(|(name, of)| (name, list(of))))
}
