//! What an event means. <https://docs.stripe.com/api/events/types>
//!
//! [`Meaning::of`] is the table of types; everything below it reads one kind of object. The
//! clock of every fact is the event's `created`, to the second.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::wire::{Event, customer_id};
use super::{payments, previous, snapshot};
use crate::domain::fact::{CustomerFacts, Entity, EntityKind, FactBody, Translation};
use crate::providers::out::{Out, entity, rank};
use crate::providers::{Unreadable, json};

/// What a type is about. Types of one meaning are read alike.
#[derive(Clone, Copy)]
enum Meaning {
    Subscription {
        rank: u8,
        deleted: bool,
    },
    /// About a subscription, but its snapshot must never overwrite the state.
    SubscriptionNotice,
    Invoice,
    InvoicePayment,
    Charge,
    ChargeRefunded,
    Refund,
    Dispute,
    PaymentIntent,
    Customer {
        rank: u8,
        deleted: bool,
    },
    Checkout,
    /// Known, and without effect on any license.
    Nothing,
}

/// Families of which no member touches a license. `invoice.` and `customer.subscription.` are
/// not here: a new type in them should be noticed.
#[rustfmt::skip] // a word list, not 59 lines
const WITHOUT_EFFECT: [&str; 59] = [
    "account.", "application_fee.", "balance.", "balance_settings.", "billing.", "billing_portal.", "capability.",
    "cash_balance.", "checkout.session.", "climate.", "coupon.", "credit_note.", "customer.bank_account.",
    "customer.card.", "customer.discount.", "customer.source.", "customer.tax_id.",
    "customer_cash_balance_transaction.", "entitlements.", "file.", "financial_connections.", "fx_quote.",
    "gift_card.", "identity.", "invoice.upcoming", "invoice_payment.", "invoiceitem.", "issuing_authorization.",
    "issuing_card.", "issuing_cardholder.", "issuing_dispute.", "issuing_personalization_design.", "issuing_token.",
    "issuing_transaction.", "mandate.", "payment_link.", "payment_method.", "payout.", "person.", "ping", "plan.",
    "price.", "product.", "promotion_code.", "quote.", "radar.", "reporting.", "review.", "setup_intent.", "sigma.",
    "source.", "subscription_schedule.", "tax.", "tax_rate.", "terminal.", "test_helpers.", "topup.", "transfer.",
    "treasury.",
];

impl Meaning {
    fn of(kind: &str) -> Option<Self> {
        let updated = Self::Subscription { rank: rank::CHANGES, deleted: false };
        Some(match kind {
            "customer.subscription.created" => Self::Subscription { rank: rank::OPENS, deleted: false },
            "customer.subscription.updated" | "customer.subscription.paused" | "customer.subscription.resumed" => {
                updated
            }
            "customer.subscription.pending_update_applied" | "customer.subscription.pending_update_expired" => updated,
            "customer.subscription.deleted" => Self::Subscription { rank: rank::ENDS, deleted: true },
            "customer.subscription.trial_will_end" => Self::SubscriptionNotice,
            "customer.created" => Self::Customer { rank: rank::OPENS, deleted: false },
            "customer.updated" => Self::Customer { rank: rank::CHANGES, deleted: false },
            "customer.deleted" => Self::Customer { rank: rank::ENDS, deleted: true },
            "invoice.created" | "invoice.finalized" | "invoice.finalization_failed" | "invoice.updated" => {
                Self::Invoice
            }
            "invoice.paid" | "invoice.payment_succeeded" | "invoice.payment_failed" | "invoice.sent" => Self::Invoice,
            "invoice.payment_action_required" | "invoice.payment_attempt_required" => Self::Invoice,
            "invoice.overdue" | "invoice.overpaid" | "invoice.will_be_due" => Self::Invoice,
            "invoice.voided" | "invoice.marked_uncollectible" | "invoice.deleted" => Self::Invoice,
            "invoice_payment.paid" => Self::InvoicePayment,
            "checkout.session.completed" => Self::Checkout,
            "checkout.session.async_payment_succeeded" | "checkout.session.async_payment_failed" => Self::Checkout,
            "charge.refunded" => Self::ChargeRefunded,
            kind if kind.starts_with("charge.dispute.") => Self::Dispute,
            kind if kind.starts_with("charge.refund.") || kind.starts_with("refund.") => Self::Refund,
            kind if kind.starts_with("charge.") => Self::Charge,
            kind if kind.starts_with("payment_intent.") => Self::PaymentIntent,
            kind if WITHOUT_EFFECT.iter().any(|family| kind.starts_with(family)) => Self::Nothing,
            _ => return None,
        })
    }
}

/// The facts and edges of one event.
pub fn translate(part: &[u8]) -> Result<Translation, Unreadable> {
    let event = Event::read(part)?;
    if event.thin {
        return Ok(Translation::default());
    }
    match Meaning::of(&event.kind) {
        None => Ok(Translation { unknown_type: true, ..Translation::default() }),
        Some(Meaning::Nothing) => Ok(Translation::default()),
        Some(meaning) => Reading::new(&event)?.read(meaning),
    }
}

/// One event with an effect: what it carries, and what has come out of it so far.
pub struct Reading<'a> {
    pub event: &'a Event,
    pub object: &'a Value,
    pub created: DateTime<Utc>,
    pub out: Out,
}

impl<'a> Reading<'a> {
    fn new(event: &'a Event) -> Result<Self, Unreadable> {
        let object = event.object.as_ref().ok_or_else(|| json::unreadable("the event has no data.object"))?;
        let created = event.created.ok_or_else(|| json::unreadable("the event's `created` is missing or absurd"))?;
        let out = Out::new(event.id.clone(), event.api_version.clone(), event.id.clone());
        Ok(Self { event, object, created, out })
    }

    fn read(mut self, meaning: Meaning) -> Result<Translation, Unreadable> {
        match meaning {
            Meaning::Subscription { rank, deleted } => self.subscription(rank, deleted)?,
            Meaning::SubscriptionNotice => self.notice(EntityKind::Subscription),
            Meaning::Invoice => payments::invoice(&mut self),
            Meaning::InvoicePayment => payments::invoice_payment(&mut self),
            Meaning::Charge => payments::charge(&mut self, false),
            Meaning::ChargeRefunded => payments::charge(&mut self, true),
            Meaning::Refund => payments::refund(&mut self),
            Meaning::Dispute => payments::dispute(&mut self),
            Meaning::PaymentIntent => payments::payment_intent(&mut self),
            Meaning::Customer { rank, deleted } => self.customer(rank, deleted),
            Meaning::Checkout => self.checkout(),
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

    pub fn notice(&mut self, kind: EntityKind) {
        if let Some(entity) = self.this(kind) {
            self.say(&entity, 0, rank::NOTES, FactBody::Notice);
        }
    }

    fn subscription(&mut self, rank: u8, deleted: bool) -> Result<(), Unreadable> {
        let Some(subscription) = self.this(EntityKind::Subscription) else { return Ok(()) };
        let livemode = self.event.livemode;
        let after = snapshot::snapshot(self.object, livemode, deleted)?;
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

    /// <https://docs.stripe.com/api/checkout/sessions/object>. Mode `payment` has no effect yet.
    fn checkout(&mut self) {
        let (subscription, customer) = (self.at(EntityKind::Subscription, &["subscription"]), self.buyer());
        let invoice = self.at(EntityKind::Invoice, &["invoice"]);
        self.out.link(invoice.as_ref(), subscription.as_ref());
        self.out.link(subscription.as_ref(), customer.as_ref());
        let facts = json::at(self.object, "customer_details").map(person);
        self.copied_customer(self.created, facts.unwrap_or_default());
    }

    /// A copy of the customer inside another object. It ranks below the customer's own events.
    pub fn copied_customer(&mut self, at: DateTime<Utc>, facts: CustomerFacts) {
        let Some(customer) = self.buyer() else { return };
        if facts != CustomerFacts::default() {
            self.out.fact(&customer, at, 0, rank::NOTES, FactBody::Customer(facts));
        }
    }
}

/// <https://docs.stripe.com/api/customers/object>; Checkout's `customer_details` is alike.
fn person(customer: &Value) -> CustomerFacts {
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
