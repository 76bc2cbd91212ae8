//! The first plan after a promotion is always saved for a look: what was folded anew may call for
//! calls that nobody has asked for.

use std::time::Duration;

use tokio::sync::watch as signal;
use tracing::{info, warn};

use super::Settings;
use super::planning::{Desk, PlanError};
use crate::projector::Projector;
use crate::registry::Account;

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);
/// After one that failed.
const TICK_TROUBLE: Duration = Duration::from_secs(10);

/// Saves the plans that an account is owed, until told to stop.
pub async fn run(projector: Projector, account: Account, settings: Settings, mut stop: signal::Receiver<bool>) {
    let desk = Desk { projector: &projector, account: &account, settings: &settings };
    while !*stop.borrow() {
        let tick = match desk.propose_owed().await {
            Ok(None) => TICK,
            Ok(Some(plan)) => {
                info!(account = account.name, plan = %plan.id, "a plan of what follows from a promotion was saved");
                TICK
            }
            Err(PlanError::NotReady) => TICK,
            Err(e) => {
                warn!(account = account.name, error = %e, "the plan that follows from a promotion could not be saved; trying again");
                TICK_TROUBLE
            }
        };
        tokio::select! {
            _ = stop.changed() => break,
            () = tokio::time::sleep(tick) => {}
        }
    }
}
