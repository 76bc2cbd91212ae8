//! What facts say of money: payments with what they buy, refunds, disputes.

use std::ops::Not;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Item;

/// The state of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    Open,
    Paid,
    Failed,
    Voided,
    Uncollectible,
}

/// An invoice (Stripe) or rebill order (FastSpring) as it stood at the fact's instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    pub payment_id: String,
    pub status: PaymentStatus,
    /// Amount paid, in minor units, where the provider says so.
    pub amount_paid: Option<i64>,
    pub lines: Vec<PaymentLine>,
    /// What was bought, where subscriptions do not list it themselves (Shopify orders). Sorted
    /// by `item_id`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// Where it is an order of a shop: when it was made, and by whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purchase: Option<Purchase>,
}

/// How an order of a shop came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// What it buys is counted from here.
    pub at: DateTime<Utc>,
    /// Charged by a subscription app, not chosen by the buyer at a checkout.
    pub renews: bool,
    /// The order does not say when it was made: the instant is that of the telling, and the first
    /// one stands.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub is_guess: bool,
}

/// One line of a payment: the time it buys for an item. Lines that give money back (a negative
/// proration) buy none and are left out by the translators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<String>,
    /// The provider's price or product id, to find the item where `item_id` is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Not::not")]
    pub metered: bool,
    #[serde(default, skip_serializing_if = "Not::not")]
    pub proration: bool,
}

/// A refund or return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    pub refund_id: String,
    /// Money really went back (a failed or cancelled refund restores).
    pub succeeded: bool,
    /// Minor units, where integers; compared only with the total of the same payment.
    pub amount: Option<i64>,
    /// The provider itself says that all of the payment went back.
    pub full: bool,
    /// Only these products of the order went back; empty: all.
    pub products: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// A question, not a chargeback (Stripe `warning_*`).
    Inquiry,
    Open,
    Won,
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    pub dispute_id: String,
    pub status: DisputeStatus,
}
