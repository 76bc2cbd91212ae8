//! What a group of rows deserves: its dates are those of the rows, and there are no payments.

use chrono::{DateTime, Utc};

use super::{
    Look, Mapping, OnCancel, Policy, SourceContext, Standing, State, Switch, Verdict, canceled, first_date_at_or_after,
    midnight, valid_until,
};
use crate::domain::terms::Phase;

/// A field that decides was not sent.
const UNKNOWN_FIELDS: &str = "unknown_fields";
/// Neither the rows nor the catalog say how long it lasts.
const NO_END_DATE: &str = "no_end_date";

/// Reasons that a line of configuration would mend.
pub(super) const WANTING: [&str; 2] = [UNKNOWN_FIELDS, NO_END_DATE];

pub(super) fn judge(
    state: &State,
    look: &Look,
    mapping: &Mapping,
    source: SourceContext<'_>,
    policy: Policy,
    now: DateTime<Utc>,
) -> Verdict {
    let snapshot = match source.believed(state) {
        Ok(snapshot) => snapshot,
        Err(verdict) => return verdict,
    };
    match look.phase {
        Phase::Unknown => Verdict::nothing(UNKNOWN_FIELDS),
        Phase::Endless => Verdict::nothing(NO_END_DATE),
        // There may be a license from before it was known that its term is to begin later, or that
        // its contract is a draft.
        Phase::Ahead => Verdict::off(Standing::None, "not_started"),
        Phase::Pending => Verdict::off(Standing::None, "not_in_force"),
        Phase::Canceled(at) => {
            let at = at.or(snapshot.ended_at);
            Verdict { paid_through: at, ..canceled(policy, at) }
        }
        Phase::Running(until) => running(look, until, mapping, policy),
        Phase::Over(end) => over(end, mapping, policy, now),
    }
}

fn running(look: &Look, until: Option<DateTime<Utc>>, mapping: &Mapping, policy: Policy) -> Verdict {
    let date = until.filter(|_| !mapping.is_perpetual()).map(|until| valid_until(until, policy.grace_days));
    let valid_until = match (policy.on_cancel, look.cut.map(first_date_at_or_after)) {
        // No grace past an end that was announced.
        (OnCancel::ExpireOnly, Some(cut)) => date.map(|date| date.min(cut)),
        _ => date,
    };
    Verdict {
        standing: Standing::Active,
        switch: Switch::On,
        paid_through: until,
        valid_until,
        ..Verdict::nothing("paid")
    }
}

fn over(end: DateTime<Utc>, mapping: &Mapping, policy: Policy, now: DateTime<Utc>) -> Verdict {
    let date = valid_until(end, policy.grace_days);
    let is_perpetual = mapping.is_perpetual();
    let (standing, reason, switch) = match now < midnight(date) {
        true => (Standing::Grace, "renewal_due", Switch::On),
        // A license without a date does not expire by itself.
        false if is_perpetual => (Standing::Ended, "term_over", Switch::Off),
        false => (Standing::Ended, "lapsed", Switch::Leave),
    };
    let valid_until = Some(date).filter(|_| !is_perpetual);
    Verdict { standing, switch, paid_through: Some(end), valid_until, ..Verdict::nothing(reason) }
}

/// The next row that begins or ends, or the next date.
pub(super) fn next_transition(look: &Look, verdict: &Verdict, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let own = [look.next, verdict.paid_through, verdict.valid_until.map(midnight)];
    own.into_iter().flatten().filter(|at| *at > now).min()
}
