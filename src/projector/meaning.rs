//! What stored events mean: bytes → facts, with every failure kept as a reason.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::domain::fact::{FactBody, Translation};
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

/// Different words of one event that are kept: an expanded order holds some hundreds.
const WORDS_MAX: usize = 2_000;
/// Shortest and longest word that could be an id.
const WORD_BYTES: std::ops::RangeInclusive<usize> = 4..=100;

/// From here on a word may be an id although it has no digit: one in fifty of FastSpring's ids of
/// 22 characters has none.
const PLAIN_BYTES_MIN: usize = 15;

/// What in these bytes could be an id: letters and digits, one digit at least where it is short.
fn words(bytes: &[u8]) -> Vec<String> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_id = |word: &[u8]| word.len() >= PLAIN_BYTES_MIN || word.iter().any(u8::is_ascii_digit);
    let could_be = |word: &&[u8]| WORD_BYTES.contains(&word.len()) && is_id(word);
    let mut found: BTreeSet<&[u8]> = BTreeSet::new();
    for word in bytes.split(|b| !is_part(b)).filter(could_be) {
        if found.len() == WORDS_MAX {
            break;
        }
        found.insert(word);
    }
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

/// A delivery may say only around its events that it is a test (a Salesforce message names the
/// sandbox in its own address): all that it says is one, and entitles nothing in a live source.
fn as_a_test(mut translation: Translation) -> Translation {
    for fact in &mut translation.facts {
        match &mut Arc::make_mut(fact).body {
            FactBody::Row(row) => row.livemode = false,
            FactBody::Subscription { after, before } => {
                after.livemode = false;
                before.iter_mut().for_each(|before| before.livemode = false);
            }
            _ => {}
        }
    }
    translation
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
    let understood = |translation| Meaning { position: event.position, translation, trouble: None, words: Vec::new() };
    if event.own && !is_override(event) {
        // An admin act that concerns this source: kept, and no word of its provider.
        return understood(Translation::default());
    }
    if event.event_type == UNREADABLE {
        return silent(EventStatus::Unreadable, "the delivery is well signed but is not what this provider sends");
    }
    let Some(bytes) = &event.bytes else { return silent(EventStatus::Recorded, "erased") };
    if is_override(event) {
        return match overrides::translate(bytes, &event.dedupe_key) {
            Ok(translation) => understood(translation),
            Err(_) => silent(EventStatus::Quarantined, "an override that this build cannot read"),
        };
    }
    match catch_unwind(AssertUnwindSafe(|| source.provider.translate(bytes, &event.headers, &source.settings))) {
        Ok(Ok(translation)) if translation.unknown_type => Meaning {
            trouble: Some((EventStatus::UnknownType, "a type this build does not know".to_owned())),
            ..understood(translation)
        },
        Ok(Ok(translation)) if event.livemode == Some(false) => understood(as_a_test(translation)),
        Ok(Ok(translation)) => understood(translation),
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
        let repeated = "id_000001 ".repeat(10_000) + "MbmPzrwFRfaKnQgXtyVuLk";
        assert_eq!(words(repeated.as_bytes()), ["MbmPzrwFRfaKnQgXtyVuLk", "id_000001"], "a word counts once");
    }

    /// A message of a sandbox says so in its own address, outside of its notifications.
    #[test]
    fn what_a_test_delivery_says_is_a_test() {
        let part =
            br#"<Notification><Id>04l5g0000000001AAA</Id><sObject xsi:type="sf:Asset"><sf:Id>02i5g000000aaaaAAA</sf:Id>
            <sf:AccountId>0015g00000aBcDeAAK</sf:AccountId><sf:LSL_Product_Code__c>PRO</sf:LSL_Product_Code__c>
            <sf:SystemModstamp>2026-01-05T10:00:00.000Z</sf:SystemModstamp></sObject></Notification>"#;
        let settings = crate::providers::SourceSettings { livemode: true, ..Default::default() };
        let provider = crate::providers::by_slug("salesforce").unwrap();
        let source = Source { name: "sf".into(), journal: 1, provider, settings, account: "main".into() };
        let now = chrono::Utc::now();
        let is_live = |livemode: Option<bool>| {
            let event = StoredEvent {
                journal: 1,
                position: 1,
                dedupe_key: "k".into(),
                external_id: "k".into(),
                event_type: "Asset".into(),
                occurred_at: None,
                livemode,
                received_at: now,
                recorded_at: now,
                carrier: 1,
                part: 1,
                headers: Vec::new(),
                own: false,
                bytes: Some(part.to_vec()),
            };
            let meaning = of(&source, &event);
            let row = meaning.translation.facts.into_iter().find_map(|fact| match &fact.body {
                FactBody::Row(row) => Some(row.livemode),
                _ => None,
            });
            row.expect("a row")
        };
        assert_eq!((is_live(None), is_live(Some(true)), is_live(Some(false))), (true, true, false));
    }
}
