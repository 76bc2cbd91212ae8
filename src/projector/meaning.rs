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
    /// Of an event that cannot be read: every word in it that could be an id.
    pub words: Vec<String>,
}

/// Words of one event that are kept.
const WORDS_MAX: usize = 500;
/// Shortest and longest word that could be an id.
const WORD_BYTES: std::ops::RangeInclusive<usize> = 4..=100;

/// What in these bytes could be an id: letters and digits, one digit at least.
fn words(bytes: &[u8]) -> Vec<String> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let could_be = |word: &&[u8]| WORD_BYTES.contains(&word.len()) && word.iter().any(u8::is_ascii_digit);
    let found: std::collections::BTreeSet<&[u8]> =
        bytes.split(|b| !is_part(b)).filter(could_be).take(WORDS_MAX).collect();
    found.into_iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// A word of an event that could not be read, as it is written in the table of mentions.
#[must_use]
pub fn word_key(word: &str) -> String {
    format!("word:{word}")
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
        words: match status {
            EventStatus::Quarantined | EventStatus::Unreadable => words(event.bytes.as_deref().unwrap_or_default()),
            _ => Vec::new(),
        },
    };
    if event.own && !is_override(event) {
        // An admin act that concerns this source: kept, and no word of its provider.
        return Meaning {
            position: event.position,
            translation: Translation::default(),
            trouble: None,
            words: Vec::new(),
        };
    }
    if event.event_type == UNREADABLE {
        return silent(EventStatus::Unreadable, "the delivery is well signed but is not what this provider sends");
    }
    let Some(bytes) = &event.bytes else { return silent(EventStatus::Recorded, "erased") };
    if is_override(event) {
        return match overrides::translate(bytes, &event.dedupe_key) {
            Ok(translation) => Meaning { position: event.position, translation, trouble: None, words: Vec::new() },
            Err(_) => silent(EventStatus::Quarantined, "an override that this build cannot read"),
        };
    }
    match catch_unwind(AssertUnwindSafe(|| source.provider.translate(bytes, &event.headers, &source.settings))) {
        Ok(Ok(translation)) if translation.unknown_type => Meaning {
            position: event.position,
            translation,
            trouble: Some((EventStatus::UnknownType, "a type this build does not know".to_owned())),
            words: Vec::new(),
        },
        Ok(Ok(translation)) => Meaning { position: event.position, translation, trouble: None, words: Vec::new() },
        Ok(Err(unreadable)) => silent(EventStatus::Quarantined, &unreadable.0),
        Err(_) => silent(EventStatus::Quarantined, "the translator failed on this event"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_an_id_is_found_in_any_bytes() {
        let bytes = b"\xff{\"id\":\"sub_1Abc\",x:820982911946154508 word a1 <Id>02i5g000001abcdAAA</Id>";
        assert_eq!(words(bytes), ["02i5g000001abcdAAA", "820982911946154508", "sub_1Abc"]);
        assert_eq!(words(&[]), Vec::<String>::new());
        let many: String = (0..10_000).map(|n| format!("id_{n:06} ")).collect();
        assert_eq!(words(many.as_bytes()).len(), WORDS_MAX);
    }
}
