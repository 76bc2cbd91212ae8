//! Facts: what an event means, in provider-neutral words.
//!
//! A fact is addressed to one [`Entity`] and carries a [`FactKey`] made of the provider's own
//! data only, so that the set of facts has one order however they arrived.

use std::collections::BTreeMap;
use std::ops::Not;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::dates::Interval;
use super::overrides::Override;
use super::rows::Row;

mod money;

pub use money::{Dispute, DisputeStatus, Payment, PaymentLine, PaymentStatus, Purchase, Refund};

/// The kind of thing a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    Subscription,
    /// An invoice, or a rebill: what a payment pays.
    Invoice,
    /// Stripe's payment intent: the link between a charge and an invoice.
    PaymentIntent,
    Charge,
    /// A shop order (FastSpring, Shopify).
    Order,
    Refund,
    Dispute,
    Customer,
    /// A product or price of the provider's catalog.
    Product,
    /// Everything one buyer ordered, where no subscription says what belongs together.
    Book,
    /// A record of a sale, where the provider keeps records and no subscriptions (Salesforce).
    Row,
}

impl EntityKind {
    /// The short name used in the `mentions` and `links` tables.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Subscription => "sub",
            Self::Invoice => "inv",
            Self::PaymentIntent => "pi",
            Self::Charge => "ch",
            Self::Order => "ord",
            Self::Refund => "re",
            Self::Dispute => "dp",
            Self::Customer => "cus",
            Self::Product => "prod",
            Self::Book => "book",
            Self::Row => "row",
        }
    }
}

/// One thing of one source: kind and the provider's own id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    pub kind: EntityKind,
    pub id: String,
}

impl Entity {
    #[must_use]
    pub fn new(kind: EntityKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
    #[must_use]
    pub fn subscription(id: impl Into<String>) -> Self {
        Self::new(EntityKind::Subscription, id)
    }
    #[must_use]
    pub fn customer(id: impl Into<String>) -> Self {
        Self::new(EntityKind::Customer, id)
    }
    /// `sub:sub_1`: how it is written in the tables.
    #[must_use]
    pub fn key(&self) -> String {
        [self.kind.prefix(), ":", &self.id].concat()
    }
}

/// A timeless edge: `child` belongs to `parent` (charge → payment intent → invoice →
/// subscription → customer; FastSpring order → subscription). Many-to-many.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    pub child: Entity,
    pub parent: Entity,
}

/// The total order of facts. Only the provider's own data goes into it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FactKey {
    /// The provider's instant (Stripe `created`, to the second; FastSpring `changed`, to the millisecond).
    pub at: DateTime<Utc>,
    /// Order inside the instant where the provider has one (FastSpring `events[].created`, a revision), else 0.
    pub within: i64,
    /// Type rank: created < notices < updates < ends.
    pub rank: u8,
    /// The provider's event id.
    pub external_id: String,
    /// The API version the event was rendered in, or empty.
    pub api_version: String,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub entity: Entity,
    pub key: FactKey,
    /// Two facts of one entity with the same identity count once, the smaller key standing.
    /// Stripe: the event id (one event may be rendered in two API versions). FastSpring: a hash
    /// of the content, because a manual resend carries a new id.
    pub identity: String,
    /// The clock is that of the event, not of what it speaks of: a resend of the same content
    /// carries a later one, and only the whole set tells the two apart.
    #[serde(default)]
    pub by_event_clock: bool,
    pub body: FactBody,
}

/// What the fact says. Whole values: a later fact of the same id replaces the earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum FactBody {
    /// A whole snapshot of a subscription. With `before`, an edge *before → after* inside one instant.
    Subscription {
        after: Box<Snapshot>,
        before: Option<Box<Snapshot>>,
    },
    /// An invoice or rebill, as it stands.
    Payment(Payment),
    Refund(Refund),
    /// A charge's running total of what was given back (Stripe `charge.refunded`).
    ChargeRefunds {
        amount: i64,
        amount_refunded: i64,
        full: bool,
    },
    Dispute(Dispute),
    Customer(CustomerFacts),
    /// What an admin decided, or took back.
    Override {
        id: String,
        value: Override,
    },
    /// A record of a sale, as it stands.
    Row(Box<Row>),
    /// A product or price as the provider now has it: proposed for the catalog, never live input.
    Proposal(Proposal),
    /// Understood, without effect on any license (reminders, notices, links alone).
    Notice,
}

/// A subscription's status in provider-neutral words. Terminal is a property of the
/// provider's snapshot ([`Snapshot::terminal`]), not of the word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Incomplete,
    Trialing,
    Active,
    PastDue,
    Unpaid,
    Paused,
    Canceled,
    #[default]
    Unknown,
}

impl Status {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
            Self::Unknown => "unknown",
        }
    }
}

/// How collection is paused while the status stays active (Stripe `pause_collection`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseCollection {
    /// `keep_as_draft`, `mark_uncollectible`, `void`, or what the provider adds next.
    pub behavior: String,
    pub resumes_at: Option<DateTime<Utc>>,
}

/// The snapshot fields of a subscription that can matter to a license.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub status: Status,
    /// The provider's word, verbatim.
    pub provider_status: String,
    /// The provider's word is final: nothing but the same word can follow it.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub terminal: bool,
    /// `false`: test mode. Entitles nothing in a live source.
    pub livemode: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial_end: Option<DateTime<Utc>>,
    /// When a scheduled cancellation takes effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_collection: Option<PauseCollection>,
    /// Sorted by `item_id`.
    pub items: Vec<Item>,
    /// `false`: the list was cut off (`has_more`); absence proves nothing.
    pub items_complete: bool,
    /// Where the provider's coverage is in the snapshot itself (FastSpring `next`): paid through here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_through: Option<DateTime<Utc>>,
    /// The provider's own version of the object, where it has one (Shopify `revision_id`): a
    /// lower one never replaces a higher one, whatever the clocks say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// How long a payment lasts that does not say so itself (Shopify's billing policy).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Canceled in a way that leaves what was paid for: the provider has no cancellation at the
    /// end of a period (Shopify).
    #[serde(default, skip_serializing_if = "Not::not")]
    pub runs_out: bool,
    /// The products are only named: what else a fuller snapshot said of the same ones stays
    /// (FastSpring, where a subscription is part of an order).
    #[serde(default, skip_serializing_if = "Not::not")]
    pub named_only: bool,
}

/// One product line as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The provider's, else `main`.
    pub item_id: String,
    pub product: ProductRef,
    /// Seats. `None`: the provider counts none (metered).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_start: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_end: Option<DateTime<Utc>>,
    /// Billed in arrears by use: its lines never count as coverage.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub metered: bool,
    /// Bought once, not rented: covered without end by a payment that was not lost.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub one_off: bool,
}

/// What names a product at the provider: `price`, `product`, `lookup_key`, `path`, `sku`, …
/// and, under `attributes`, LicenseSpring's integration keys that were found on it
/// (`license_policy`, `product_short_code`, `license_type`, `max_activations`, …).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProductRef {
    #[serde(flatten)]
    pub keys: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// Integration keys of LicenseSpring that are read from price metadata or product attributes.
/// Source: docs.licensespring.com/integrations (Stripe, FastSpring).
pub const INTEGRATION_KEYS: [&str; 7] = [
    "license_policy",
    "product_short_code",
    "license_type",
    "max_activations",
    "floating_cloud",
    "floating_users_from_quantity",
    "valid_duration",
];

/// The attribute that holds the features of a Shopify SKU, `Feature1:Feature2`.
pub const SKU_FEATURES: &str = "features";

/// What is known of the buyer. Identity is the id, never the e-mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerFacts {
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub company: Option<String>,
    pub deleted: bool,
}

/// A text as it is looked for: in lower case, of which the Greek s has two.
#[must_use]
pub fn searched(text: &str) -> String {
    text.to_lowercase().replace('ς', "σ")
}

impl CustomerFacts {
    /// All of it that names somebody, as it is looked for.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let words = [&self.email, &self.first_name, &self.last_name, &self.company].into_iter().flatten();
        let words: Vec<String> = words.map(|word| searched(word)).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

/// A product or price of the provider, for whoever writes the catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub product: ProductRef,
    pub name: Option<String>,
    /// Still for sale.
    pub active: bool,
}

/// Between what an event lacks and what is to be done about it.
pub const LACK_ENDS: &str = ": ";

/// What one event came to: facts, edges, and whether it was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translation {
    /// Shared: an event may speak of several subscriptions, and of large ones.
    pub facts: Vec<Arc<Fact>>,
    pub links: Vec<Link>,
    /// The event's type is not one this provider's translator knows: stored and counted.
    pub unknown_type: bool,
    /// What the event should have said and did not, in plain words, [`LACK_ENDS`], and the fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}
