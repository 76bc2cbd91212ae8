//! What each type of event is about.
//! <https://developer.fastspring.com/reference/webhooks-overview>
//!
//! [`TYPES`] is the decision, type by type, with its reason; the first row that fits counts, and
//! a row that ends in a dot stands for a whole family.

use crate::providers::out::{meaning_of, rank};

/// How an event is read. Types of one meaning are read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// `data` is a subscription.
    Subscription {
        rank: u8,
    },
    SubscriptionNotice,
    /// `data` is a charge, with `subscription` and `order` in it.
    Charge {
        completed: bool,
    },
    /// `data.subscriptions` are subscriptions.
    Group,
    Order(Stage),
    Return,
    Chargeback,
    Payout,
    Account,
    FulfillmentFailed,
    /// Kept, and of no use to any license.
    Nothing,
}

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Completed,
    /// Taken back: what it opened is closed.
    Canceled,
    /// Not yet, or never.
    Open,
}

impl Meaning {
    /// `None`: a type nobody has told this build about.
    pub fn of(kind: &str) -> Option<Self> {
        meaning_of(TYPES, kind)
    }

    /// What becomes of such an event, in a word: `handled` (it can change a state), `linked` (it
    /// ties money to what it pays), `noted` (in the history of what it is about), `recorded`
    /// (kept alone).
    #[cfg(test)]
    pub fn decision(self) -> &'static str {
        match self {
            Self::Subscription { .. } | Self::Charge { .. } | Self::Group | Self::Return | Self::Chargeback => {
                "handled"
            }
            Self::Order(Stage::Completed | Stage::Canceled) | Self::Account => "handled",
            Self::Order(Stage::Open) | Self::Payout => "linked",
            Self::SubscriptionNotice | Self::FulfillmentFailed => "noted",
            Self::Nothing => "recorded",
        }
    }
}

const OPENS: Meaning = Meaning::Subscription { rank: rank::OPENS };
const CHANGES: Meaning = Meaning::Subscription { rank: rank::CHANGES };
const ENDS: Meaning = Meaning::Subscription { rank: rank::ENDS };

/// Type or family, meaning, and why.
#[rustfmt::skip] // a table
pub const TYPES: &[(&str, Meaning, &str)] = &[
    ("subscription.activated", OPENS, "the first snapshot, also of a trial"),
    ("subscription.updated", CHANGES, "product, quantity or next date may be others now"),
    ("subscription.canceled", CHANGES, "still active until its period ends"),
    ("subscription.uncanceled", CHANGES, "the end is withdrawn"),
    ("subscription.deactivated", ENDS, "the real end, whatever its dates say; also of managed subscriptions"),
    ("subscription.paused", CHANGES, "from the next rebill date on; until then only planned"),
    ("subscription.resumed", CHANGES, "in no page of FastSpring's, read like an update"),
    ("subscription.payment.overdue", CHANGES, "still in grace"),
    ("subscription.payment.reminder", Meaning::SubscriptionNotice, "a notice"),
    ("subscription.trial.reminder", Meaning::SubscriptionNotice, "a notice"),
    ("subscription.charge.completed", Meaning::Charge { completed: true }, "a rebill or proration is paid: its order, its subscription, the next date"),
    ("subscription.charge.failed", Meaning::Charge { completed: false }, "grace begins; nothing is cut"),
    ("subscription.group.updated", Meaning::Group, "every member is a subscription like any other"),
    ("subscription.group.payment.overdue", Meaning::Group, "every member is a subscription like any other"),

    ("order.completed", Meaning::Order(Stage::Completed), "the first payment, edges to subscriptions, and what was bought once"),
    ("order.canceled", Meaning::Order(Stage::Canceled), "closes what the order opened"),
    ("order.failed", Meaning::Order(Stage::Open), "nothing was bought; the edges are kept"),
    ("order.payment.pending", Meaning::Order(Stage::Open), "not paid yet"),
    ("order.approval.pending", Meaning::Order(Stage::Open), "not approved yet"),
    ("return.created", Meaning::Return, "all of an order takes it back, a part of it is for a person to see"),
    ("chargeback.created", Meaning::Chargeback, "suspends at once; a case of the processor, not of the order"),
    ("order.chargeback", Meaning::Chargeback, "the other name of chargeback.created"),
    ("fulfillment.failed", Meaning::FulfillmentFailed, "FastSpring could not deliver; licenses are ours to make"),
    ("payoutEntry.created", Meaning::Payout, "accounting, but it ties an order to its subscriptions"),

    ("account.created", Meaning::Account, "who the buyer is"),
    ("account.updated", Meaning::Account, "who the buyer is now"),

    ("quote.", Meaning::Nothing, "an offer; what is accepted becomes an order"),
    ("mailingListEntry.", Meaning::Nothing, "somebody who has bought nothing"),
    ("mailingListEntry", Meaning::Nothing, "somebody who has bought nothing"),
];
