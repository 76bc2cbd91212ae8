//! `POST /vendor-edit`: a license changed as if by hand in LicenseSpring's portal, past the rules
//! of its API. With `after`, the edit waits and slips in behind the next request that matches:
//! between a client's read and its write.

use chrono::Days;
use serde::{Deserialize, Serialize};

use super::faults::Match;
use super::fields::{Use, kind_of};
use super::licenses;
use super::record::{Record, number, set};
use super::status::validity;
use super::store::Table;
use super::world::World;

/// Paths of single licenses.
const LICENSE_PATH: &str = "/api/v1/licenses/";
/// Where a license keeps how far the script of S30 has come with it; no answer shows it.
pub(super) const SCRIPT_STEP: &str = "script_step";
/// Edits that wait at the same time.
const WAITING_MAX: usize = 1_000;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    license_id: u64,
    #[serde(default)]
    set: Option<Record>,
    #[serde(default)]
    delete: bool,
    #[serde(default)]
    after: Option<Match>,
}

/// An edit that has been checked and waits for its request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub license_id: u64,
    pub changes: Record,
    pub delete: bool,
    pub after: Match,
}

pub(super) enum Refusal {
    UnknownLicense,
    Wrong(String),
}

/// Makes the edit, or puts it aside; answers whether it was made at once.
pub(super) fn take(world: &mut World, order: Order) -> Result<bool, Refusal> {
    if world.store.get(Table::Licenses, order.license_id).is_none() {
        return Err(Refusal::UnknownLicense);
    }
    if order.set.is_some() == order.delete {
        return Err(Refusal::Wrong("say either \"set\" or \"delete\": true".to_owned()));
    }
    let changes = read(&order.set.unwrap_or_default()).map_err(Refusal::Wrong)?;
    let edit = Waiting {
        license_id: order.license_id,
        changes,
        delete: order.delete,
        after: order.after.clone().unwrap_or_default(),
    };
    if order.after.is_none() {
        make(world, edit);
        return Ok(true);
    }
    if world.edits.len() >= WAITING_MAX {
        return Err(Refusal::Wrong(format!("{WAITING_MAX} edits are waiting; that is the most")));
    }
    world.edits.push(edit);
    Ok(false)
}

fn read(told: &Record) -> Result<Record, String> {
    let mut changes = Record::new();
    for (name, value) in told {
        let kind = kind_of(name, Use::ByHand).ok_or_else(|| format!("set.{name}: no field that a hand can change"))?;
        changes.insert(name.clone(), kind.read(value).map_err(|why| format!("set.{name}: {why}"))?);
    }
    Ok(changes)
}

fn make(world: &mut World, edit: Waiting) {
    if edit.delete {
        world.store.remove(Table::Licenses, edit.license_id);
        return;
    }
    let mut changes = edit.changes;
    let enabled = changes.remove("enabled").and_then(|value| value.as_bool());
    licenses::apply(world, edit.license_id, changes);
    if let Some(enabled) = enabled {
        licenses::set_enabled(world, edit.license_id, enabled);
    }
}

/// The edits that come behind a request that has just been answered: those that waited for one
/// like it, and those of the script of switch S30. Gives the licenses edited.
pub(super) fn after(world: &mut World, method: &str, path: &str) -> Vec<u64> {
    let (due, waiting): (Vec<_>, Vec<_>) =
        std::mem::take(&mut world.edits).into_iter().partition(|edit| edit.after.takes(method, path));
    world.edits = waiting;
    let mut edited: Vec<u64> = due.iter().map(|edit| edit.license_id).collect();
    due.into_iter().for_each(|edit| make(world, edit));
    if world.switches.is("S30", "scripted") && method == "GET" {
        edited.extend(scripted(world, path));
    }
    edited
}

/// The next step of the script for the license that was read by its id, if one is left. The
/// script ends, so that a client that sets things right gets done.
fn scripted(world: &mut World, path: &str) -> Option<u64> {
    let id = path.strip_prefix(LICENSE_PATH)?.trim_end_matches('/').parse().ok()?;
    let license = world.store.get(Table::Licenses, id)?;
    let step = number(license, SCRIPT_STEP);
    let mut changes = Record::new();
    match step {
        0 => {}
        1 => {
            let later = validity(license).and_then(|date| date.checked_add_days(Days::new(1)));
            set(&mut changes, "validity_period", later.map(|date| date.to_string()));
        }
        2 => set(&mut changes, "max_activations", number(license, "max_activations") + 1),
        _ => return None,
    }
    set(&mut changes, SCRIPT_STEP, step + 1);
    licenses::apply(world, id, changes);
    if step == 0 {
        licenses::set_enabled(world, id, false);
    }
    Some(id)
}
