//! What stored events mean: bytes → facts, with every failure kept as a reason.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::domain::fact::Translation;
use crate::domain::overrides;
use crate::ledger::read::StoredEvent;
use crate::projections::events::EventStatus;
use crate::registry::Source;

/// The type under which a delivery is kept that its provider cannot read.
pub const UNREADABLE: &str = "unreadable";

/// An event and what it came to.
pub struct Meaning {
    pub position: i64,
    pub translation: Translation,
    /// Set where the event has no facts for a reason of its own.
    pub trouble: Option<(EventStatus, String)>,
}

/// An admin's word in the source's journal. What providers send has headers and other keys.
fn is_override(event: &StoredEvent) -> bool {
    matches!(event.event_type.as_str(), overrides::GRANTED | overrides::WITHDRAWN)
        && event.dedupe_key.starts_with(overrides::KEY_PREFIX)
        && event.own
}

/// Translates one event. Nothing it holds can stop the journal: a panic is a reason like any other.
#[must_use]
pub fn of(source: &Source, event: &StoredEvent) -> Meaning {
    let silent = |status, why: &str| Meaning {
        position: event.position,
        translation: Translation::default(),
        trouble: Some((status, why.to_owned())),
    };
    if event.own && !is_override(event) {
        // An admin act that concerns this source: kept, and no word of its provider.
        return Meaning { position: event.position, translation: Translation::default(), trouble: None };
    }
    if event.event_type == UNREADABLE {
        return silent(EventStatus::Unreadable, "the delivery is well signed but is not what this provider sends");
    }
    let Some(bytes) = &event.bytes else { return silent(EventStatus::Recorded, "erased") };
    if is_override(event) {
        return match overrides::translate(bytes, &event.dedupe_key) {
            Ok(translation) => Meaning { position: event.position, translation, trouble: None },
            Err(_) => silent(EventStatus::Quarantined, "an override that this build cannot read"),
        };
    }
    match catch_unwind(AssertUnwindSafe(|| source.provider.translate(bytes, &event.headers, &source.settings))) {
        Ok(Ok(translation)) if translation.unknown_type => Meaning {
            position: event.position,
            translation,
            trouble: Some((EventStatus::UnknownType, "a type this build does not know".to_owned())),
        },
        Ok(Ok(translation)) => Meaning { position: event.position, translation, trouble: None },
        Ok(Err(unreadable)) => silent(EventStatus::Quarantined, &unreadable.0),
        Err(_) => silent(EventStatus::Quarantined, "the translator failed on this event"),
    }
}

/// What a batch means, in its order.
#[must_use]
pub fn all(source: &Source, batch: &[StoredEvent]) -> Vec<Meaning> {
    batch.iter().map(|event| of(source, event)).collect()
}
