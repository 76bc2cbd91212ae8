//! Switch S21: what was created is not in lists at once, as on a system that reads from replicas.
//! By id it is there from the first moment.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

/// New ones remembered; more than are created in the longest lag.
const RECENT_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Lag {
    recent: VecDeque<(u64, Instant, u64)>,
    lists: u64,
}

impl Lag {
    pub fn created(&mut self, id: u64, now: Instant) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((id, now, self.lists));
    }

    /// Counts a list call, and says what it must not show.
    pub fn hidden(&mut self, switch: &str, now: Instant) -> HashSet<u64> {
        self.lists += 1;
        let (age_min, lists_min) = match switch {
            "500ms" => (Duration::from_millis(500), 0),
            "2000ms" => (Duration::from_secs(2), 0),
            "3_requests" => (Duration::ZERO, 3),
            _ => return HashSet::new(),
        };
        let lists = self.lists;
        let is_hidden = |created: Instant, lists_then: u64| {
            now.duration_since(created) < age_min || lists - lists_then <= lists_min
        };
        self.recent.retain(|(_, created, lists_then)| is_hidden(*created, *lists_then));
        self.recent.iter().map(|(id, ..)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_hidden_for_as_long_as_the_switch_says() {
        let start = Instant::now();
        for (switch, hidden_ms) in [("0", 0), ("500ms", 500), ("2000ms", 2_000)] {
            let mut lag = Lag::default();
            lag.created(1, start);
            let mut hidden = |ms| lag.hidden(switch, start + Duration::from_millis(ms)).contains(&1);
            assert!(hidden_ms == 0 || hidden(hidden_ms - 1), "{switch}");
            assert!(!hidden(hidden_ms), "{switch}");
        }
        let mut lag = Lag::default();
        lag.created(1, start);
        let seen: Vec<usize> = (0..4).map(|_| lag.hidden("3_requests", start).len()).collect();
        assert_eq!(seen, [1, 1, 1, 0]);
    }
}
