//! Several snapshots of one subscription inside one provider instant (a Stripe second).
//!
//! Each `updated` event is an edge *before → after*. All edges were walked once, so the state
//! at the end of the instant is the node that was entered once more than it was left; the order
//! of arrival, ids and API versions do not matter. When every node was left as often as it was
//! entered, the walk is a cycle and ends where it began: at the state before the instant.

use super::fact::{FactKey, Snapshot};

/// One snapshot fact of the instant.
#[derive(Debug, Clone, Copy)]
pub struct Sighting<'a> {
    pub key: &'a FactKey,
    pub before: Option<&'a Snapshot>,
    pub after: &'a Snapshot,
}

/// Which sighting is the state at the end of the instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Index into the sightings.
    pub winner: usize,
    /// Decided by type rank or id alone: another order cannot be excluded.
    pub uncertain: bool,
}

/// Decides the instant. `prior` is the state before it. `sightings` must not be empty and must
/// be sorted by key.
#[must_use]
pub fn decide(prior: Option<&Snapshot>, sightings: &[Sighting<'_>]) -> Decision {
    let last = sightings.len().saturating_sub(1);
    if let Some(terminal) = sightings.iter().rposition(|s| s.after.terminal) {
        return Decision { winner: terminal, uncertain: false };
    }
    let ends = path_ends(prior, sightings);
    let has_edges = sightings.iter().any(|s| s.before.is_some());
    match (has_edges, ends.as_slice()) {
        (true, [end]) => Decision { winner: *end, uncertain: strays(sightings, sightings[*end].after) },
        (true, []) => cycle(prior, sightings, last),
        (true, ends) => Decision { winner: ends.last().copied().unwrap_or(last), uncertain: true },
        (false, _) => Decision { winner: last, uncertain: tied(sightings, last) },
    }
}

/// One sighting for each node that was entered more often than left. A `created` snapshot
/// enters its node from nowhere; a bare sighting is neither entered nor left.
fn path_ends(prior: Option<&Snapshot>, sightings: &[Sighting<'_>]) -> Vec<usize> {
    let balance = |node: &Snapshot| -> i64 {
        sightings
            .iter()
            .map(|s| {
                let opens = s.before.is_none() && s.key.rank == 0 && prior.is_none();
                let entered = i64::from((s.before.is_some() || opens) && s.after == node);
                let left = i64::from(s.before == Some(node));
                entered - left
            })
            .sum()
    };
    let mut ends: Vec<usize> = Vec::new();
    for (index, sighting) in sightings.iter().enumerate() {
        let known = ends.iter().position(|&e| sightings[e].after == sighting.after);
        match known {
            Some(at) => ends[at] = index,
            None if balance(sighting.after) > 0 => ends.push(index),
            None => {}
        }
    }
    ends.sort_unstable();
    ends
}

/// A bare sighting that shows a node no edge touches: something is missing from the path.
fn strays(sightings: &[Sighting<'_>], end: &Snapshot) -> bool {
    sightings.iter().any(|s| {
        s.before.is_none()
            && s.key.rank > 0
            && s.after != end
            && !sightings.iter().any(|o| o.before == Some(s.after) || (o.before.is_some() && o.after == s.after))
    })
}

/// Every node balanced: the walk ended where it began.
fn cycle(prior: Option<&Snapshot>, sightings: &[Sighting<'_>], last: usize) -> Decision {
    let home = prior.and_then(|p| sightings.iter().rposition(|s| s.after == p));
    match home {
        Some(winner) => Decision { winner, uncertain: false },
        // Self-loops (only fields that cannot matter changed) all say the same.
        None => Decision { winner: last, uncertain: sightings.iter().any(|s| s.after != sightings[last].after) },
    }
}

/// Without edges the last key stands; it is a guess when its neighbour differs in value but
/// only in id by key.
fn tied(sightings: &[Sighting<'_>], last: usize) -> bool {
    let winner = sightings[last];
    sightings[..last]
        .iter()
        .any(|s| s.key.within == winner.key.within && s.key.rank == winner.key.rank && s.after != winner.after)
}
