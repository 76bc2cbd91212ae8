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

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_company_has_its_plan_over_a_rolling_minute() {
        let (mut limits, start) = (Limits::default(), Instant::now());
        // Ten a second, each with its own address and key, so that no backstop is met.
        for n in 0..600_u64 {
            let at = start + Duration::from_millis(n * 100);
            let key = n.to_string();
            assert_eq!(limits.admit(Api::Management, Plan::Free, ip((n % 250) as u8), Some(&key), at), Ok(()));
        }
        let at = start + Duration::from_millis(59_950);
        let wait = Duration::from_millis(50);
        assert_eq!(limits.admit(Api::Management, Plan::Free, ip(1), Some("k"), at), Err(wait));
        assert_eq!(limits.admit(Api::License, Plan::Free, ip(1), Some("k"), at), Ok(()), "the other API counts apart");
        assert_eq!(limits.admit(Api::Management, Plan::Starter, ip(1), Some("k"), at), Ok(()));
        assert_eq!(limits.admit(Api::Management, Plan::Free, ip(1), Some("k"), start + MINUTE), Err(wait * 2));
    }

    #[test]
    fn an_address_and_a_key_have_their_backstops() {
        let (mut limits, start) = (Limits::default(), Instant::now());
        let admit = |limits: &mut Limits, address: u8, key: &str, ms: u64| {
            let at = start + Duration::from_millis(ms);
            limits.admit(Api::Management, Plan::Enterprise, ip(address), Some(key), at)
        };
        for _ in 0..50 {
            assert_eq!(admit(&mut limits, 1, "k", 0), Ok(()));
        }
        assert_eq!(admit(&mut limits, 2, "k", 400), Err(Duration::from_millis(600)));
        for n in 0..150 {
            assert_eq!(admit(&mut limits, 1, &format!("k{n}"), 500), Ok(()));
        }
        assert_eq!(admit(&mut limits, 1, "other", 2_000), Err(Duration::from_secs(8)));
        assert_eq!(admit(&mut limits, 2, "k", 1_000), Ok(()), "a refused request is not counted");
    }
}
