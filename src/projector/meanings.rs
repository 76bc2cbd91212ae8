//! What a batch of events means, taken together: what can be said of it before anything is known.

use super::meaning::{Meaning, word_key};
use crate::domain::fact::Link;
use crate::projections::links::Edge;

/// The meanings of a batch, in position order.
#[derive(Default)]
pub struct Meanings {
    pub each: Vec<Meaning>,
    /// Which entity is spoken of where. All of these are sorted: neighbours in an index are read and
    /// written together.
    pub mentions: Vec<(String, i64)>,
    /// Every edge once, where it is said first.
    pub edges: Vec<Edge>,
    /// The entities that facts are about.
    pub entities: Vec<String>,
}

impl Meanings {
    #[must_use]
    pub fn of(each: Vec<Meaning>) -> Self {
        let (mut mentions, mut edges, mut entities) = (Vec::new(), Vec::new(), Vec::new());
        for Meaning { position, translation, words, .. } in &each {
            for fact in &translation.facts {
                let key = fact.entity.key();
                entities.push(key.clone());
                mentions.push((key, *position));
            }
            let edge = |link: &Link| Edge { child: link.child.key(), parent: link.parent.key(), position: *position };
            edges.extend(translation.links.iter().map(edge));
            mentions.extend(words.iter().map(|word| (word_key(word), *position)));
        }
        mentions.sort_unstable();
        mentions.dedup();
        entities.sort_unstable();
        entities.dedup();
        edges.sort_unstable();
        edges.dedup_by(|later, first| later.child == first.child && later.parent == first.parent);
        Self { each, mentions, edges, entities }
    }
}
