//! Faults on order: the next requests that match go wrong in a chosen way. They are used up in
//! the order in which they were posted; a request takes the first that matches it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::switches::Switches;

/// More faults than any test posts; the list is searched for every request.
pub(super) const FAULTS_MAX: usize = 1_000;
/// A fault that is to last for ever can as well last this many requests.
const TIMES_MAX: u32 = 1_000_000;
/// `timeout` and `slow` end here at the latest, so that a forgotten client frees its connection.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(120);
/// How late a `slow` answer is unless the fault says: longer than a fast test waits, shorter
/// than a client's patience.
const SLOW: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    #[serde(rename = "reset")]
    Reset,
    #[serde(rename = "timeout")]
    Timeout,
    #[serde(rename = "500")]
    Error,
    #[serde(rename = "502_html")]
    BadGateway,
    #[serde(rename = "commit_then_500")]
    CommitThenError,
    #[serde(rename = "commit_then_reset")]
    CommitThenReset,
    #[serde(rename = "commit_then_timeout")]
    CommitThenTimeout,
    #[serde(rename = "429")]
    TooMany,
    #[serde(rename = "slow")]
    Slow,
}

/// Which requests a fault or a waiting hand edit is for. Nothing said: every one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Match {
    pub method: Option<String>,
    /// A prefix of the path.
    pub path: Option<String>,
}

impl Match {
    pub fn takes(&self, method: &str, path: &str) -> bool {
        // A prefix that ends in a slash also means the path that leaves its last slash out.
        let prefixed = |prefix: &String| path.starts_with(prefix.as_str()) || format!("{path}/") == *prefix;
        self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(method)) && self.path.as_ref().is_none_or(prefixed)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    #[serde(default, rename = "match")]
    pub on: Match,
    #[serde(default = "once")]
    pub times: u32,
    pub kind: Kind,
    /// How late a `slow` answer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
}

fn once() -> u32 {
    1
}

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub(super) struct Mishap {
    /// As the request log names it.
    pub name: String,
    /// Whether the request is carried out all the same.
    pub commits: bool,
    pub end: End,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// The connection is closed without an answer.
    Close,
    /// No answer until the client leaves.
    Hang,
    Json(u16),
    Html(u16),
    TooMany,
    /// The true answer, late.
    Late(Duration),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Faults {
    pub waiting: Vec<Fault>,
    /// Writes seen by S4 and S5, which spoil the odd ones.
    #[serde(default)]
    writes: u64,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) -> Result<(), String> {
        if !(1..=TIMES_MAX).contains(&fault.times) {
            return Err(format!("\"times\" must be from 1 to {TIMES_MAX}"));
        }
        if self.waiting.len() >= FAULTS_MAX {
            return Err(format!("{FAULTS_MAX} faults are waiting; that is the most"));
        }
        if fault.delay_ms.is_some_and(|ms| u128::from(ms) > WAIT_MAX.as_millis()) {
            return Err(format!("\"delay_ms\" is at most {}", WAIT_MAX.as_millis()));
        }
        self.waiting.push(fault);
        Ok(())
    }

    /// The mishap of this request, if any, used up once.
    pub fn take(&mut self, method: &str, path: &str, switches: &Switches) -> Option<Mishap> {
        self.take_posted(method, path).or_else(|| self.take_switched(method, switches))
    }

    fn take_posted(&mut self, method: &str, path: &str) -> Option<Mishap> {
        let at = self.waiting.iter().position(|f| f.on.takes(method, path))?;
        let fault = self.waiting.get_mut(at)?;
        let mishap = mishap_of(fault);
        fault.times -= 1;
        if fault.times == 0 {
            self.waiting.remove(at);
        }
        Some(mishap)
    }

    fn take_switched(&mut self, method: &str, switches: &Switches) -> Option<Mishap> {
        if method == "GET" {
            return None;
        }
        let (name, commits, value) = match (switches.get("S4"), switches.get("S5")) {
            ("off", "off") => return None,
            ("off", before) => ("S5", false, before),
            (after, _) => ("S4", true, after),
        };
        self.writes += 1;
        let end = match value {
            "reset" => End::Close,
            "timeout" => End::Hang,
            "500" => End::Json(500),
            "503_html" => End::Html(503),
            "504" => End::Html(504),
            _ => End::Html(502),
        };
        // Only every other one, or no client could ever get anywhere.
        (self.writes % 2 == 1).then(|| Mishap { name: format!("{name}:{value}"), commits, end })
    }
}

fn mishap_of(fault: &Fault) -> Mishap {
    let (name, commits, end) = match fault.kind {
        Kind::Reset => ("reset", false, End::Close),
        Kind::Timeout => ("timeout", false, End::Hang),
        Kind::Error => ("500", false, End::Json(500)),
        Kind::BadGateway => ("502_html", false, End::Html(502)),
        Kind::CommitThenError => ("commit_then_500", true, End::Json(500)),
        Kind::CommitThenReset => ("commit_then_reset", true, End::Close),
        Kind::CommitThenTimeout => ("commit_then_timeout", true, End::Hang),
        Kind::TooMany => ("429", false, End::TooMany),
        Kind::Slow => ("slow", true, End::Late(fault.delay_ms.map_or(SLOW, Duration::from_millis))),
    };
    Mishap { name: name.to_owned(), commits, end }
}
