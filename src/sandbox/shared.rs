//! The one state behind one lock, and the way of an API request through it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use rand::Rng;
use tokio::sync::Notify;

use super::answer::{Answer, Body};
use super::call::{Call, Request};
use super::clock::stamp;
use super::faults::{End, Mishap};
use super::limits::{Api, Limits};
use super::request_log::{Entry, RequestLog, is_write, loggable, loggable_json, loggable_query};
use super::world::{VERSION, World};
use super::{SandboxError, SandboxOptions, control, license_api, license_auth, management, vendor_edit};

/// How long a `429` fault asks the client to wait.
const FAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The keys that clients must show.
#[derive(Debug)]
struct Keys {
    management: String,
    license_api: String,
    license_shared: String,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub world: World,
    pub limits: Limits,
    pub log: RequestLog,
}

#[derive(Debug)]
pub(super) struct Shared {
    keys: Keys,
    state: Mutex<State>,
    /// Woken whenever the world may have changed; the saver listens.
    pub changed: Notify,
}

/// What is to happen on the connection.
#[derive(Debug)]
pub(super) enum Delivery {
    /// `trickle`: the head at once and the body in pieces.
    Send {
        answer: Answer,
        delay: Duration,
        trickle: bool,
    },
    Close,
    Hang,
}

impl Shared {
    /// A sandbox with the world of the data file, or an empty one.
    pub fn load(options: &SandboxOptions) -> Result<Self, SandboxError> {
        let world = options.data.as_deref().map_or(Ok(None), load)?.unwrap_or_default();
        Ok(Self {
            keys: Keys {
                management: options.management_key.clone(),
                license_api: options.license_api_key.clone(),
                license_shared: options.license_shared_key.clone(),
            },
            state: Mutex::new(State { world, ..State::default() }),
            changed: Notify::new(),
        })
    }

    /// The state. A panic in a handler must not take the sandbox down with it, so a poisoned lock
    /// is as good as another.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn control(&self, request: &Request) -> Answer {
        let answer = control::answer(&mut self.lock(), request);
        if is_write(&request.method) {
            self.changed.notify_one();
        }
        answer
    }

    /// Decides, does and logs one API request.
    pub fn api(&self, request: &Request) -> Delivery {
        let api = api_of(request);
        let mut state = self.lock();
        let (plan, authorization) = (state.world.plan, request.authorization.as_deref());
        let admitted = state.limits.admit(api, plan, request.peer, authorization, Instant::now());
        if let Err(wait) = admitted {
            let answer = too_many(&state.world, api, wait);
            log(&mut state, request, &Outcome { seen: Some(&answer), ..Outcome::default() });
            return self.send(&state, answer);
        }
        let State { world, .. } = &mut *state;
        let mishap = world.faults.take(&request.method, &request.path, &world.switches);
        let does = mishap.as_ref().is_none_or(|mishap| mishap.commits);
        let (done, mut warnings) = if does { self.act(world, api, request) } else { (Answer::empty(500), Vec::new()) };
        let edited = vendor_edit::after(world, &request.method, &request.path);
        warnings.extend(edited.iter().map(|id| format!("a hand edited license {id} behind this request")));
        if is_write(&request.method) || mishap.is_some() || !edited.is_empty() || api == Api::License {
            self.changed.notify_one();
        }
        let outcome = Outcome { mishap: mishap.as_ref(), done: does.then_some(done.status), warnings, seen: None };
        self.deliver(&mut state, api, request, outcome, done)
    }

    /// Refuses and logs a request whose body could not be read to its end, most often for its size.
    pub fn unread(&self, request: &Request, status: u16, why: &str) -> Answer {
        let answer = refusal(api_of(request), status, "missing_content", why);
        log(&mut self.lock(), request, &Outcome { seen: Some(&answer), ..Outcome::default() });
        answer
    }

    fn act(&self, world: &mut World, api: Api, request: &Request) -> (Answer, Vec<String>) {
        let real_and_moved = [Utc::now(), world.now()];
        let mut call = Call::new(request, world);
        let answer = match api {
            Api::Management => management::answer(&mut call, &self.keys.management),
            Api::License => {
                license_auth::authorize(request, &self.keys.license_api, &self.keys.license_shared, real_and_moved)
                    .and_then(|()| license_api::route(&mut call))
                    .unwrap_or_else(|refusal| refusal)
            }
        };
        (answer, call.warnings)
    }

    fn deliver(&self, state: &mut State, api: Api, request: &Request, outcome: Outcome<'_>, done: Answer) -> Delivery {
        let end = outcome.mishap.map(|mishap| mishap.end);
        let seen = match end {
            None | Some(End::Late(_)) => Some(done),
            Some(End::Json(status)) => Some(internal_error(api, status)),
            Some(End::Html(status)) => Some(Answer::html(status)),
            Some(End::TooMany) => Some(too_many(&state.world, api, FAULT_RETRY_AFTER)),
            Some(End::Close | End::Hang) => None,
        };
        log(state, request, &Outcome { seen: seen.as_ref(), ..outcome });
        match (seen, end) {
            (Some(answer), Some(End::Late(delay))) => Delivery::Send { answer, delay, trickle: false },
            (Some(answer), _) => self.send(state, answer),
            (None, Some(End::Hang)) => Delivery::Hang,
            (None, _) => Delivery::Close,
        }
    }

    /// Sends with the latency of switch S31.
    fn send(&self, state: &State, answer: Answer) -> Delivery {
        let delay_ms = match state.world.switches.get("S31") {
            "200ms" => 200,
            "1000ms" => 1_000,
            "jitter_500ms" => rand::rng().random_range(0..=500),
            _ => 0,
        };
        let trickle = state.world.switches.is("S31", "slow_body");
        Delivery::Send { answer, delay: Duration::from_millis(delay_ms), trickle }
    }
}

fn api_of(request: &Request) -> Api {
    if request.path.starts_with(license_api::PREFIX) { Api::License } else { Api::Management }
}

/// What became of a request, for the log.
#[derive(Debug, Default)]
struct Outcome<'a> {
    seen: Option<&'a Answer>,
    mishap: Option<&'a Mishap>,
    done: Option<u16>,
    warnings: Vec<String>,
}

fn log(state: &mut State, request: &Request, outcome: &Outcome<'_>) {
    let answer = outcome.seen.and_then(|answer| match &answer.body {
        Body::Json(value) | Body::Problem(value) => loggable_json(value.clone()),
        Body::Html(text) => loggable(text.as_bytes()),
        Body::JsonText(_) | Body::Empty => None,
    });
    state.log.push(Entry {
        at: stamp(Utc::now()),
        method: request.method.clone(),
        path: request.path.clone(),
        query: loggable_query(&request.raw_query),
        body: loggable(&request.body),
        status: outcome.seen.map(|answer| answer.status),
        answer,
        fault: outcome.mishap.map(|mishap| mishap.name.clone()),
        done: outcome.mishap.and(outcome.done),
        warnings: outcome.warnings.clone(),
    });
}

/// A general refusal in the shape of the API that was called: its clients read no other.
fn refusal(api: Api, status: u16, code: &str, text: &str) -> Answer {
    match api {
        Api::Management => Answer::detail(status, text),
        Api::License => Answer::code(status, code, text),
    }
}

fn internal_error(api: Api, status: u16) -> Answer {
    refusal(api, status, "internal_error", "Internal server error.")
}

/// The 429 answer, in the way of switch S6.
fn too_many(world: &World, api: Api, wait: Duration) -> Answer {
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    let text = format!("Request was throttled. Expected available in {seconds} seconds.");
    let plain = refusal(api, 429, "too_many_requests", &text);
    match world.switches.get("S6") {
        "no_retry_after" => plain,
        "html" => Answer::html(429),
        "code_shape" => Answer::code(429, "too_many_requests", text).with_header("retry-after", seconds.to_string()),
        "http_date" => {
            let at = Utc::now() + chrono::TimeDelta::from_std(wait).unwrap_or_default() + chrono::TimeDelta::seconds(1);
            let date = at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            plain.with_header("retry-after", date)
        }
        _ => plain.with_header("retry-after", seconds.to_string()),
    }
}

/// The world of a data file; none where there is no file yet.
fn load(path: &Path) -> Result<Option<World>, SandboxError> {
    let unreadable = |reason: String| SandboxError::DataUnreadable { path: path.to_owned(), reason };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e.to_string())),
    };
    let mut world: World = serde_json::from_slice(&bytes).map_err(|e| unreadable(e.to_string()))?;
    if world.version > VERSION {
        return Err(unreadable(format!("it has layout {}, this build reads up to {VERSION}", world.version)));
    }
    if world.version < VERSION {
        world.store.take_out_users();
        world.version = VERSION;
    }
    world.switches.keep_known();
    world.store.reindex();
    Ok(Some(world))
}
