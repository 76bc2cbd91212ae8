//! What an event comes to, while it is being translated: facts and edges of one event, all with
//! the same clock and id, so that the translators are left with what differs.

use chrono::{DateTime, Utc};

use crate::domain::fact::{Entity, EntityKind, Fact, FactBody, FactKey, Link, Translation};

/// Ranks inside one instant of one provider: what opens comes before what notes, changes, ends.
pub mod rank {
    pub const OPENS: u8 = 0;
    pub const NOTES: u8 = 1;
    pub const CHANGES: u8 = 2;
    pub const ENDS: u8 = 3;
}

/// Collects the facts and links of one event.
pub struct Out {
    pub external_id: String,
    pub api_version: String,
    /// See [`Fact::identity`].
    pub identity: String,
    /// See [`Fact::by_event_clock`].
    pub by_event_clock: bool,
    translation: Translation,
}

impl Out {
    pub fn new(external_id: String, api_version: String, identity: String) -> Self {
        Self { external_id, api_version, identity, by_event_clock: false, translation: Translation::default() }
    }

    /// A fact of this event about `entity`.
    pub fn fact(&mut self, entity: &Entity, at: DateTime<Utc>, within: i64, rank: u8, body: FactBody) {
        if is_sample(&entity.id) {
            return;
        }
        let identity = match entity.kind {
            // One event can speak of its own object and of the customer; both count once.
            EntityKind::Customer => format!("{}:customer", self.identity),
            _ => self.identity.clone(),
        };
        let by_event_clock = self.by_event_clock;
        let (external_id, api_version) = (self.external_id.clone(), self.api_version.clone());
        let key = FactKey { at, within, rank, external_id, api_version };
        let fact = Fact { entity: entity.clone(), key, identity, by_event_clock, body };
        self.translation.facts.push(fact.into());
    }

    /// An edge, where both ends are known.
    pub fn link(&mut self, child: Option<&Entity>, parent: Option<&Entity>) {
        let (Some(child), Some(parent)) = (child, parent) else { return };
        if is_sample(&child.id) || is_sample(&parent.id) {
            return;
        }
        let link = Link { child: child.clone(), parent: parent.clone() };
        if !self.translation.links.contains(&link) {
            self.translation.links.push(link);
        }
    }

    /// What the event should have said and did not; the first such thing is what is shown.
    pub fn lacks(&mut self, what: &str) {
        self.translation.missing.get_or_insert_with(|| what.to_owned());
    }

    pub fn finish(self) -> Translation {
        self.translation
    }
}

/// What a table of types says of `kind`: a row names a type, or a family when it ends in a dot,
/// and the first row that fits counts. `None`: a type nobody has told this build about.
pub fn meaning_of<M: Copy>(types: &[(&str, M, &str)], kind: &str) -> Option<M> {
    let fits = |pattern: &str| if pattern.ends_with('.') { kind.starts_with(pattern) } else { kind == pattern };
    types.iter().find(|(pattern, _, _)| fits(pattern)).map(|(_, meaning, _)| *meaning)
}

/// An entity, where there is an id.
pub fn entity(kind: EntityKind, id: Option<String>) -> Option<Entity> {
    id.map(|id| Entity::new(kind, id))
}

/// Dashboards send samples whose ids are zeros after the prefix (`sub_00000000000000`). They
/// belong to nobody and must not become licenses.
pub fn is_sample(id: &str) -> bool {
    const ZEROS_MIN: usize = 8; // Stripe's samples have 14 and more; a seller's own `order_0` is none
    let tail = id.rsplit('_').next().unwrap_or(id);
    tail.len() >= ZEROS_MIN && tail.bytes().all(|byte| byte == b'0')
}
