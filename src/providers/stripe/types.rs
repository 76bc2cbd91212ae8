//! What each type of event is about. <https://docs.stripe.com/api/events/types>
//!
//! [`TYPES`] is the decision, type by type, with its reason; the first row that fits counts, and
//! a row that ends in a dot stands for a whole family. `invoice.` and `customer.subscription.`
//! are no families: a new member of them should be noticed.

use crate::providers::out::{meaning_of, rank};

/// How an event is read. Types of one meaning are read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Subscription {
        rank: u8,
        deleted: bool,
    },
    /// About a subscription, but its snapshot must never overwrite the state.
    SubscriptionNotice,
    Schedule,
    Invoice,
    /// An invoice that does not exist yet: it has no id.
    UpcomingInvoice,
    InvoicePayment,
    CreditNote,
    Charge,
    ChargeRefunded,
    Refund,
    Dispute,
    PaymentIntent,
    Customer {
        rank: u8,
        deleted: bool,
    },
    Entitlements,
    Checkout {
        rank: u8,
        failed: bool,
    },
    /// A product or price: a proposal for the catalog, never live input.
    Catalog {
        deleted: bool,
    },
    /// Kept, and of no use to any license.
    Nothing,
}

impl Meaning {
    /// `None`: a type nobody has told this build about.
    pub fn of(kind: &str) -> Option<Self> {
        meaning_of(TYPES, kind)
    }

    /// What becomes of such an event, in a word: `handled` (it can change a state), `linked` (it
    /// ties money to what it pays), `noted` (in the history of what it is about), `proposed`
    /// (to the catalog), `recorded` (kept alone).
    #[cfg(test)]
    pub fn decision(self) -> &'static str {
        match self {
            Self::Subscription { .. } | Self::Invoice | Self::ChargeRefunded | Self::Refund | Self::Dispute => {
                "handled"
            }
            Self::Customer { .. } | Self::Checkout { .. } => "handled",
            Self::InvoicePayment | Self::Charge | Self::PaymentIntent => "linked",
            Self::SubscriptionNotice
            | Self::Schedule
            | Self::UpcomingInvoice
            | Self::CreditNote
            | Self::Entitlements => "noted",
            Self::Catalog { .. } => "proposed",
            Self::Nothing => "recorded",
        }
    }
}

const OPENS: Meaning = Meaning::Subscription { rank: rank::OPENS, deleted: false };
const CHANGES: Meaning = Meaning::Subscription { rank: rank::CHANGES, deleted: false };
const ENDS: Meaning = Meaning::Subscription { rank: rank::ENDS, deleted: true };

/// Type or family, meaning, and why.
#[rustfmt::skip] // a table
pub const TYPES: &[(&str, Meaning, &str)] = &[
    ("customer.subscription.created", OPENS, "the whole subscription; often incomplete, and stale when it comes"),
    ("customer.subscription.updated", CHANGES, "renewal, plan, seats, status, cancellation, pause; an edge before → after"),
    ("customer.subscription.deleted", ENDS, "the end, at ended_at; Stripe never takes it back"),
    ("customer.subscription.paused", CHANGES, "the status paused, not pause_collection"),
    ("customer.subscription.resumed", CHANGES, "back from the status paused"),
    ("customer.subscription.pending_update_applied", CHANGES, "the pending items are the items now"),
    ("customer.subscription.pending_update_expired", CHANGES, "the items stay; what was pending never counted"),
    ("customer.subscription.trial_will_end", Meaning::SubscriptionNotice, "a notice, sent days before the end; its snapshot must overwrite nothing"),
    ("subscription_schedule.", Meaning::Schedule, "a plan; what comes of it is told by subscription events"),

    ("invoice.created", Meaning::Invoice, "its lines, not paid yet"),
    ("invoice.finalized", Meaning::Invoice, "its snapshot may say paid already"),
    ("invoice.finalization_failed", Meaning::Invoice, "nobody will pay it as it is"),
    ("invoice.updated", Meaning::Invoice, "may be the first to say paid"),
    ("invoice.sent", Meaning::Invoice, "to be paid by the customer: open"),
    ("invoice.paid", Meaning::Invoice, "the payment; also outside of Stripe, also of 0"),
    ("invoice.payment_succeeded", Meaning::Invoice, "the same fact as invoice.paid, of the same invoice"),
    ("invoice.payment_failed", Meaning::Invoice, "a try; ends nothing by itself"),
    ("invoice.payment_action_required", Meaning::Invoice, "a try that waits for the customer"),
    ("invoice.payment_attempt_required", Meaning::Invoice, "a try that waits for the seller"),
    ("invoice.overdue", Meaning::Invoice, "still open"),
    ("invoice.overpaid", Meaning::Invoice, "paid, and more"),
    ("invoice.will_be_due", Meaning::Invoice, "still open"),
    ("invoice.voided", Meaning::Invoice, "nobody will pay it; a gift while collection is paused"),
    ("invoice.marked_uncollectible", Meaning::Invoice, "nobody will pay it; a gift while collection is paused"),
    ("invoice.deleted", Meaning::Invoice, "a draft that is gone"),
    ("invoice.upcoming", Meaning::UpcomingInvoice, "no such invoice exists, and it has no id"),
    ("invoice_payment.paid", Meaning::InvoicePayment, "since basil the only edge from a payment intent to its invoice"),
    ("invoice_payment.", Meaning::InvoicePayment, "the same edge"),
    ("credit_note.", Meaning::CreditNote, "money that goes back has a refund of its own"),

    ("charge.refunded", Meaning::ChargeRefunded, "how much of a charge has gone back"),
    ("charge.refund.", Meaning::Refund, "the older name of refund.updated"),
    ("charge.dispute.", Meaning::Dispute, "open suspends, won restores, lost takes the payment back; an inquiry does nothing"),
    ("charge.", Meaning::Charge, "edges to payment intent and, before basil, invoice"),
    ("refund.", Meaning::Refund, "a refund that fails restores what it took"),
    ("payment_intent.", Meaning::PaymentIntent, "edges to invoice and charge; names no product"),

    ("checkout.session.completed", Meaning::Checkout { rank: rank::OPENS, failed: false }, "edges to subscription and buyer; mode payment: a purchase"),
    ("checkout.session.async_payment_succeeded", Meaning::Checkout { rank: rank::CHANGES, failed: false }, "the money of a slow method has come"),
    ("checkout.session.async_payment_failed", Meaning::Checkout { rank: rank::CHANGES, failed: true }, "it will not come"),
    ("checkout.session.expired", Meaning::Nothing, "nobody bought anything"),

    ("customer.created", Meaning::Customer { rank: rank::OPENS, deleted: false }, "who the buyer is"),
    ("customer.updated", Meaning::Customer { rank: rank::CHANGES, deleted: false }, "who the buyer is now"),
    ("customer.deleted", Meaning::Customer { rank: rank::ENDS, deleted: true }, "Stripe ends every subscription with it, and may say so in any order"),
    ("entitlements.", Meaning::Entitlements, "Stripe's own feature list; not sent at every end, so no authority"),

    ("product.created", Meaning::Catalog { deleted: false }, "proposed"),
    ("product.updated", Meaning::Catalog { deleted: false }, "proposed: what exists is never changed in silence"),
    ("product.deleted", Meaning::Catalog { deleted: true }, "proposed"),
    ("price.created", Meaning::Catalog { deleted: false }, "proposed"),
    ("price.updated", Meaning::Catalog { deleted: false }, "proposed: a subscription carries its price's metadata itself"),
    ("price.deleted", Meaning::Catalog { deleted: true }, "proposed"),
    ("plan.created", Meaning::Catalog { deleted: false }, "the older name of a price"),
    ("plan.updated", Meaning::Catalog { deleted: false }, "the older name of a price"),
    ("plan.deleted", Meaning::Catalog { deleted: true }, "the older name of a price"),

    ("coupon.", Meaning::Nothing, "what it costs is no matter of a license"),
    ("customer.discount.", Meaning::Nothing, "what it costs is no matter of a license"),
    ("promotion_code.", Meaning::Nothing, "what it costs is no matter of a license"),
    ("invoiceitem.", Meaning::Nothing, "counts when it is a line of a paid invoice"),
    ("quote.", Meaning::Nothing, "an offer; what is accepted becomes a subscription"),
    ("payment_link.", Meaning::Nothing, "a place to buy; purchases are checkout sessions"),
    ("billing.", Meaning::Nothing, "use, alerts and credits: billed in arrears, licenses are not"),
    ("billing_portal.", Meaning::Nothing, "what the customer does there is told by its own events"),

    ("customer.bank_account.", Meaning::Nothing, "a means of payment"),
    ("customer.card.", Meaning::Nothing, "a means of payment"),
    ("customer.source.", Meaning::Nothing, "a means of payment"),
    ("customer.tax_id.", Meaning::Nothing, "taxes"),
    ("customer_cash_balance_transaction.", Meaning::Nothing, "counts when it pays an invoice"),
    ("cash_balance.", Meaning::Nothing, "counts when it pays an invoice"),
    ("mandate.", Meaning::Nothing, "a means of payment"),
    ("payment_method.", Meaning::Nothing, "a means of payment"),
    ("setup_intent.", Meaning::Nothing, "a means of payment"),
    ("source.", Meaning::Nothing, "a means of payment"),
    ("radar.", Meaning::Nothing, "a suspicion; a dispute has its own events"),
    ("review.", Meaning::Nothing, "a suspicion; a refund has its own events"),

    ("account.", Meaning::Nothing, "the seller's own"),
    ("application_fee.", Meaning::Nothing, "the seller's own"),
    ("balance.", Meaning::Nothing, "the seller's own"),
    ("balance_settings.", Meaning::Nothing, "the seller's own"),
    ("capability.", Meaning::Nothing, "the seller's own"),
    ("climate.", Meaning::Nothing, "another product of Stripe"),
    ("crypto.", Meaning::Nothing, "another product of Stripe"),
    ("file.", Meaning::Nothing, "the seller's own"),
    ("financial_connections.", Meaning::Nothing, "another product of Stripe"),
    ("fx_quote.", Meaning::Nothing, "another product of Stripe"),
    ("gift_card.", Meaning::Nothing, "another product of Stripe"),
    ("identity.", Meaning::Nothing, "another product of Stripe"),
    ("issuing_authorization.", Meaning::Nothing, "another product of Stripe"),
    ("issuing_card.", Meaning::Nothing, "another product of Stripe"),
    ("issuing_cardholder.", Meaning::Nothing, "another product of Stripe"),
    ("issuing_dispute.", Meaning::Nothing, "another product of Stripe"),
    ("issuing_personalization_design.", Meaning::Nothing, "another product of Stripe"),
    ("issuing_settlement.", Meaning::Nothing, "another product of Stripe"),
    ("issuing_token.", Meaning::Nothing, "another product of Stripe"),
    ("issuing_transaction.", Meaning::Nothing, "another product of Stripe"),
    ("payout.", Meaning::Nothing, "the seller's own"),
    ("person.", Meaning::Nothing, "the seller's own"),
    ("ping", Meaning::Nothing, "nothing at all"),
    ("reporting.", Meaning::Nothing, "the seller's own"),
    ("reserve.", Meaning::Nothing, "the seller's own"),
    ("sigma.", Meaning::Nothing, "the seller's own"),
    ("tax.", Meaning::Nothing, "taxes"),
    ("tax_rate.", Meaning::Nothing, "taxes"),
    ("terminal.", Meaning::Nothing, "another product of Stripe"),
    ("test_helpers.", Meaning::Nothing, "a simulated clock; what it moves is told by its own events"),
    ("topup.", Meaning::Nothing, "the seller's own"),
    ("transfer.", Meaning::Nothing, "the seller's own"),
    ("treasury.", Meaning::Nothing, "another product of Stripe"),
];
