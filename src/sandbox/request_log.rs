//! What came in and what went out, for tests to assert on and people to read. Secrets stay out:
//! the Authorization header is never given to this module, and passwords are blanked.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::faults::Match;

/// Entries kept; the oldest go first.
const ENTRIES_MAX: usize = 100_000;
/// A body or answer longer than this is logged by its beginning alone.
const TEXT_MAX: usize = 16 * 1024;
/// How much of the beginning.
const START_CHARS: usize = 1_024;
/// Together, bodies and answers may take this much memory; past it the oldest lose theirs and
/// keep their line.
const BYTES_MAX: usize = 128 * 1024 * 1024;
const BLANKED: &str = "[blanked]";

/// One request. `body` and `answer` stay the JSON texts they are: a long log is written out as
/// quickly as it is copied.
#[derive(Debug, Default, Serialize)]
pub(super) struct Entry {
    pub at: String,
    pub method: String,
    pub path: String,
    pub query: String,
    pub body: Option<Box<RawValue>>,
    /// What the client saw; none where it saw no answer.
    pub status: Option<u16>,
    pub answer: Option<Box<RawValue>>,
    pub fault: Option<String>,
    /// With a fault: the status that the request would have been answered with.
    pub done: Option<u16>,
    pub warnings: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct RequestLog {
    entries: VecDeque<Entry>,
    /// Entries that have left, so that the sequence number of the first is this plus one.
    gone: u64,
    bytes: usize,
    /// The first entries of the deque that have lost their texts.
    stripped: usize,
}

impl RequestLog {
    pub fn push(&mut self, entry: Entry) {
        self.bytes += size(&entry);
        self.entries.push_back(entry);
        if self.entries.len() > ENTRIES_MAX
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= size(&oldest);
            self.gone += 1;
            self.stripped = self.stripped.saturating_sub(1);
        }
        while self.bytes > BYTES_MAX {
            let Some(entry) = self.entries.get_mut(self.stripped) else {
                break;
            };
            self.bytes -= size(entry);
            (entry.body, entry.answer) = (None, None);
            entry.warnings.push("body and answer were dropped to bound the log's memory".to_owned());
            self.stripped += 1;
        }
    }

    /// Forgets all of it; sequence numbers go on, so that an old `since` stays true.
    pub fn clear(&mut self) {
        self.gone += self.entries.len() as u64;
        self.entries.clear();
        self.bytes = 0;
        self.stripped = 0;
    }

    /// The entries wanted, oldest first, as JSON.
    pub fn show(&self, wanted: &Wanted) -> serde_json::Result<String> {
        let skip = usize::try_from(wanted.since.saturating_sub(self.gone)).unwrap_or(usize::MAX);
        let numbered = (self.gone + 1..).zip(&self.entries).skip(skip).filter(|(_, entry)| wanted.takes(entry));
        let requests = numbered.take(wanted.limit).map(|(seq, entry)| Line { seq, entry }).collect();
        serde_json::to_string(&Lines { requests })
    }
}

/// Which entries to show.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Those after this sequence number.
    pub since: u64,
    pub limit: usize,
    /// Writes alone.
    pub mutating: bool,
    /// Those with warnings alone.
    pub warned: bool,
    pub on: Match,
}

impl Wanted {
    fn takes(&self, entry: &Entry) -> bool {
        (!self.mutating || is_write(&entry.method))
            && (!self.warned || !entry.warnings.is_empty())
            && self.on.takes(&entry.method, &entry.path)
    }
}

#[derive(Serialize)]
struct Lines<'a> {
    requests: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    #[serde(flatten)]
    entry: &'a Entry,
}

pub(super) fn is_write(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "OPTIONS")
}

/// A request or answer body as the log keeps it: JSON where it is, text where not, none if empty.
pub(super) fn loggable(bytes: &[u8]) -> Option<Box<RawValue>> {
    if bytes.is_empty() {
        return None;
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => loggable_json(value),
        Err(_) => bounded(&Value::String(String::from_utf8_lossy(bytes).into_owned())),
    }
}

pub(super) fn loggable_json(mut value: Value) -> Option<Box<RawValue>> {
    blank(&mut value);
    bounded(&value)
}

/// A query string with its password blanked.
pub(super) fn loggable_query(query: &str) -> String {
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}={BLANKED}"),
            _ => pair.to_owned(),
        })
        .collect();
    pairs.join("&")
}

fn is_secret(name: &str) -> bool {
    name.to_ascii_lowercase().contains("password") && name != "is_initial_password"
}

fn blank(value: &mut Value) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(name, value)| {
            if is_secret(name) && !value.is_null() {
                *value = Value::String(BLANKED.to_owned());
            } else {
                blank(value);
            }
        }),
        Value::Array(list) => list.iter_mut().for_each(blank),
        _ => {}
    }
}

fn bounded(value: &Value) -> Option<Box<RawValue>> {
    let text = to_raw_value(value).ok()?;
    if text.get().len() <= TEXT_MAX {
        return Some(text);
    }
    let start: String = text.get().chars().take(START_CHARS).collect();
    to_raw_value(&json!({ "truncated": true, "bytes": text.get().len(), "start": start })).ok()
}

fn size(entry: &Entry) -> usize {
    [&entry.body, &entry.answer].into_iter().flatten().map(|text| text.get().len()).sum()
}
