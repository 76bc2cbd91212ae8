//! The circuit breaker of an account: after a failure the next call waits, longer each time; the
//! first one after the wait is the probe, and closes the circuit if it is answered.

use chrono::TimeDelta;

/// Failures in a row after which the circuit is open rather than stumbling.
pub const OPEN_AFTER: i32 = 3;
const PAUSE_MIN_MS: i64 = 1_000;
const PAUSE_MAX_MS: i64 = 120_000;

/// `closed` · `open` · `half_open`.
#[must_use]
pub fn state(failures: i32, waiting: bool) -> &'static str {
    match (failures >= OPEN_AFTER, waiting) {
        (false, _) => "closed",
        (true, true) => "open",
        (true, false) => "half_open",
    }
}

/// The wait after so many failures in a row: twice as long each time, between half and all of
/// it as `jitter` (0 to 999) says, so that two accounts do not knock in step.
#[must_use]
pub fn pause(failures: i32, jitter: i64) -> TimeDelta {
    let doublings = u32::try_from(failures.saturating_sub(1).clamp(0, 16)).unwrap_or(0);
    let whole = (PAUSE_MIN_MS << doublings).min(PAUSE_MAX_MS);
    TimeDelta::milliseconds(whole / 2 + whole / 2 * jitter.clamp(0, 999) / 999)
}
