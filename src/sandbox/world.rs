//! Everything that survives a restart, in one value: the data file is this, as JSON.

use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::faults::Faults;
use super::lag::Lag;
use super::limits::Plan;
use super::store::Store;
use super::switches::Switches;
use super::vendor_edit::Waiting;

/// The layout of the data file; a file of a newer one is refused, an older one is read.
pub(super) const VERSION: u32 = 2;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct World {
    pub version: u32,
    pub store: Store,
    pub switches: Switches,
    pub clock: Clock,
    pub plan: Plan,
    pub faults: Faults,
    pub edits: Vec<Waiting>,
    #[serde(skip)]
    pub lag: Lag,
}

impl Default for World {
    fn default() -> Self {
        Self {
            version: VERSION,
            store: Store::default(),
            switches: Switches::default(),
            clock: Clock::default(),
            plan: Plan::default(),
            faults: Faults::default(),
            edits: Vec::new(),
            lag: Lag::default(),
        }
    }
}

impl World {
    /// Empty, with default switches, the real clock and the default plan.
    pub fn reset(&mut self) {
        let mut store = std::mem::take(&mut self.store);
        store.clear();
        *self = Self { store, ..Self::default() };
    }

    /// The sandbox's time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now(Utc::now())
    }

    pub fn created(&mut self, id: u64) {
        if !self.switches.is("S21", "0") {
            self.lag.created(id, Instant::now());
        }
    }
}
