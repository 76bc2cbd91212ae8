//! Deliveries through the real translators into one state, as intake and projector do it, but
//! in this process and without a database.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use subledger::domain::chains;
use subledger::domain::fact::{Entity, EntityKind, Fact, Link, Translation};
use subledger::domain::rules::Rules;
use subledger::domain::state::{Recorded, State, fold};
use subledger::providers::{EventHint, Request, SourceSettings, by_slug};

/// A delivery as it is understood: dedupe key and meaning of each event in it.
#[derive(Clone)]
pub struct Delivery(Rc<Vec<(String, Translation)>>);

impl Delivery {
    pub fn new(slug: &str, body: &[u8]) -> Self {
        Self::with(slug, &[], body)
    }

    /// The same, with what the provider says in headers.
    pub fn with(slug: &str, headers: &[(String, String)], body: &[u8]) -> Self {
        Self::read(slug, headers, body, &SourceSettings::default())
    }

    /// The same, of a source with settings of its own.
    pub fn read(slug: &str, headers: &[(String, String)], body: &[u8], settings: &SourceSettings) -> Self {
        let provider = by_slug(slug).unwrap();
        let hints = provider.split(&Request { headers, body, url_token: None }).unwrap();
        let meaning =
            |hint: EventHint| (hint.dedupe_key, provider.translate(&body[hint.range], headers, settings).unwrap());
        Self(Rc::new(hints.into_iter().map(meaning).collect()))
    }
}

/// What was delivered so far.
#[derive(Default)]
pub struct Heard {
    keys: BTreeSet<String>,
    facts: Vec<Recorded>,
    links: BTreeSet<Link>,
}

impl Heard {
    pub fn all(deliveries: &[Delivery]) -> Self {
        let mut heard = Self::default();
        deliveries.iter().for_each(|delivery| heard.deliver(delivery));
        heard
    }

    /// An event that was heard before is not another one.
    pub fn deliver(&mut self, delivery: &Delivery) {
        for (key, translation) in delivery.0.iter() {
            if !self.keys.insert(key.clone()) {
                continue;
            }
            let position = i64::try_from(self.keys.len()).unwrap();
            self.facts.extend(translation.facts.iter().map(|fact| Recorded { position, fact: fact.clone() }));
            self.links.extend(translation.links.iter().cloned());
        }
    }

    /// Everything below a subscription, and the customers it names.
    fn closure(&self, subscription: &Entity) -> BTreeSet<Entity> {
        let mut found = BTreeSet::from([subscription.clone()]);
        let mut todo = vec![subscription.clone()];
        while let Some(parent) = todo.pop() {
            for link in self.links.iter().filter(|l| l.parent == parent) {
                if found.insert(link.child.clone()) {
                    todo.push(link.child.clone());
                }
            }
        }
        let customers = self.links.iter().filter(|l| l.child == *subscription && l.parent.kind == EntityKind::Customer);
        found.extend(customers.map(|l| l.parent.clone()));
        found
    }

    fn mine(&self, root: &Entity) -> (Vec<Recorded>, Vec<Link>) {
        let closure = self.closure(root);
        let facts = self.facts.iter().filter(|r| closure.contains(&r.fact.entity)).cloned().collect();
        // An order of a book may be claimed by a subscription, which is no part of the book.
        let claims = |l: &Link| root.kind == EntityKind::Book && l.parent.kind == EntityKind::Subscription;
        let is_mine = |l: &&Link| closure.contains(&l.child) && (closure.contains(&l.parent) || claims(l));
        let links = self.links.iter().filter(is_mine).cloned().collect();
        (facts, links)
    }

    pub fn state(&self, root: &Entity) -> State {
        let (facts, links) = self.mine(root);
        fold(&root.id, facts, links)
    }

    /// A chain of the book of some buyer.
    pub fn chain(&self, book: &str, id: &str, source: &str, rules: &Rules) -> State {
        let book = self.state(&Entity::new(EntityKind::Book, book));
        chains::split(&book, source, rules).into_iter().find(|chain| chain.subscription_id == id).unwrap_or_default()
    }

    /// The rows of a product in the book of some account.
    pub fn line(&self, account: &str, product: &str, source: &str, rules: &Rules) -> State {
        let (facts, links) = self.mine(&Entity::new(EntityKind::Book, account));
        let is_of = |state: &State| {
            let items = state.snapshot.iter().flat_map(|said| &said.value.items);
            items.filter_map(|item| rules.map(source, &item.product)).any(|mapping| mapping.product_code == product)
        };
        chains::split(&fold(account, facts, links), source, rules).into_iter().find(is_of).unwrap_or_default()
    }
}

/// Folds delivery by delivery, onto what is held where that is allowed, anew where it is not;
/// answers with the state of a subscription or a book, and how often each happened.
pub fn step_by_step(batches: &[&[Delivery]], root: &Entity) -> (State, usize, usize) {
    let mut heard = Heard::default();
    let mut held: Option<State> = None;
    let mut folded: BTreeMap<(i64, String), ()> = BTreeMap::new();
    let (mut advanced, mut anew) = (0, 0);
    for batch in batches {
        let before = heard.keys.len();
        batch.iter().for_each(|delivery| heard.deliver(delivery));
        let (facts, links) = heard.mine(root);
        let key = |r: &Recorded| (r.position, entity_and_identity(&r.fact));
        let fresh: Vec<Recorded> = facts.iter().filter(|r| !folded.contains_key(&key(r))).cloned().collect();
        folded.extend(facts.iter().map(|r| (key(r), ())));
        // A new edge may have tied on what was delivered long before.
        let is_old = fresh.iter().any(|r| usize::try_from(r.position).unwrap() <= before);
        held = Some(match held {
            Some(mut state) if !is_old && state.can_advance(&fresh) => {
                advanced += 1;
                state.advance(fresh, links);
                state
            }
            _ => {
                anew += 1;
                fold(&root.id, facts, links)
            }
        });
    }
    (held.unwrap(), advanced, anew)
}

fn entity_and_identity(fact: &Fact) -> String {
    format!("{} {}", fact.entity.key(), fact.identity)
}
