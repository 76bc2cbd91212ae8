//! Shop orders whose subscriptions we are not told of, split into chains.
//!
//! Most subscription apps of a shop keep their contracts to themselves; all that is seen of one
//! is an order for each charge. All orders of one buyer are folded together, as a book; here a
//! book is split: an order that the buyer made at a checkout opens a chain for what it holds,
//! and an order that an app charged extends the chain of that product which ends nearest to it.
//! How long an order lasts is said by the catalog alone, so a chain is a function of the book
//! and the rules.

use std::collections::{BTreeMap, BTreeSet};

use super::coverage::{ancestors, canonical};
use super::dates::Interval;
use super::fact::{
    Entity, EntityKind, Item, Link, Payment, PaymentLine, PaymentStatus, Purchase, Refund, Snapshot, Status,
};
use super::rows;
use super::rules::Rules;
use super::state::{PaymentState, Provenance, Said, State};
use chrono::{DateTime, TimeDelta, Utc};

/// The id of the chain that an order opens.
#[must_use]
pub fn id(first_order: &str) -> String {
    format!("order-{first_order}")
}

/// Splits a book into its chains, in the order in which they were opened.
#[must_use]
pub fn split(book: &State, source: &str, rules: &Rules) -> Vec<State> {
    let mut parts = if book.rows.is_empty() { chains(book, source, rules) } else { rows::split(book, source, rules) };
    for part in &mut parts {
        let mine = book.overrides.iter().filter(|(_, said)| part.is_called(&said.value.subscription_id));
        part.overrides = mine.map(|(id, said)| (id.clone(), said.clone())).collect();
    }
    parts
}

fn chains(book: &State, source: &str, rules: &Rules) -> Vec<State> {
    let mut chains: Vec<Chain<'_>> = Vec::new();
    for order in orders(book) {
        let mut opened = Chain { first: order, parts: Vec::new() };
        for item in &order.state.payment.items {
            let product = Product::of(source, rules, item);
            let nearest = if order.purchase.renews { nearest(&mut chains, &product, order.purchase.at) } else { None };
            let bought = Bought { order, item, period: product.period };
            match nearest {
                Some(part) => part.bought.push(bought),
                None => opened.parts.push(Part { product, bought: vec![bought] }),
            }
        }
        if !opened.parts.is_empty() || !order.purchase.renews {
            chains.push(opened);
        }
    }
    chains.iter().map(|chain| chain.state(book)).collect()
}

/// What is left of a chain that an earlier order, heard of late, has taken in.
#[must_use]
pub fn closed(chain: &State) -> State {
    let snapshot = chain.snapshot.as_ref().map(|said| Said {
        value: Snapshot {
            status: Status::Canceled,
            provider_status: "merged".to_owned(),
            items: Vec::new(),
            ..said.value.clone()
        },
        key: said.key.clone(),
    });
    State { subscription_id: chain.subscription_id.clone(), snapshot, last: chain.last.clone(), ..State::default() }
}

/// The chain that each entity (order, refund, dispute, by key) belongs to, first chain first.
#[must_use]
pub fn homes(chains: &[State]) -> BTreeMap<String, String> {
    let mut homes = BTreeMap::new();
    for chain in chains {
        let keys =
            chain.payments.keys().chain(chain.refunds.keys()).chain(chain.disputes.keys()).chain(chain.rows.keys());
        for key in keys {
            homes.entry(key.clone()).or_insert_with(|| chain.subscription_id.clone());
        }
    }
    homes
}

/// One order of the book that no subscription of its own claims.
#[derive(Clone, Copy)]
struct Order<'a> {
    id: &'a str,
    key: &'a str,
    purchase: Purchase,
    state: &'a PaymentState,
}

/// By when they were made; the id decides between two of one instant.
fn orders(book: &State) -> Vec<Order<'_>> {
    let claimed: BTreeSet<String> = book
        .links
        .iter()
        .filter(|link| link.parent.kind == EntityKind::Subscription)
        .map(|link| link.child.key())
        .collect();
    let mut orders: Vec<Order<'_>> = Vec::new();
    for (key, state) in book.payments.iter().filter(|(key, _)| !claimed.contains(*key)) {
        let id = state.payment.payment_id.as_str();
        orders.extend(state.payment.purchase.map(|purchase| Order { id, key, purchase, state }));
    }
    orders.sort_by(|a, b| (a.purchase.at, a.id.len(), a.id).cmp(&(b.purchase.at, b.id.len(), b.id)));
    orders
}

/// What makes two items of different orders the same thing.
#[derive(Clone, PartialEq, Eq)]
enum Name {
    /// The catalog's product code.
    Mapped(String),
    /// The provider's id, of what is not in the catalog.
    Unmapped(String),
}

struct Product {
    name: Name,
    /// `None`: bought once.
    period: Option<Interval>,
}

impl Product {
    fn of(source: &str, rules: &Rules, item: &Item) -> Self {
        match rules.map(source, &item.product) {
            Some(mapping) => Self { name: Name::Mapped(mapping.product_code), period: mapping.period },
            None => Self { name: Name::Unmapped(item.item_id.clone()), period: None },
        }
    }

    /// Whether an order that an app charged may extend it.
    fn recurs(&self) -> bool {
        self.period.is_some() || matches!(self.name, Name::Unmapped(_))
    }
}

struct Bought<'a> {
    order: Order<'a>,
    item: &'a Item,
    period: Option<Interval>,
}

impl Bought<'_> {
    fn end(&self) -> DateTime<Utc> {
        let start = self.order.purchase.at;
        self.period.map_or(start, |period| period.after(start))
    }
    fn was_paid(&self) -> bool {
        self.order.state.paid_at.is_some()
    }
    fn is_gone(&self) -> bool {
        self.item.quantity == Some(0)
    }

    /// Notes in the order's payment what it buys of an item.
    fn note(&self, item: &Item, payment: &mut Payment) {
        if item.one_off {
            payment.items.push(item.clone());
        } else if self.period.is_some() {
            payment.lines.push(PaymentLine {
                item_id: Some(item.item_id.clone()),
                price: None,
                start: self.order.purchase.at,
                end: self.end(),
                metered: false,
                proration: false,
            });
        }
    }

    /// An item that is down to nothing was given back, whether or not a refund was heard of.
    fn taken_out(&self, item: &Item) -> (Link, Refund) {
        let refund_id = format!("taken-out-{}-{}", self.order.id, item.item_id);
        let link = Link {
            child: Entity::new(EntityKind::Refund, refund_id.as_str()),
            parent: Entity::new(EntityKind::Order, self.order.id),
        };
        let products = vec![item.item_id.clone()];
        (link, Refund { refund_id, succeeded: true, amount: None, full: true, products })
    }
}

/// One product of a chain, and every order that bought time for it.
struct Part<'a> {
    product: Product,
    bought: Vec<Bought<'a>>,
}

impl Part<'_> {
    /// Where the time ends that was paid for; what was never paid ends where it began.
    fn end(&self) -> Option<DateTime<Utc>> {
        let paid = self.bought.iter().filter(|b| b.was_paid()).map(Bought::end).max();
        paid.or_else(|| self.bought.first().map(|b| b.order.purchase.at))
    }

    /// The item as the last paid order has it, under the id it had when the chain was opened.
    fn item(&self) -> Option<Item> {
        let first = self.bought.first()?;
        let last = self.bought.iter().rfind(|b| b.was_paid() && !b.is_gone()).or(self.bought.last())?;
        Some(Item {
            item_id: first.item.item_id.clone(),
            period_start: last.period.map(|_| last.order.purchase.at),
            period_end: last.period.map(|_| last.end()),
            one_off: matches!(self.product.name, Name::Mapped(_)) && self.product.period.is_none(),
            ..last.item.clone()
        })
    }
}

/// The part of that product whose end is nearest to the instant of an order; the one that was
/// opened first, where two are.
fn nearest<'c, 'a>(chains: &'c mut [Chain<'a>], product: &Product, at: DateTime<Utc>) -> Option<&'c mut Part<'a>> {
    let parts = chains.iter_mut().flat_map(|chain| chain.parts.iter_mut());
    let same = parts.filter(|part| part.product.name == product.name && part.product.recurs() && product.recurs());
    same.min_by_key(|part| part.end().map_or(TimeDelta::MAX, |end| (end - at).abs()))
}

struct Chain<'a> {
    first: Order<'a>,
    parts: Vec<Part<'a>>,
}

impl Chain<'_> {
    fn state(&self, book: &State) -> State {
        let mut payments: BTreeMap<String, PaymentState> = BTreeMap::new();
        let mut refunds = BTreeMap::new();
        let mut links = BTreeSet::new();
        let mut items = Vec::new();
        payments.insert(self.first.key.to_owned(), stripped(self.first.state));
        for part in &self.parts {
            let Some(item) = part.item() else { continue };
            for bought in &part.bought {
                let payment =
                    payments.entry(bought.order.key.to_owned()).or_insert_with(|| stripped(bought.order.state));
                bought.note(&item, &mut payment.payment);
                if bought.is_gone() {
                    let (link, refund) = bought.taken_out(&item);
                    refunds.insert(link.child.key(), Said { value: refund, key: payment.key.clone() });
                    links.insert(link);
                }
            }
            items.push(item);
        }
        items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
        let belongs = |key: &String| ancestors(book, key).iter().any(|a| payments.contains_key(a));
        refunds.extend(book.refunds.iter().filter(|(k, _)| belongs(k)).map(|(k, r)| (k.clone(), r.clone())));
        let disputes: BTreeMap<_, _> =
            book.disputes.iter().filter(|(k, _)| belongs(k)).map(|(k, d)| (k.clone(), d.clone())).collect();
        links.extend(book.links.iter().filter(|l| belongs(&l.child.key())).cloned());
        let last = payments.values().map(|p| &p.key).max().cloned();
        let snapshot = last.clone().map(|key| Said { value: self.snapshot(book, items), key });
        let clocks = refunds.values().map(|r| &r.key).chain(disputes.values().map(|d| &d.key));
        let last = clocks.chain(last.as_ref()).max().cloned();
        let mut state = State {
            subscription_id: id(self.first.id),
            snapshot,
            payments,
            refunds,
            disputes,
            customers: book.customers.clone(),
            links,
            last,
            ..State::default()
        };
        self.note_provenance(&mut state);
        state
    }

    fn snapshot(&self, book: &State, items: Vec<Item>) -> Snapshot {
        let orders = || self.parts.iter().flat_map(|p| &p.bought).map(|b| b.order).chain([self.first]);
        let (status, word) = if orders().any(|o| o.state.paid_at.is_some()) {
            (Status::Active, "paid")
        } else if orders().all(|o| o.state.payment.status == PaymentStatus::Voided) {
            (Status::Canceled, "voided")
        } else {
            (Status::Incomplete, "pending")
        };
        let buyer =
            book.links.iter().find(|l| l.child.kind == EntityKind::Book && l.parent.kind == EntityKind::Customer);
        Snapshot {
            status,
            provider_status: word.to_owned(),
            livemode: true,
            customer_id: buyer.map(|link| link.parent.id.clone()),
            items,
            items_complete: true,
            ..Snapshot::default()
        }
    }

    /// Which order each field is owed to.
    fn note_provenance(&self, state: &mut State) {
        let first = self.first.state.position;
        let mut causes: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for part in &self.parts {
            let (Some(item), Some(last)) = (part.item(), part.bought.last()) else { continue };
            let last = last.order.state.position;
            let covered = canonical(state, &item).payment.and_then(|p| state.payments.get(&p)).map(|p| p.position);
            let name = |field: &str| format!("items.{}.{field}", item.item_id);
            causes.insert(name("product"), (last, last));
            causes.insert(name("quantity"), (last, last));
            causes.insert(name("paid_through"), (covered.unwrap_or(last), last));
        }
        for (name, value) in state.fields() {
            let (event, confirmed_by) = causes.get(&name).copied().unwrap_or((first, first));
            state.provenance.insert(name, Provenance { value, event, confirmed_by });
        }
    }
}

/// The payment without what it is for, which each chain says anew.
fn stripped(state: &PaymentState) -> PaymentState {
    let payment = Payment { lines: Vec::new(), items: Vec::new(), ..state.payment.clone() };
    PaymentState { payment, ..state.clone() }
}
