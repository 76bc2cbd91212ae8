//! Rate limits: the plan's, counted per company over a rolling minute, and the two backstops that
//! LicenseSpring applies to everybody. The two APIs count apart, as on their two hosts. Always on
//! the real monotonic clock: a test that moves the sandbox's date must not win or lose budget.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

const MINUTE: Duration = Duration::from_secs(60);
/// 200 requests in 10 s from one address.
const IP_MAX: usize = 200;
const IP_SPAN: Duration = Duration::from_secs(10);
/// 50 requests a second with one Authorization value.
const AUTHORIZATION_MAX: usize = 50;
const AUTHORIZATION_SPAN: Duration = Duration::from_secs(1);
/// Windows kept before the idle ones are thrown out; every License API call signs a new value.
const WINDOWS_MAX: usize = 1_000;

/// Which of the two APIs a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Api {
    Management,
    License,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Plan {
    Free,
    Starter,
    Plus,
    #[default]
    Enterprise,
    /// A single-tenant contract: no limit at all, backstops included.
    Unlimited,
}

impl Plan {
    /// Requests a minute, or none where nothing is limited.
    fn per_minute(self, api: Api) -> Option<usize> {
        let (management, license) = match self {
            Self::Free => (600, 1_800),
            Self::Starter => (900, 3_600),
            Self::Plus => (1_200, 4_500),
            Self::Enterprise => (2_400, 18_000),
            Self::Unlimited => return None,
        };
        Some(if api == Api::Management { management } else { license })
    }
}

#[derive(Debug, Default)]
struct Window(VecDeque<Instant>);

impl Window {
    /// How long until one more fits; `None`: now.
    fn wait(&mut self, now: Instant, span: Duration, max: usize) -> Option<Duration> {
        while self.0.front().is_some_and(|hit| now.duration_since(*hit) >= span) {
            self.0.pop_front();
        }
        let over = (self.0.len() + 1).checked_sub(max).filter(|over| *over > 0)?;
        self.0.get(over - 1).map(|hit| span.saturating_sub(now.duration_since(*hit)))
    }
}

#[derive(Debug, Default)]
pub(super) struct Limits {
    company: HashMap<Api, Window>,
    ip: HashMap<(Api, IpAddr), Window>,
    authorization: HashMap<(Api, u64), Window>,
}

impl Limits {
    /// Counts the request, or says how long to wait. A refused request is not counted.
    pub fn admit(
        &mut self,
        api: Api,
        plan: Plan,
        peer: IpAddr,
        authorization: Option<&str>,
        now: Instant,
    ) -> Result<(), Duration> {
        let Some(per_minute) = plan.per_minute(api) else {
            return Ok(());
        };
        self.forget_idle(now);
        let mut hasher = DefaultHasher::new();
        authorization.hash(&mut hasher);
        let windows = [
            (self.company.entry(api).or_default(), MINUTE, per_minute),
            (self.ip.entry((api, peer)).or_default(), IP_SPAN, IP_MAX),
            (self.authorization.entry((api, hasher.finish())).or_default(), AUTHORIZATION_SPAN, AUTHORIZATION_MAX),
        ];
        let mut longest = None;
        let mut open = Vec::new();
        for (window, span, max) in windows {
            longest = longest.max(window.wait(now, span, max));
            open.push(window);
        }
        match longest {
            Some(wait) => Err(wait),
            None => {
                open.into_iter().for_each(|window| window.0.push_back(now));
                Ok(())
            }
        }
    }

    fn forget_idle(&mut self, now: Instant) {
        let fresh = |window: &Window| window.0.back().is_some_and(|hit| now.duration_since(*hit) < IP_SPAN);
        if self.ip.len() > WINDOWS_MAX {
            self.ip.retain(|_, window| fresh(window));
        }
        if self.authorization.len() > WINDOWS_MAX {
            self.authorization.retain(|_, window| fresh(window));
        }
    }
}
