//! Tolerant reading of providers' JSON: a missing key, a null and a nonsense value are all
//! "not said"; ids never pass through a float; nothing here can panic or echo what it read.

use std::ops::Range;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Unreadable, printable_key};

mod value;

pub use value::{Object, Value};

/// `serde_json` gives up at 128 levels. The same limit is checked before a body is cut, so that
/// what is accepted at the door can also be read later.
const DEPTH_MAX: usize = 127;

/// Bytes of one escape, `\u0000`.
const ESCAPE: usize = 6;

/// Texts are names, e-mail addresses and catalog keys; longer ones are cut.
const TEXT_CHARS_MAX: usize = 1000;

/// 9999-12-31T23:59:59Z: the last instant that RFC 3339 can write. Later ones are nonsense.
const SECONDS_MAX: i64 = 253_402_300_799;

pub fn unreadable(reason: &str) -> Unreadable {
    Unreadable(reason.to_owned())
}

/// The body as text.
pub fn utf8(body: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(body).map_err(|error| Unreadable(format!("not UTF-8 from byte {} on", error.valid_up_to())))
}

/// A JSON object as `T`, if it is not nested too deep. The reason of a refusal says where, never what.
pub fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    if depth_exceeded(text) {
        return Err(Unreadable(format!("nested more than {DEPTH_MAX} levels deep")));
    }
    shallow_object(text)
}

/// As [`object`], for a `T` that does not look into what is nested.
pub fn shallow_object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    // serde would also take a list of the fields' values for a struct.
    match text.trim_start_matches([' ', '\t', '\r', '\n']).bytes().next() {
        Some(b'{') => serde_json::from_str(text).map_err(|error| reason(&error)),
        Some(_) => Err(unreadable("not a JSON object")),
        None => Err(unreadable("empty")),
    }
}

/// A JSON object, read whole: a text that was cut in the middle of a character (`"\ud83d"` alone)
/// is no reason to lose the event around it.
pub fn value(text: &str) -> Result<Value<'_>, Unreadable> {
    // What is nested too deep does not get through; why is only looked at then.
    shallow_object(text).or_else(|_| match without_lone_surrogates(text) {
        Some(mended) => object(&mended).map(Value::into_owned),
        None => object(text),
    })
}

/// The text with `\ufffd` for every escape of half a character; none, where there is no such.
/// (RFC 8259 allows them in JSON and leaves their meaning open.)
fn without_lone_surrogates(text: &str) -> Option<String> {
    let code = |at: usize| {
        let escape = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(escape, 16).ok()
    };
    let (mut mended, mut kept, mut at) = (String::new(), 0, 0);
    while let Some(next) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += next;
        at += match (code(at), code(at + ESCAPE)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str(text.get(kept..at)?);
                mended.push_str("\\ufffd");
                kept = at + ESCAPE;
                ESCAPE
            }
            // Another escape, of which the second character may be a backslash itself.
            _ => 2,
        };
    }
    mended.push_str(text.get(kept..)?);
    (kept > 0).then_some(mended)
}

/// Where a part of a text, borrowed from it, stands in it.
pub fn range_in(text: &str, part: &str) -> Result<Range<usize>, Unreadable> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
    let range = start.and_then(|start| Some(start..start.checked_add(part.len())?));
    let range = range.filter(|range| text.get(range.clone()) == Some(part));
    range.ok_or_else(|| unreadable("an event outside of its own body"))
}

/// serde's own messages quote the offending value; these do not.
fn reason(error: &serde_json::Error) -> Unreadable {
    let (line, column) = (error.line(), error.column());
    Unreadable(match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends too early".to_owned(),
        serde_json::error::Category::Data => format!("not the expected shape, at line {line} column {column}"),
        _ => format!("not valid JSON, at line {line} column {column}"),
    })
}

fn depth_exceeded(text: &str) -> bool {
    // What opens less often cannot be deeper; to count is a tenth of the work of looking closer.
    let opening = text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if opening <= DEPTH_MAX {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// The value under this path (`parent/subscription_details`), unless absent or null.
pub fn at<'v, 'a>(value: &'v Value<'a>, path: &str) -> Option<&'v Value<'a>> {
    path.split('/').try_fold(value, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// The first of these paths that holds an id: a string, or an object with an `id`.
pub fn first_id(value: &Value<'_>, paths: &[&str]) -> Option<String> {
    paths.iter().find_map(|path| id(at(value, path)?))
}

/// "String or object": the id itself, or the `id` of the expanded object.
pub fn id(value: &Value<'_>) -> Option<String> {
    id_in(value, &["id"])
}

/// As [`id`], for objects that name their id otherwise.
pub fn id_in(value: &Value<'_>, keys: &[&str]) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(printable_key(text)),
        // An integer keeps all its digits; what has become a float is no id any more.
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Object(_) => keys.iter().find_map(|key| match value.get(key)? {
            Value::Object(_) => None,
            inner => id_in(inner, &[]),
        }),
        _ => None,
    }
}

/// A text without control characters, cut to a sane length; empty counts as absent.
pub fn text(value: &Value<'_>) -> Option<String> {
    let text: String = value.as_str()?.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The text under this path.
pub fn text_at(value: &Value<'_>, path: &str) -> Option<String> {
    text(at(value, path)?)
}

/// A whole number, also where it is written `3.0` or `"3"`.
pub fn whole(value: &Value<'_>) -> Option<i64> {
    let written = match value {
        Value::Number(number) => number.as_i64().map_or_else(|| number.to_string(), |n| n.to_string()),
        Value::String(text) => text.to_string(),
        _ => return None,
    };
    written.strip_suffix(".0").unwrap_or(&written).parse().ok()
}

/// An instant in seconds since 1970.
pub fn seconds(value: &Value<'_>) -> Option<DateTime<Utc>> {
    let seconds = whole(value).filter(|s| (0..=SECONDS_MAX).contains(s))?;
    DateTime::from_timestamp(seconds, 0)
}

/// The instant in seconds under this path.
pub fn seconds_at(value: &Value<'_>, path: &str) -> Option<DateTime<Utc>> {
    seconds(at(value, path)?)
}

/// An instant in milliseconds since 1970.
pub fn millis(value: &Value<'_>) -> Option<DateTime<Utc>> {
    let millis = whole(value).filter(|ms| (0..=SECONDS_MAX.saturating_mul(1000)).contains(ms))?;
    DateTime::from_timestamp_millis(millis)
}

/// The instant in RFC 3339, with whatever offset, under this path.
pub fn instant_at(value: &Value<'_>, path: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(at(value, path)?.as_str()?).ok().map(|at| at.to_utc())
}

/// Money in hundredths, read from its digits: no float is ever calculated with. Amounts are
/// only compared with amounts of the same order, so the currency's own minor unit is no matter.
pub fn hundredths(value: &Value<'_>) -> Option<i64> {
    let written = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.to_string(),
        _ => return None,
    };
    let (whole, fraction) = written.split_once('.').unwrap_or((&written, ""));
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    // Beyond hundredths only zeros may follow, else the amount is not one of money as we know it.
    let exact = fraction.bytes().skip(2).all(|byte| byte == b'0');
    let negative = whole.starts_with('-');
    let cents: i64 = format!("{fraction:0<2}").get(..2)?.parse().ok()?;
    let whole: i64 = whole.parse().ok()?;
    let hundreds = whole.checked_mul(100).filter(|_| digits && exact)?;
    if negative { hundreds.checked_sub(cents) } else { hundreds.checked_add(cents) }
}

/// A count of seats. `Ok(None)`: not said.
pub fn count(value: &Value<'_>, key: &str) -> Result<Option<i64>, Unreadable> {
    match at(value, key) {
        None => Ok(None),
        // Guessing a number of seats would be worse than asking a person.
        Some(value) => match whole(value) {
            Some(count) if count >= 0 => Ok(Some(count)),
            _ => Err(unreadable("a quantity is not a whole number from 0 up")),
        },
    }
}

/// The list under this path, or nothing.
pub fn list<'v, 'a>(value: &'v Value<'a>, path: &str) -> &'v [Value<'a>] {
    at(value, path).and_then(Value::as_array).unwrap_or_default()
}

/// The values of these keys that are set, as text (providers' metadata and attributes).
pub fn picked<'a>(value: Option<&'a Value<'a>>, keys: &'a [&'a str]) -> impl Iterator<Item = (String, String)> + 'a {
    keys.iter().filter_map(move |key| {
        let found = match at(value?, key)? {
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            other => text(other)?,
        };
        Some(((*key).to_owned(), found))
    })
}
