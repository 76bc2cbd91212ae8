//! What an event means. <https://docs.stripe.com/api/events/types>
//!
//! [`types::TYPES`](super::types::TYPES) says how each type is read; here and beside it is one
//! function a kind of object. The clock of every fact is the event's `created`, to the second.

use chrono::{DateTime, Utc};

use super::types::Meaning;
use super::wire::{Event, customer_id};
use super::{catalog, checkout, notices, payments, previous, snapshot};
use crate::domain::fact::{CustomerFacts, Entity, EntityKind, FactBody, Translation};
use crate::providers::json::Value;
use crate::providers::out::{Out, entity, rank};
use crate::providers::{Unreadable, json};

/// The facts and edges of one event.
pub fn translate(part: &[u8]) -> Result<Translation, Unreadable> {
    let event = Event::read(part)?;
    if event.thin {
        return Ok(notices::thin(&event));
    }
    match Meaning::of(&event.kind) {
        None => Ok(Translation { unknown_type: true, ..Translation::default() }),
        Some(Meaning::Nothing) => Ok(Translation::default()),
        Some(meaning) => Reading::new(&event)?.read(meaning),
    }
}

/// One event with an effect: what it carries, and what has come out of it so far.
pub struct Reading<'a> {
    pub event: &'a Event<'a>,
    pub object: &'a Value<'a>,
    pub created: DateTime<Utc>,
    pub out: Out,
}

impl<'a> Reading<'a> {
    fn new(event: &'a Event<'a>) -> Result<Self, Unreadable> {
        let object = event.object.as_ref().ok_or_else(|| json::unreadable("the event has no data.object"))?;
        let created = event.created.ok_or_else(|| json::unreadable("the event's `created` is missing or absurd"))?;
        let out = Out::new(event.id.clone(), event.api_version.clone(), event.id.clone());
        Ok(Self { event, object, created, out })
    }

    fn read(mut self, meaning: Meaning) -> Result<Translation, Unreadable> {
        match meaning {
            Meaning::Subscription { rank, deleted } => self.subscription(rank, deleted)?,
            Meaning::SubscriptionNotice => self.notice(EntityKind::Subscription),
            Meaning::Schedule => notices::schedule(&mut self),
            Meaning::Invoice => payments::invoice(&mut self)?,
            Meaning::UpcomingInvoice => notices::upcoming_invoice(&mut self),
            Meaning::InvoicePayment => payments::invoice_payment(&mut self),
            Meaning::CreditNote => notices::credit_note(&mut self),
            Meaning::Charge => payments::charge(&mut self, false),
            Meaning::ChargeRefunded => payments::charge(&mut self, true),
            Meaning::Refund => payments::refund(&mut self),
            Meaning::Dispute => payments::dispute(&mut self),
            Meaning::PaymentIntent => payments::payment_intent(&mut self),
            Meaning::Customer { rank, deleted } => self.customer(rank, deleted),
            Meaning::Entitlements => notices::entitlements(&mut self),
            Meaning::Checkout { rank, failed } => checkout::session(&mut self, rank, failed)?,
            Meaning::Catalog { deleted } => catalog::proposal(&mut self, deleted),
            Meaning::Nothing => {}
        }
        Ok(self.out.finish())
    }

    /// The event's own object as an entity.
    pub fn this(&self, kind: EntityKind) -> Option<Entity> {
        self.at(kind, &["id"])
    }

    /// What one of these paths of the object refers to, first come.
    pub fn at(&self, kind: EntityKind, paths: &[&str]) -> Option<Entity> {
        entity(kind, json::first_id(self.object, paths))
    }

    pub fn buyer(&self) -> Option<Entity> {
        entity(EntityKind::Customer, customer_id(self.object))
    }

    pub fn say(&mut self, entity: &Entity, within: i64, rank: u8, body: FactBody) {
        self.out.fact(entity, self.created, within, rank, body);
    }

    /// That the event's own object was spoken of.
    pub fn notice(&mut self, kind: EntityKind) {
        self.note(self.this(kind).as_ref());
    }

    /// That something else was spoken of.
    pub fn note(&mut self, about: Option<&Entity>) {
        if let Some(about) = about {
            self.say(about, 0, rank::NOTES, FactBody::Notice);
        }
    }

    fn subscription(&mut self, rank: u8, deleted: bool) -> Result<(), Unreadable> {
        let Some(subscription) = self.this(EntityKind::Subscription) else { return Ok(()) };
        let livemode = self.event.livemode;
        let mut after = snapshot::snapshot(self.object, livemode, deleted)?;
        if deleted {
            after.ended_at = after.ended_at.or(Some(self.created));
        }
        // A before that cannot be read is no edge; the after still counts.
        let before = self.event.previous.as_ref().and_then(|previous| {
            let before = previous::subscription_before(self.object, previous);
            snapshot::snapshot(&before, livemode, false).ok().map(Box::new)
        });
        self.out.link(Some(&subscription), self.buyer().as_ref());
        self.say(&subscription, 0, rank, FactBody::Subscription { after: Box::new(after), before });
        Ok(())
    }

    fn customer(&mut self, rank: u8, deleted: bool) {
        let Some(customer) = self.this(EntityKind::Customer) else { return };
        let facts = CustomerFacts { deleted, ..person(self.object) };
        self.say(&customer, 0, rank, FactBody::Customer(facts));
    }

    /// A copy of the customer inside another object. It ranks below the customer's own events.
    pub fn copied_customer(&mut self, customer: &Entity, at: DateTime<Utc>, facts: CustomerFacts) {
        if facts != CustomerFacts::default() {
            self.out.fact(customer, at, 0, rank::NOTES, FactBody::Customer(facts));
        }
    }
}

/// <https://docs.stripe.com/api/customers/object>; Checkout's `customer_details` is alike.
pub fn person(customer: &Value<'_>) -> CustomerFacts {
    let name = json::text_at(customer, "individual_name").or_else(|| json::text_at(customer, "name"));
    let company = json::text_at(customer, "business_name");
    named(json::text_at(customer, "email"), name, company)
}

/// First name and the rest: the best that one field can be cut into.
pub fn named(email: Option<String>, name: Option<String>, company: Option<String>) -> CustomerFacts {
    let (first_name, last_name) = match name {
        Some(name) => match name.split_once(' ') {
            Some((first, last)) => (Some(first.to_owned()), Some(last.trim().to_owned())),
            None => (Some(name), None),
        },
        None => (None, None),
    };
    CustomerFacts { email, first_name, last_name, company, deleted: false }
}
