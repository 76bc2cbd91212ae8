//! What came in and what went out, for tests to assert on and people to read. Secrets stay out:
//! the Authorization header is never given to this module, and passwords are blanked.

use std::collections::VecDeque;

use serde_json::{Value, json};

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

/// One request. `body` and `answer` are JSON texts.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub at: String,
    pub method: String,
    pub path: String,
    pub query: String,
    pub body: Option<String>,
    /// What the client saw; none where it saw no answer.
    pub status: Option<u16>,
    pub answer: Option<String>,
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

    /// Entries after `since`, writes alone if asked.
    pub fn show(&self, since: u64, mutating: bool) -> Value {
        let skip = usize::try_from(since.saturating_sub(self.gone)).unwrap_or(usize::MAX);
        let first = self.gone + 1;
        let requests: Vec<Value> = self
            .entries
            .iter()
            .enumerate()
            .skip(skip)
            .filter(|(_, e)| !mutating || is_write(&e.method))
            .map(|(at, e)| show(first + at as u64, e))
            .collect();
        json!({ "requests": requests })
    }
}

pub(super) fn is_write(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "OPTIONS")
}

/// A request or answer body as the log keeps it: JSON where it is, text where not, none if empty.
pub(super) fn loggable(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => Some(loggable_json(value)),
        Err(_) => Some(bounded(&Value::String(String::from_utf8_lossy(bytes).into_owned()))),
    }
}

pub(super) fn loggable_json(mut value: Value) -> String {
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

fn bounded(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= TEXT_MAX {
        return text;
    }
    let start: String = text.chars().take(START_CHARS).collect();
    json!({ "truncated": true, "bytes": text.len(), "start": start }).to_string()
}

fn size(entry: &Entry) -> usize {
    entry.body.as_ref().map_or(0, String::len) + entry.answer.as_ref().map_or(0, String::len)
}

fn show(seq: u64, entry: &Entry) -> Value {
    let parsed = |text: &Option<String>| {
        text.as_ref().map_or(Value::Null, |t| serde_json::from_str(t).unwrap_or_else(|_| json!(t)))
    };
    json!({
        "seq": seq, "at": entry.at, "method": entry.method, "path": entry.path, "query": entry.query,
        "body": parsed(&entry.body), "status": entry.status, "answer": parsed(&entry.answer),
        "fault": entry.fault, "done": entry.done, "warnings": entry.warnings,
    })
}
