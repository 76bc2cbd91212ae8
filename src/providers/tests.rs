//! What every provider promises, exercised on every one of [`PROVIDERS`]; and every sample
//! payload there is, whole and mangled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use bodies::{a_body, bodies};
pub use lives::{lines_of, state_of};

mod bodies;
mod expected;
mod lives;

/// What `verify` says.
pub type Verdict = Result<(), Refusal>;

/// The sample payloads beside the project. They are read where they are; without them the tests
/// that need them say so and pass, except in CI.
pub fn fixtures(folder: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures")).join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "the sample payloads are missing in CI");
    println!("skipped: no sample payloads in {}", path.display());
    None
}

/// Every JSON or XML file under a folder of the samples, with its name.
pub fn samples(folder: &str) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), Vec::from_iter(fixtures(folder)));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json" || extension == "xml") {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub fn settings(secrets: &[&str]) -> SourceSettings {
    SourceSettings {
        secrets: secrets.iter().map(|s| SecretString::from(*s)).collect(),
        livemode: true,
        shop_domain: Some("{shop}.myshopify.com".to_owned()), // as the samples have it
        organization_ids: vec!["00D5g00000AbCdE".to_owned(), "00Dxx0000001gPF".to_owned()],
        ..SourceSettings::default()
    }
}

/// Cuts a body that came without headers.
pub fn split(provider: &dyn Provider, body: &[u8]) -> Result<Vec<EventHint>, Unreadable> {
    provider.split(&Request { headers: &[], body, url_token: None })
}

/// The headers with which a body would come.
fn headers_of(provider: &dyn Provider, body: &[u8]) -> Vec<(String, String)> {
    provider.sign(body, &settings(&["right"]), instant("2026-04-01T10:00:00Z"))
}

fn verify(
    provider: &dyn Provider,
    body: &[u8],
    headers: &[(String, String)],
    secrets: &[&str],
    now: DateTime<Utc>,
) -> Verdict {
    provider.verify(&Request { headers, body, url_token: None }, &settings(secrets), now)
}

#[test]
fn keys_are_printable_and_short() {
    for kept in ["evt_1", "acct_1:evt_1@2026-03-25.dahlia", " ", &"x".repeat(KEY_BYTES_MAX)] {
        assert_eq!(printable_key(kept), kept);
    }
    for replaced in ["", "a\0b", "line\nbreak", "\u{7f}", "größe", &"x".repeat(KEY_BYTES_MAX + 1)] {
        let key = printable_key(replaced);
        assert!(key.starts_with("sha256:") && key.len() == 71, "{replaced:?} became {key}");
    }
    assert_eq!(printable_key("a\0b"), hashed_key(b"a\0b"));
}

#[test]
fn a_slug_finds_its_provider() {
    for provider in PROVIDERS {
        assert_eq!(by_slug(provider.slug()).unwrap().slug(), provider.slug());
        assert!(provider.kept_headers().iter().all(|name| *name == name.to_lowercase()));
    }
    assert!(by_slug("nobody").is_none());
}

#[test]
fn what_is_signed_is_accepted_and_nothing_else() {
    let now = instant("2026-04-01T10:00:00Z");
    for provider in PROVIDERS {
        let body = a_body(provider).as_bytes();
        let signed = provider.sign(body, &settings(&["right"]), now);
        let check =
            |body: &[u8], headers: &[(String, String)], secrets: &[&str]| verify(provider, body, headers, secrets, now);
        assert_eq!(check(body, &signed, &["right"]), Ok(()));
        assert_eq!(check(body, &signed, &["old", "right"]), Ok(()));
        assert_eq!(check(body, &signed, &["right", "new"]), Ok(()));
        assert_eq!(check(body, &signed, &["wrong"]), Err(Refusal::WrongSignature));
        assert_eq!(check(b"{}", &signed, &["right"]), Err(Refusal::WrongSignature));
        assert_eq!(check(&body[1..], &signed, &["right"]), Err(Refusal::WrongSignature));
        assert_eq!(check(body, &[], &["right"]), Err(Refusal::MissingSignature));
        assert_eq!(check(body, &signed, &[]), Err(Refusal::NoSecret));
        // An empty secret would let everybody sign.
        let forged = provider.sign(body, &settings(&[""]), now);
        assert_eq!(check(body, &forged, &[""]), Err(Refusal::NoSecret));
        assert_eq!(check(body, &forged, &["", "right"]), Err(Refusal::WrongSignature));
        for garbage in ["", " ", "x", "=", ",", "t=,v1=", "ä=ö", "t=1", "v1=00", "====", "\0"] {
            let headers: Vec<_> = signed.iter().map(|(name, _)| (name.clone(), garbage.to_owned())).collect();
            let refusal = check(body, &headers, &["right"]).unwrap_err();
            assert!(
                matches!(refusal, Refusal::MissingSignature | Refusal::MalformedSignature),
                "{garbage:?}: {refusal}"
            );
        }
    }
}

#[test]
fn an_unreadable_body_is_refused_in_plain_words_that_do_not_quote_it() {
    let deep =
        format!("{{\"events\":[],\"id\":\"SECRET\",\"type\":\"x\",\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let bodies: [&[u8]; 14] = [
        b"",
        b"   ",
        b"SECRET",
        b"\"SECRET\"",
        b"[\"SECRET\",\"SECRET\",1,true]",
        b"null",
        b"{\"SECRET\":1}",
        b"{\"id\":\"SECRET\"}",
        b"{\"events\":\"SECRET\"}",
        b"{\"events\":null,\"type\":\"SECRET\"}",
        b"{\"id\":\"SECRET\",\"type\":\"SEC",
        b"{\"id\":\"SECRET\",\"type\":\"x\",\"events\":[],,}",
        b"\xEF\xBB\xBF{\"id\":\"SECRET\",\"type\":\"x\",\"events\":[]}",
        b"{\"id\":\"SECRET\xFF\",\"type\":\"x\",\"events\":[]}",
    ];
    for provider in PROVIDERS {
        for body in bodies {
            let Unreadable(reason) = split(provider, body).unwrap_err();
            assert!(!reason.is_empty() && !reason.contains("SEC"), "{}: {reason}", provider.slug());
            assert!(provider.translate(body, &[], &settings(&[])).is_err());
        }
    }
    assert!(split(&stripe::Stripe, deep.as_bytes()).unwrap_err().0.contains("deep"));
    let element = format!("{{\"events\":[{deep},{{\"id\":\"e\",\"type\":\"t\"}}]}}");
    let events = split(&fastspring::FastSpring, element.as_bytes()).unwrap();
    assert_eq!([UNREADABLE, "t"], [&*events[0].event_type, &*events[1].event_type]);
}

#[test]
fn white_space_around_the_body_is_json() {
    for provider in PROVIDERS {
        let headers = headers_of(provider, a_body(provider).as_bytes());
        let count = |body: &str| {
            let request = Request { headers: &headers, body: body.as_bytes(), url_token: None };
            provider.split(&request).unwrap().len()
        };
        assert_eq!(count(&format!("\r\n\t {} \n", a_body(provider))), count(a_body(provider)));
    }
}

/// The project's file under `tests/fixtures`.
pub fn own_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Every documented type is decided as written down; `decide` says `None` of a type it does not know.
pub fn check_types(file: &str, decide: impl Fn(&str) -> Option<&'static str>) {
    let text = std::fs::read_to_string(own_file(file)).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
    let mut count = 0;
    for (decision, kind) in rows {
        assert_eq!(decide(kind).unwrap_or("unknown"), decision, "{kind}");
        count += 1;
    }
    assert!(count > 30, "{file} is too short to be all");
}

/// Cuts and translates, and checks what must hold for every body on earth.
fn exercise(provider: &dyn Provider, body: &[u8]) {
    let headers = headers_of(provider, body);
    let settings = settings(&["right"]);
    let request = Request { headers: &headers, body, url_token: None };
    let Ok(blanked) = provider.blank(&request) else { return };
    assert!(blanked.iter().all(|range| range.start < range.end && range.end <= body.len()));
    let Ok(events) = provider.split(&request) else { return };
    let mut end = 0;
    for event in events {
        assert!(event.range.start >= end && event.range.end <= body.len() && event.range.start < event.range.end);
        end = event.range.end;
        for key in [&event.dedupe_key, &event.external_id, &event.event_type] {
            assert_eq!(&printable_key(key), key);
        }
        let part = &body[event.range];
        if let Ok(translation) = provider.translate(part, &headers, &settings) {
            assert_eq!(Ok(&translation), provider.translate(part, &headers, &settings).as_ref());
            let written = serde_json::to_string(&translation).unwrap();
            assert!(!written.contains("\\u0000"), "Postgres takes no NUL: {written}");
            let entities = translation.facts.iter().map(|fact| &fact.entity);
            for entity in entities.chain(translation.links.iter().flat_map(|link| [&link.child, &link.parent])) {
                assert_eq!(printable_key(&entity.id), entity.id);
            }
        }
    }
}

#[test]
fn every_sample_is_read() {
    for (name, body) in samples("stripe/events").into_iter().chain(samples("stripe/derived")) {
        let events = split(&stripe::Stripe, &body).unwrap();
        assert_eq!((events.len(), events[0].range.clone()), (1, 0..body.len()), "{name}");
        let translation =
            stripe::Stripe.translate(&body, &[], &settings(&[])).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!translation.unknown_type, "{name}");
        exercise(&stripe::Stripe, &body);
    }
    for (name, body) in fastspring_samples() {
        for event in split(&fastspring::FastSpring, &body).unwrap() {
            let part = &body[event.range];
            let translation =
                fastspring::FastSpring.translate(part, &[], &settings(&[])).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!translation.unknown_type && !translation.facts.is_empty(), "{name}");
        }
        exercise(&fastspring::FastSpring, &body);
    }
}

/// The samples are whole posts, single events, or the bare `data`, whose type is in the name.
pub fn fastspring_samples() -> Vec<(String, Vec<u8>)> {
    let wrap = |(name, body): (String, Vec<u8>)| {
        let value: Value = serde_json::from_slice(&body).unwrap();
        let kind = name.trim_end_matches(".json").trim_end_matches(".data").split_once("__").unwrap().1;
        let kind = kind.replacen("_charge_", ".charge.", 1).replacen('_', ".", 1);
        if value.get("events").is_some() {
            (name, body)
        } else if value.get("type").is_some() && value.get("data").is_some() {
            (name, json!({ "events": [value] }).to_string().into_bytes())
        } else {
            let event =
                json!({"id": name, "created": 1_554_092_668_031_i64, "type": kind, "live": true, "data": value});
            (name, json!({ "events": [event] }).to_string().into_bytes())
        }
    };
    samples("fastspring").into_iter().map(wrap).collect()
}

/// What nobody expects where a value should be.
fn oddities() -> Vec<Value> {
    let numbers = ["-1", "-99999999999999999999", "1e30", "1.5", "3.0", "18446744073709551615", "9223372036854775807"];
    let mut odd: Vec<Value> = numbers.iter().map(|number| serde_json::from_str(number).unwrap()).collect();
    let texts = ["", "x", "a\u{0}b", "sub_00000000000000", "\u{202e}ü", "1774905649"];
    odd.extend(texts.iter().map(|text| json!(text)));
    odd.extend([
        Value::Null,
        json!(true),
        json!([]),
        json!({}),
        json!({"id": {"id": "x"}}),
        json!([{"id": null}, 1, [2]]),
    ]);
    odd.push(json!("y".repeat(2000)));
    odd
}

/// Every place in a JSON value, as a pointer.
fn places(value: &Value, here: String, found: &mut Vec<String>) {
    found.push(here.clone());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| places(value, format!("{here}/{key}"), found)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| places(value, format!("{here}/{n}"), found))
        }
        _ => {}
    }
}

/// Every value of every small body, replaced by every oddity.
#[test]
fn no_oddity_in_any_place_does_harm() {
    for provider in PROVIDERS {
        for body in bodies(provider) {
            let Ok(value) = serde_json::from_slice::<Value>(&body) else { continue };
            let mut found = Vec::new();
            places(&value, String::new(), &mut found);
            for place in found {
                for odd in oddities() {
                    let mut mangled = value.clone();
                    *mangled.pointer_mut(&place).unwrap() = odd.clone();
                    let run = || exercise(provider, mangled.to_string().as_bytes());
                    assert!(catch_unwind(AssertUnwindSafe(run)).is_ok(), "{place} = {odd} in {mangled}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200), header in ".{0,80}") {
        let now = instant("2026-04-01T10:00:00Z");
        for provider in PROVIDERS {
            let name = provider.kept_headers()[0].to_owned();
            prop_assert!(verify(provider, &body, &[(name, header.clone())], &["secret"], now).is_err());
            exercise(provider, &body);
            let _ = provider.translate(&body, &[], &settings(&[]));
        }
    }

    #[test]
    fn mangled_bodies_never_panic(
        which in any::<prop::sample::Index>(),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[\\PC\"\\\\{}\\[\\],:0-9e.-]{0,6}"), 1..4),
    ) {
        for provider in PROVIDERS {
            let mut all = bodies(provider);
            let folder = match provider.slug() {
                "stripe" => samples("stripe/derived"),
                "fastspring" => fastspring_samples(),
                slug => samples(slug),
            };
            all.extend(folder.into_iter().map(|(_, body)| body));
            let mut body = all.swap_remove(which.index(all.len()));
            for (at, length, replacement) in &cuts {
                let start = at.index(body.len().max(1)).min(body.len());
                let end = (start + length).min(body.len());
                body.splice(start..end, replacement.bytes());
            }
            exercise(provider, &body);
        }
    }
}

/// Half a character, as texts have that were cut without looking. What is stored stays as it came.
#[test]
fn half_a_character_is_no_reason_to_lose_an_event() {
    let told = |slug: &str, name: &str| match slug {
        "stripe" => format!(
            r#"{{"id":"evt_1","type":"customer.updated","created":1,"livemode":true,"data":{{"object":{{"id":"cus_1","object":"customer","name":"{name}"}}}}}}"#
        ),
        "fastspring" => format!(
            r#"{{"id":"e1","type":"account.updated","created":1,"live":true,"data":{{"id":"a1","account":"a1","contact":{{"first":"{name}"}}}}}}"#
        ),
        "shopify" => format!(r#"{{"id":1,"updated_at":"2026-01-05T10:00:00Z","first_name":"{name}"}}"#),
        _ => format!(
            r#"{{"event_id":"e1","org_id":"00D5g000004abcdEAA","object":"Contact","record":{{"Id":"0035g00000abcdeAAA","FirstName":"{name}","Email":"a@example.com","SystemModstamp":"2026-01-05T10:00:00Z"}}}}"#
        ),
    };
    for provider in PROVIDERS {
        let read = |name: &str| {
            let body = told(provider.slug(), name);
            let headers = [("x-shopify-topic".to_owned(), "customers/update".to_owned())];
            let translation = provider.translate(body.as_bytes(), &headers, &settings(&["s"])).unwrap();
            translation.facts.into_iter().find_map(|fact| match &fact.body {
                crate::domain::fact::FactBody::Customer(said) => said.first_name.clone(),
                _ => None,
            })
        };
        for (written, expected) in [
            (r"A\ud83d", "A\u{fffd}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
            (r"\uDE00\\ud83d", "\u{fffd}\\ud83d"),
            (r"\ud83d\n\u00e9", "\u{fffd}\u{e9}"),
        ] {
            assert_eq!(read(written).as_deref(), Some(expected), "{} {written}", provider.slug());
        }
    }
}
