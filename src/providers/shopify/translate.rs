//! What an event means. <https://shopify.dev/docs/api/webhooks?reference=toml>
//!
//! [`Meaning::of`] is the table of topics. The clock of an object is its own `updated_at` where
//! it has one, else `X-Shopify-Triggered-At`, which also decides inside one second of the former;
//! contracts are ordered by their revision before any clock. A fact is identified by its content,
//! because a delivery that was made twice has two webhook ids.

use super::wire::{Clock, Event, reference};
use super::{contracts, orders, topic};
use crate::domain::fact::{CustomerFacts, Entity, EntityKind, FactBody, Translation};
use crate::providers::json::Value;
use crate::providers::out::{Out, rank};
use crate::providers::{SourceSettings, Unreadable, json};

#[derive(Clone, Copy)]
enum Meaning {
    /// The body is one of our own subscription contracts.
    Contract {
        rank: u8,
    },
    Attempt {
        succeeded: bool,
    },
    /// The body is an order.
    Order,
    OrderEdit,
    Refund,
    Dispute,
    Customer,
    /// Understood, without effect; about the thing under this key.
    Notice(EntityKind, &'static str),
    /// Known, and about no customer of ours.
    Nothing,
}

impl Meaning {
    fn of(topic: &str) -> Option<Self> {
        Some(match topic {
            "subscription_contracts/create" => Self::Contract { rank: rank::OPENS },
            "subscription_contracts/update" | "subscription_contracts/activate" => {
                Self::Contract { rank: rank::CHANGES }
            }
            "subscription_contracts/pause" => Self::Contract { rank: rank::CHANGES },
            "subscription_contracts/cancel" | "subscription_contracts/expire" => Self::Contract { rank: rank::ENDS },
            "subscription_contracts/fail" => Self::Contract { rank: rank::ENDS },
            "subscription_billing_attempts/success" => Self::Attempt { succeeded: true },
            "subscription_billing_attempts/failure" => Self::Attempt { succeeded: false },
            "subscription_billing_attempts/challenged" => Self::Attempt { succeeded: false },
            "orders/create" | "orders/paid" | "orders/updated" | "orders/cancelled" => Self::Order,
            "orders/fulfilled" | "orders/partially_fulfilled" => Self::Order,
            "orders/edited" => Self::OrderEdit,
            "orders/delete" => Self::Notice(EntityKind::Order, "id"),
            "refunds/create" => Self::Refund,
            "disputes/create" | "disputes/update" => Self::Dispute,
            "customers/create" | "customers/update" | "customers/enable" | "customers/disable" => Self::Customer,
            "customers/delete" => Self::Notice(EntityKind::Customer, "id"),
            // The law's topics: what must be erased or handed out is an act of a person.
            "customers/data_request" | "customers/redact" => Self::Notice(EntityKind::Customer, "customer"),
            topic if topic.starts_with("subscription_billing_cycle") => {
                Self::Notice(EntityKind::Subscription, "subscription_contract_id")
            }
            topic if topic.starts_with("customer_payment_methods/") => {
                Self::Notice(EntityKind::Customer, "customer_id")
            }
            "shop/redact" | "shop/update" => Self::Nothing,
            topic if topic.starts_with("app/") || topic.starts_with("app_") => Self::Nothing,
            _ => return None,
        })
    }
}

/// The facts and edges of one event.
pub fn translate(
    part: &[u8],
    headers: &[(String, String)],
    settings: &SourceSettings,
) -> Result<Translation, Unreadable> {
    let event = Event::read(part, headers)?;
    match Meaning::of(&event.topic) {
        None => Ok(Translation { unknown_type: true, ..Translation::default() }),
        Some(meaning) => {
            topic::check(&event.topic, &json::object(json::utf8(part)?)?)?;
            Reading::new(&event, settings).read(meaning)
        }
    }
}

/// One event: what it carries, and what has come out of it so far.
pub struct Reading<'a> {
    pub event: &'a Event<'a>,
    pub body: &'a Value<'a>,
    pub settings: &'a SourceSettings,
    /// A test delivery in a live source: nothing of it counts as money.
    pub worthless: bool,
    pub out: Out,
}

impl<'a> Reading<'a> {
    fn new(event: &'a Event<'a>, settings: &'a SourceSettings) -> Self {
        let out = Out::new(event.id.clone(), event.api_version.clone(), event.content.clone());
        Self { event, body: &event.body, settings, worthless: event.is_test && settings.livemode, out }
    }

    fn read(mut self, meaning: Meaning) -> Result<Translation, Unreadable> {
        match meaning {
            Meaning::Contract { rank } => contracts::contract(&mut self, rank)?,
            Meaning::Attempt { succeeded } => contracts::attempt(&mut self, succeeded)?,
            Meaning::Order => orders::order(&mut self)?,
            Meaning::OrderEdit => self.notice(EntityKind::Order, json::at(self.body, "order_edit"), "order_id")?,
            Meaning::Refund => orders::refund(&mut self)?,
            Meaning::Dispute => orders::dispute(&mut self)?,
            Meaning::Customer => self.customer(Some(self.body), None, rank::CHANGES)?,
            // An object with an id of its own, or the id itself.
            Meaning::Notice(kind, key) => self.notice(kind, Some(self.body), key)?,
            Meaning::Nothing => {}
        }
        Ok(self.out.finish())
    }

    /// What `key` of the body refers to.
    pub fn refers(&self, kind: EntityKind, key: &str) -> Option<Entity> {
        reference(kind, self.body, key)
    }

    pub fn say(&mut self, entity: &Entity, clock: Clock, rank: u8, body: FactBody) {
        self.say_within(entity, clock, self.event.within(), rank, body);
    }

    /// As [`Reading::say`], of what has an order of its own inside one instant.
    pub fn say_within(&mut self, entity: &Entity, clock: Clock, within: i64, rank: u8, body: FactBody) {
        // A copy of the buyer is told again with every delivery, long after it was new.
        self.out.by_event_clock = !clock.is_own || entity.kind == EntityKind::Customer;
        self.out.fact(entity, clock.at, within, rank, body);
    }

    fn notice(&mut self, kind: EntityKind, holder: Option<&Value<'_>>, key: &str) -> Result<(), Unreadable> {
        let Some(about) = holder.and_then(|holder| reference(kind, holder, key)) else { return Ok(()) };
        let clock = self.event.at(&["updated_at", "created_at", "cycle_start_at"]);
        // Without any time there is nothing to say, and nothing is lost by it.
        if let Ok(clock) = clock {
            self.say(&about, clock, rank::NOTES, FactBody::Notice);
        }
        Ok(())
    }

    /// What is said of a buyer. Without approval for protected data these keys are absent.
    pub fn customer(
        &mut self,
        customer: Option<&Value<'_>>,
        order: Option<&Value<'_>>,
        rank: u8,
    ) -> Result<(), Unreadable> {
        let Some(entity) = customer.and_then(|customer| reference(EntityKind::Customer, customer, "id")) else {
            return Ok(());
        };
        let of = |holder: Option<&Value<'_>>, path: &str| json::text_at(holder?, path);
        let facts = CustomerFacts {
            email: ["email", "contact_email"]
                .iter()
                .find_map(|key| of(order, key))
                .or_else(|| of(customer, "email"))
                .or_else(|| noted_email(order?)),
            first_name: of(customer, "first_name"),
            last_name: of(customer, "last_name"),
            company: of(order, "billing_address/company").or_else(|| of(customer, "default_address/company")),
            deleted: false,
        };
        if facts != CustomerFacts::default() {
            let clock = self.event.at(&["updated_at", "processed_at", "created_at"])?;
            self.say(&entity, clock, rank, FactBody::Customer(facts));
        }
        Ok(())
    }
}

/// Names, letters alone, under which a checkout notes whom the license is for.
const NOTED: [&str; 4] = ["email", "customeremail", "contactemail", "licenseemail"];

/// The address that a checkout asked for itself and wrote into the order's attributes.
fn noted_email(order: &Value<'_>) -> Option<String> {
    let letters = |name: &str| name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    let is_noted =
        |note: &&Value<'_>| json::text_at(note, "name").is_some_and(|name| NOTED.contains(&&*letters(&name)));
    let notes = json::list(order, "note_attributes").iter().filter(is_noted);
    notes.filter_map(|note| json::text_at(note, "value")).find(|value| value.contains('@'))
}
