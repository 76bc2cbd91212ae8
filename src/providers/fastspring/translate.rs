//! What an event means. <https://developer.fastspring.com/reference/webhooks-overview>
//!
//! [`types::TYPES`](super::types::TYPES) says how each type is read. The clock of a snapshot is the subscription's
//! `changed`; inside one `changed` (a cancellation does not always move it) the event's
//! `created` decides. FastSpring gives a manual resend a new event id, so a fact is identified
//! by its content.

use sha2::{Digest, Sha256};

use super::types::Meaning;
use super::wire::{Event, date, reference};
use super::{orders, snapshot};
use crate::domain::fact::{CustomerFacts, Entity, EntityKind, FactBody, Translation};
use crate::domain::hash::canonical;
use crate::providers::json::Value;
use crate::providers::out::{Out, rank};
use crate::providers::{Unreadable, json};

/// FastSpring is never asked back, so what a post leaves out stays unknown.
const UNEXPANDED: &str = "the post names the subscription and says nothing of it: \
    enable webhook expansion for this webhook in FastSpring";

/// The facts and edges of one event.
pub fn translate(part: &[u8]) -> Result<Translation, Unreadable> {
    let event = Event::read(part)?;
    match Meaning::of(&event.kind) {
        None => Ok(Translation { unknown_type: true, ..Translation::default() }),
        Some(Meaning::Nothing) => Ok(Translation::default()),
        Some(meaning) => Reading::new(&event)?.read(meaning),
    }
}

/// One event with an effect: what it carries, and what has come out of it so far.
pub struct Reading<'a> {
    pub event: &'a Event<'a>,
    pub data: &'a Value<'a>,
    pub out: Out,
}

impl<'a> Reading<'a> {
    fn new(event: &'a Event<'a>) -> Result<Self, Unreadable> {
        let data = event.data.as_ref().ok_or_else(|| json::unreadable("the event has no data"))?;
        let out = Out::new(event.id.clone(), String::new(), identity(&event.kind, data));
        Ok(Self { event, data, out })
    }

    fn read(mut self, meaning: Meaning) -> Result<Translation, Unreadable> {
        let data = self.data;
        match meaning {
            Meaning::Subscription { rank } => self.subscription(data, rank)?,
            Meaning::SubscriptionNotice => self.notice(EntityKind::Subscription, Some(data))?,
            Meaning::Charge { completed } => orders::charge(&mut self, completed)?,
            Meaning::Group => self.group()?,
            Meaning::Order(stage) => orders::order(&mut self, stage)?,
            Meaning::Return => orders::refund(&mut self)?,
            Meaning::Chargeback => orders::chargeback(&mut self)?,
            Meaning::Payout => orders::payout(&mut self)?,
            Meaning::Account => self.customer(Some(data), None)?,
            Meaning::FulfillmentFailed => orders::fulfillment_failed(&mut self)?,
            Meaning::Nothing => {}
        }
        Ok(self.out.finish())
    }

    /// A fact whose clock is `holder`'s own, where it has one, else the event's.
    pub fn say(&mut self, entity: &Entity, holder: &Value<'_>, rank: u8, body: FactBody) -> Result<(), Unreadable> {
        let own = date(holder, "changed").or_else(|| date(holder, "timestamp"));
        self.out.by_event_clock = own.is_none();
        let at = own.or(self.event.created).ok_or_else(no_clock)?;
        let within = self.event.created.map_or(0, |created| created.timestamp_millis());
        self.out.fact(entity, at, within, rank, body);
        Ok(())
    }

    pub fn notice(&mut self, kind: EntityKind, about: Option<&Value<'_>>) -> Result<(), Unreadable> {
        match reference(kind, about) {
            Some(entity) => self.say(&entity, &Value::Null, rank::NOTES, FactBody::Notice),
            None => Ok(()),
        }
    }

    /// A subscription, whole or only mentioned, with its customer.
    pub fn subscription(&mut self, data: &Value<'_>, rank: u8) -> Result<(), Unreadable> {
        let Some(subscription) = reference(EntityKind::Subscription, Some(data)) else { return Ok(()) };
        let account = data.get("account");
        self.out.link(Some(&subscription), reference(EntityKind::Customer, account).as_ref());
        self.customer(account, None)?;
        let ends = rank == rank::ENDS;
        let is_snapshot = snapshot::is_snapshot(data);
        if !is_snapshot {
            self.out.lacks(UNEXPANDED);
        }
        if !ends && !is_snapshot {
            return self.say(&subscription, data, rank::NOTES, FactBody::Notice);
        }
        let said_at = self.event.created.or_else(|| date(data, "changed")).ok_or_else(no_clock)?;
        let after = Box::new(snapshot::snapshot(data, &snapshot::Said { live: self.event.live, at: said_at, ends })?);
        self.say(&subscription, data, rank, FactBody::Subscription { after, before: None })
    }

    /// Co-terminous groups: each member is a subscription like any other.
    fn group(&mut self) -> Result<(), Unreadable> {
        for member in json::list(self.data, "subscriptions") {
            self.subscription(member, rank::CHANGES)?;
        }
        Ok(())
    }

    /// What an expanded account, or else the order's customer, says of the buyer. The account
    /// has no clock of its own: it is as it was when the event was made.
    pub fn customer(&mut self, account: Option<&Value<'_>>, fallback: Option<&Value<'_>>) -> Result<(), Unreadable> {
        let Some(customer) = reference(EntityKind::Customer, account) else { return Ok(()) };
        let contact = account.and_then(|account| json::at(account, "contact")).or(fallback);
        let facts = contact.map(person).unwrap_or_default();
        if facts == CustomerFacts::default() {
            return Ok(());
        }
        let rank = if self.event.kind.starts_with("account.") { rank::CHANGES } else { rank::NOTES };
        self.say(&customer, &Value::Null, rank, FactBody::Customer(facts))
    }
}

fn person(contact: &Value<'_>) -> CustomerFacts {
    CustomerFacts {
        email: json::text_at(contact, "email"),
        first_name: json::text_at(contact, "first"),
        last_name: json::text_at(contact, "last"),
        company: json::text_at(contact, "company"),
        deleted: false,
    }
}

/// Type and content: a resend with a new id counts once. The order of keys in the post is no content.
fn identity(kind: &str, data: &Value<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    hash.update([0]);
    hash.update(canonical(data).as_bytes());
    format!("sha256:{}", hex::encode(hash.finalize()))
}

fn no_clock() -> Unreadable {
    json::unreadable("the event has neither `created` nor `changed`, or they are absurd")
}
