//! What a batch of events means, taken together: what can be said of it before anything is known.

use std::collections::{BTreeMap, BTreeSet};

use super::meaning::{Meaning, word_key};
use crate::domain::fact::Link;
use crate::projections::links::Edge;

/// The meanings of a batch, in position order.
#[derive(Default)]
pub struct Meanings {
    pub each: Vec<Meaning>,
    /// Which entity is spoken of where. All of these are sorted: neighbours in an index are written
    /// together.
    pub mentions: Vec<(String, i64)>,
    /// Every edge once, where it is said first.
    pub edges: Vec<Edge>,
    /// The entities that facts are about.
    pub entities: BTreeSet<String>,
}

impl Meanings {
    #[must_use]
    pub fn of(each: Vec<Meaning>) -> Self {
        let mut mentions: BTreeSet<(String, i64)> = BTreeSet::new();
        let mut edges: BTreeMap<(String, String), i64> = BTreeMap::new();
        let mut entities: BTreeSet<String> = BTreeSet::new();
        for Meaning { position, translation, words, .. } in &each {
            for fact in &translation.facts {
                let key = fact.entity.key();
                entities.insert(key.clone());
                mentions.insert((key, *position));
            }
            for Link { child, parent } in &translation.links {
                edges.entry((child.key(), parent.key())).or_insert(*position);
            }
            mentions.extend(words.iter().map(|word| (word_key(word), *position)));
        }
        let edge = |((child, parent), position)| Edge { child, parent, position };
        Self { each, mentions: mentions.into_iter().collect(), edges: edges.into_iter().map(edge).collect(), entities }
    }
}
