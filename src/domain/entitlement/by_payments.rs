//! What a subscription with payments deserves: its provider's status, and how far it is paid.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    CancelWhen, Mapping, OnCancel, Policy, SourceContext, Standing, State, Switch, Verdict, at_once, canceled,
    first_date_at_or_after, midnight, valid_until,
};
use crate::domain::coverage::{self, Coverage, Loss, Lost};
use crate::domain::dates::Interval;
use crate::domain::fact::{DisputeStatus, Entity, EntityKind, Item, Snapshot, Status};
use crate::domain::rules::{ExtendOn, OnLoss, OnPause};

/// An item, and how long it lasts where it was bought once and not for ever.
#[derive(Clone, Copy)]
pub(super) struct Sold<'a> {
    item: &'a Item,
    period: Option<Interval>,
}

impl<'a> Sold<'a> {
    pub(super) fn of(item: &'a Item, mapping: &Mapping) -> Self {
        Self { item, period: mapping.period.filter(|_| item.one_off && !mapping.is_perpetual()) }
    }

    /// Its coverage; one with a period is counted from when it was paid.
    fn coverage(self, state: &State, counts: impl Fn(Loss) -> bool) -> Coverage {
        let mut coverage = coverage::of(state, self.item, counts);
        let Some(period) = self.period else { return coverage };
        let end = |payment: &String| Some(period.after(state.payments.get(payment)?.paid_at?));
        if coverage.forever {
            coverage.paid_through = coverage.payment.as_ref().and_then(end);
            coverage.forever = coverage.paid_through.is_none();
        }
        if let Some(lost) = &mut coverage.lost {
            lost.until = end(&lost.payment).unwrap_or(lost.until);
        }
        coverage
    }
}

pub(super) fn judge(
    state: &State,
    sold: Sold<'_>,
    source: SourceContext<'_>,
    policy: Policy,
    now: DateTime<Utc>,
) -> Verdict {
    let snapshot = match source.believed(state) {
        Ok(snapshot) => snapshot,
        Err(verdict) => return verdict,
    };
    if let Some(verdict) = ended(state, sold, snapshot, policy, now).or_else(|| suspended(state, snapshot, policy)) {
        return dated(verdict, state, sold, policy);
    }
    if claimable_until(state).is_some_and(|until| now < until) {
        return Verdict::nothing("may_belong_to_a_contract");
    }
    match snapshot.status {
        Status::Incomplete => Verdict::off(Standing::None, "incomplete"),
        Status::Unknown => Verdict::nothing("unknown_status"),
        _ => by_coverage(state, sold, snapshot, policy, now),
    }
}

/// How long a charge of no known subscription is left alone: it may be that of a contract of our
/// own, whose billing attempt is told separately, and later.
/// <https://shopify.dev/docs/api/webhooks?reference=toml>
const CLAIM_WAIT: TimeDelta = TimeDelta::minutes(10);

/// Until when a chain that a charge has opened may still turn out to be part of a contract.
fn claimable_until(state: &State) -> Option<DateTime<Utc>> {
    let first = Entity::new(EntityKind::Order, state.subscription_id.strip_prefix("order-")?);
    let opening = state.payments.get(&first.key())?;
    opening.payment.purchase.filter(|purchase| purchase.renews)?;
    opening.paid_at?.checked_add_signed(CLAIM_WAIT)
}

/// The end: the provider's word, or a scheduled cancellation whose instant has come.
fn ended(state: &State, sold: Sold<'_>, snapshot: &Snapshot, policy: Policy, now: DateTime<Utc>) -> Option<Verdict> {
    let scheduled = snapshot.cancel_at.is_some_and(|at| at <= now || at_once(policy));
    let runs_out = || {
        snapshot.runs_out
            && policy.cancel_when == CancelWhen::PeriodEnd
            && covered(state, sold, snapshot, policy).paid_through.is_some_and(|end| end > now)
    };
    // With a customer Stripe deletes everything that it still would have paid for.
    let deleted_at = state.customer_deleted_at().filter(|_| !sold.item.one_off);
    if !scheduled && deleted_at.is_none() && (snapshot.status != Status::Canceled || runs_out()) {
        return None;
    }
    // The end is noted some seconds after the instant it was scheduled for.
    Some(canceled(policy, [snapshot.ended_at, snapshot.cancel_at, deleted_at].into_iter().flatten().min()))
}

fn suspended(state: &State, snapshot: &Snapshot, policy: Policy) -> Option<Verdict> {
    let open_dispute = state.disputes.values().any(|d| d.value.status == DisputeStatus::Open);
    if open_dispute && policy.on_dispute == OnLoss::Disable {
        return Some(Verdict::off(Standing::Suspended, "dispute"));
    }
    match snapshot.status {
        Status::Unpaid if policy.on_unpaid == OnPause::Disable => Some(Verdict::off(Standing::Suspended, "unpaid")),
        Status::Paused if policy.on_pause == OnPause::Disable => Some(Verdict::off(Standing::Suspended, "paused")),
        _ => None,
    }
}

/// An ended or suspended line still shows how far it was paid; its date is not compared.
fn dated(mut verdict: Verdict, state: &State, sold: Sold<'_>, policy: Policy) -> Verdict {
    verdict.paid_through = sold.coverage(state, |loss| counts(policy, loss)).paid_through;
    let trial_end = state.snapshot.as_ref().and_then(|s| s.value.trial_end);
    verdict.is_trial = trial_end.is_some_and(|t| verdict.paid_through.is_none_or(|p| p <= t));
    verdict
}

fn counts(policy: Policy, loss: Loss) -> bool {
    on_loss(policy, loss) != Some(OnLoss::Disable)
}

/// What the policy does about a loss; none, if there is none.
fn on_loss(policy: Policy, loss: Loss) -> Option<OnLoss> {
    match loss {
        Loss::None => None,
        Loss::PartialRefund => Some(policy.on_refund_partial),
        Loss::FullRefund => Some(policy.on_refund),
        Loss::DisputeLost => Some(policy.on_dispute),
    }
}

/// What `flag` leaves to a person: money of the time that runs went back, or may, and the license
/// stays as it is.
pub(super) fn flag(state: &State, sold: Sold<'_>, policy: Policy, now: DateTime<Utc>) -> Option<&'static str> {
    let is_flagged = |loss| on_loss(policy, loss) == Some(OnLoss::Flag);
    let is_disputed = state.disputes.values().any(|d| d.value.status == DisputeStatus::Open);
    if is_disputed && policy.on_dispute == OnLoss::Flag {
        return Some("dispute");
    }
    let lost = sold.coverage(state, |loss| counts(policy, loss) && !is_flagged(loss)).lost?;
    (lost.until > now && is_flagged(lost.how)).then_some(match lost.how {
        Loss::DisputeLost => "dispute_lost",
        Loss::PartialRefund => "refunded_in_part",
        Loss::FullRefund | Loss::None => "refunded",
    })
}

fn by_coverage(state: &State, sold: Sold<'_>, snapshot: &Snapshot, policy: Policy, now: DateTime<Utc>) -> Verdict {
    let coverage = covered(state, sold, snapshot, policy);
    if coverage.forever {
        return Verdict { standing: Standing::Active, switch: Switch::On, ..Verdict::nothing("paid") };
    }
    let trialing = snapshot.status == Status::Trialing;
    // A trial covers up to its end, also when it has ended, until the first payment says more; its
    // own line may end earlier, where it was extended.
    let end = coverage.paid_through.max(snapshot.trial_end);
    let is_running = end.is_some_and(|e| e > now);
    if !is_running && let Some(lost) = missed(coverage.lost, end, policy, now) {
        let reason = if lost.how == Loss::DisputeLost { "dispute_lost" } else { "refunded" };
        return Verdict { paid_through: end, ..Verdict::off(Standing::Ended, reason) };
    }
    let Some(paid_through) = end else { return unpaid(state, sold, policy, now) };
    let is_trial = snapshot.trial_end.is_some_and(|t| paid_through <= t);
    let paid_date = valid_until(paid_through, policy.grace_days);
    let date = match (policy.on_cancel, snapshot.cancel_at) {
        // No grace past the end; and an end in the far future does not pay for the time until then.
        (OnCancel::ExpireOnly, Some(at)) => first_date_at_or_after(at).min(paid_date),
        _ => paid_date,
    };
    let (standing, reason, switch) = if now < paid_through {
        if trialing { (Standing::Trial, "trial", Switch::On) } else { (Standing::Active, "paid", Switch::On) }
    } else if now < midnight(date) {
        (Standing::Grace, if snapshot.status == Status::PastDue { "past_due" } else { "renewal_due" }, Switch::On)
    } else {
        (Standing::Ended, "lapsed", Switch::Leave) // LicenseSpring expires it by itself
    };
    Verdict { standing, reason, switch, paid_through: Some(paid_through), valid_until: Some(date), is_trial }
}

/// An item that nothing was paid for. There may be a license: of what it took the place of, which
/// runs on until this is paid; or from when something else was known, and it has nothing to run by.
fn unpaid(state: &State, sold: Sold<'_>, policy: Policy, now: DateTime<Utc>) -> Verdict {
    if sold.item.metered {
        return Verdict::nothing("metered");
    }
    let elsewhere = coverage::of_anything(state, sold.item, |loss| counts(policy, loss));
    let lives_on = elsewhere.is_some_and(|end| midnight(valid_until(end, policy.grace_days)) > now);
    if lives_on { Verdict::nothing("not_paid_yet") } else { Verdict::off(Standing::None, "not_paid_yet") }
}

/// What was lost, where a license would still run by it, its days of grace included: such a
/// license may be there, made before the loss was told.
fn missed(lost: Option<Lost>, end: Option<DateTime<Utc>>, policy: Policy, now: DateTime<Utc>) -> Option<Lost> {
    let ran_until = |until| midnight(valid_until(until, policy.grace_days));
    lost.filter(|l| end.is_none_or(|end| l.until > end) && ran_until(l.until) > now)
}

/// The coverage that the policy extends on.
fn covered(state: &State, sold: Sold<'_>, snapshot: &Snapshot, policy: Policy) -> Coverage {
    let mut coverage = sold.coverage(state, |loss| counts(policy, loss));
    let runs = matches!(snapshot.status, Status::Trialing | Status::Active | Status::PastDue);
    if policy.extend_on == ExtendOn::Period && runs && coverage.lost.is_none() {
        coverage.paid_through = snapshot.paid_through.or(sold.item.period_end).or(coverage.paid_through);
    }
    coverage
}

/// The next instant at which the answer changes by itself.
pub(super) fn next_transition(state: &State, verdict: &Verdict, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if matches!(verdict.standing, Standing::Ended) {
        return None;
    }
    let snapshot = state.snapshot.as_ref().map(|s| &s.value);
    let own = [
        verdict.paid_through,
        verdict.valid_until.map(midnight),
        snapshot.and_then(|s| s.cancel_at),
        snapshot.and_then(|s| s.trial_end),
        claimable_until(state),
    ];
    own.into_iter().flatten().filter(|at| *at > now).min()
}
