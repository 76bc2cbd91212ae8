//! Overrides: what an admin decided about a subscription, outranking its provider until it is
//! withdrawn or runs out. They are facts of the source's own journal, so a question about the
//! past sees those of the past.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::dates::{first_date_at_or_after, midnight};
use super::fact::{Entity, EntityKind, Fact, FactBody, FactKey, Translation};
use super::state::Said;

/// The type of the event that grants one, and of the one that withdraws it.
pub const GRANTED: &str = "override_granted";
pub const WITHDRAWN: &str = "override_withdrawn";
/// How the dedupe keys of both begin; no provider's does.
pub const KEY_PREFIX: &str = "override:";
/// After everything a provider says of the same instant.
const RANK: u8 = u8::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideKind {
    /// A license without payment, until its date.
    Comp,
    /// No license, whatever was paid.
    Revoke,
    /// What was paid for lasts at least until this date.
    Extend,
}

impl OverrideKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Comp => "comp",
            Self::Revoke => "revoke",
            Self::Extend => "extend",
        }
    }
}

/// The event: who granted or withdrew what, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideEvent {
    pub id: String,
    pub subscription_id: String,
    /// Where the subscription is a part of a book: that book.
    #[serde(default)]
    pub book: Option<String>,
    pub kind: OverrideKind,
    /// Only the lines of this product; none: all.
    pub product_code: Option<String>,
    pub until: Option<DateTime<Utc>>,
    #[serde(default)]
    pub withdrawn: bool,
    /// When it was said, by our clock.
    pub at: DateTime<Utc>,
    pub who: String,
    pub reason: String,
}

/// What stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    pub subscription_id: String,
    pub kind: OverrideKind,
    pub product_code: Option<String>,
    pub until: Option<DateTime<Utc>>,
    pub withdrawn: bool,
}

/// The fact that an event of ours is.
///
/// # Errors
/// Its bytes are not what we write.
pub fn translate(bytes: &[u8], dedupe_key: &str) -> Result<Translation, serde_json::Error> {
    let said: OverrideEvent = serde_json::from_slice(bytes)?;
    let key =
        FactKey { at: said.at, within: 0, rank: RANK, external_id: dedupe_key.to_owned(), api_version: String::new() };
    let entity = match said.book {
        Some(book) => Entity::new(EntityKind::Book, book),
        None => Entity::subscription(said.subscription_id.as_str()),
    };
    let value = Override {
        subscription_id: said.subscription_id,
        kind: said.kind,
        product_code: said.product_code,
        until: said.until,
        withdrawn: said.withdrawn,
    };
    let fact = Fact {
        entity,
        key,
        identity: dedupe_key.to_owned(),
        by_event_clock: false,
        body: FactBody::Override { id: said.id, value },
    };
    Ok(Translation { facts: vec![fact.into()], ..Translation::default() })
}

/// What the overrides of a subscription come to for one product at an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effect {
    pub revoked: bool,
    /// Until when a license is given, or lengthened.
    pub comp: Option<DateTime<Utc>>,
    pub extend: Option<DateTime<Utc>>,
    /// The next instant at which this changes by itself.
    pub next: Option<DateTime<Utc>>,
}

/// Looks at what stands now. Of several the furthest date counts. What is given lasts as long as
/// a license with that date.
#[must_use]
pub fn effect(overrides: &BTreeMap<String, Said<Override>>, product_code: &str, now: DateTime<Utc>) -> Effect {
    let mut effect = Effect::default();
    let stands = |o: &&Override| !o.withdrawn && o.product_code.as_deref().is_none_or(|p| p == product_code);
    for value in overrides.values().map(|said| &said.value).filter(stands) {
        let until = value.until.map(|at| match value.kind {
            OverrideKind::Revoke => at,
            OverrideKind::Comp | OverrideKind::Extend => midnight(first_date_at_or_after(at)),
        });
        if until.is_some_and(|until| until <= now) {
            continue;
        }
        match value.kind {
            OverrideKind::Revoke => effect.revoked = true,
            OverrideKind::Comp => effect.comp = effect.comp.max(value.until),
            OverrideKind::Extend => effect.extend = effect.extend.max(value.until),
        }
        effect.next = [effect.next, until].into_iter().flatten().min();
    }
    effect
}
