//! Coverage: the time that has been paid for, line by line, never a maximum over everything.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::fact::{DisputeStatus, Entity, Item, Payment, PaymentLine, PaymentStatus, Snapshot, Status};
use super::state::{PaymentState, State, waives};

/// How long before the end of a period its renewal may be charged. Less than the shortest
/// interval there is, a day, or one payment would be taken for two.
const RENEWAL_EARLY_MAX: TimeDelta = TimeDelta::hours(12);

/// What became of a payment after it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    None,
    PartialRefund,
    FullRefund,
    DisputeLost,
}

/// From, until.
type Span = (DateTime<Utc>, DateTime<Utc>);

/// The coverage of one item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    pub paid_through: Option<DateTime<Utc>>,
    /// Bought once: paid, without an end.
    pub forever: bool,
    /// The payment (entity key) whose line decides.
    pub payment: Option<String>,
    /// The payment that would decide, had it not been lost, and how.
    pub lost: Option<Lost>,
}

/// A line that does not count because its payment was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub payment: String,
    pub how: Loss,
    pub until: DateTime<Utc>,
}

/// Coverage as the provider's data alone says it (no policy): payments that are paid and not
/// fully refunded or lost.
#[must_use]
pub fn canonical(state: &State, item: &Item) -> Coverage {
    of(state, item, |loss| loss < Loss::FullRefund)
}

/// Coverage of an item; `counts` says whether a payment with that loss still counts.
#[must_use]
pub fn of(state: &State, item: &Item, counts: impl Fn(Loss) -> bool) -> Coverage {
    let Some(snapshot) = state.snapshot.as_ref().map(|s| &s.value) else { return Coverage::default() };
    if item.one_off {
        return once(state, item, counts);
    }
    if snapshot.paid_through.is_some() {
        return of_snapshot(state, item, renewed(state, snapshot), counts);
    }
    let mut coverage = latest(state, &counts, item, |line| belongs(line, item));
    let has_no_line = coverage.paid_through.is_none() && coverage.lost.is_none();
    if has_no_line && matches!(snapshot.status, Status::Active | Status::Trialing) {
        coverage = inherited(latest(state, &counts, item, is_of_a_period), item);
    }
    // What was given back is not waived: only a period beyond it is.
    let waived =
        item.period_end.filter(|end| waives(snapshot) && coverage.lost.as_ref().is_none_or(|l| l.until < *end));
    coverage.paid_through = coverage.paid_through.max(waived);
    coverage
}

/// Until when anything of the subscription is paid: an item without a payment of its own may be
/// the successor of what that payment was for.
#[must_use]
pub fn of_anything(state: &State, item: &Item, counts: impl Fn(Loss) -> bool) -> Option<DateTime<Utc>> {
    latest(state, &counts, item, |_| true).paid_through
}

/// What was bought once stays bought while one payment for it counts.
fn once(state: &State, item: &Item, counts: impl Fn(Loss) -> bool) -> Coverage {
    let mut coverage = Coverage::default();
    for (id, _) in state.payments.iter().filter(|(_, p)| buys(p) && names(p, item)) {
        let how = loss(state, id, item);
        if counts(how) {
            return Coverage { forever: true, payment: Some(id.clone()), ..Coverage::default() };
        }
        coverage.lost = Some(Lost { payment: id.clone(), how, until: DateTime::<Utc>::MAX_UTC });
    }
    coverage
}

/// A payment that does not say what it is for is for everything.
fn names(payment: &PaymentState, item: &Item) -> bool {
    let Payment { items, lines, .. } = &payment.payment;
    (items.is_empty() && lines.is_empty()) || items.iter().any(|i| i.item_id == item.item_id)
}

/// A new item shares what the subscription has, up to its own period's end; and its losses.
fn inherited(whole: Coverage, item: &Item) -> Coverage {
    let Some(period) = item.period_end else { return Coverage::default() };
    Coverage {
        paid_through: whole.paid_through.map(|end| end.min(period)),
        payment: whole.payment,
        forever: false,
        lost: whole.lost.map(|lost| Lost { until: lost.until.min(period), ..lost }),
    }
}

/// How far the snapshot says it is paid, and one interval more for every payment at the end of
/// that: a rebill may be told without the subscription it renews.
fn renewed(state: &State, snapshot: &Snapshot) -> Option<DateTime<Utc>> {
    let paid_through = snapshot.paid_through?;
    let Some(interval) = snapshot.interval.filter(|_| snapshot.cancel_at.is_none()) else { return Some(paid_through) };
    let paid = state.payments.values().filter(|p| p.payment.status == PaymentStatus::Paid);
    let mut paid_at: Vec<DateTime<Utc>> = paid.filter_map(|p| p.paid_at).collect();
    paid_at.sort_unstable();
    Some(paid_at.into_iter().fold(paid_through, |end, at| {
        let is_renewal = at.checked_add_signed(RENEWAL_EARLY_MAX).is_some_and(|at| at >= end);
        if is_renewal { interval.after(end) } else { end }
    }))
}

/// Where the snapshot itself says how far it is paid (FastSpring): lost with the payment that
/// opened the period, unless another one of its worth followed. What else was charged in it, for
/// a change of plan or quantity, is only a part of it.
fn of_snapshot(
    state: &State,
    item: &Item,
    paid_through: Option<DateTime<Utc>>,
    counts: impl Fn(Loss) -> bool,
) -> Coverage {
    let period = of_period(state, paid_through);
    let Some((opening, first)) = period.first() else { return Coverage { paid_through, ..Coverage::default() } };
    let how = |payment: &str| loss(state, payment, item);
    let lost = |payment: &str, how| {
        let lost = paid_through.map(|until| Lost { payment: payment.to_owned(), how, until });
        Coverage { lost, ..Coverage::default() }
    };
    let worth = first.payment.amount_paid;
    let stands = |(n, (id, p)): &(usize, &Kept<'_>)| (*n == 0 || p.payment.amount_paid >= worth) && counts(how(id));
    let standing = || period.iter().enumerate().filter(stands);
    let Some((n, (payment, _))) = standing().find(|(n, _)| *n == 0).or_else(|| standing().last()) else {
        return lost(opening, how(opening));
    };
    let part = period.iter().skip(n + 1).find(|(id, _)| how(id) > Loss::None);
    match part {
        Some((part, _)) if !counts(Loss::PartialRefund) => lost(part, Loss::PartialRefund),
        _ => Coverage { paid_through, payment: Some((*payment).clone()), ..Coverage::default() },
    }
}

/// A payment with its key.
type Kept<'a> = (&'a String, &'a PaymentState);

/// The payments of the period that ends there, first to last; the last of all, where it is not
/// known when the period began, or none was made since.
fn of_period(state: &State, end: Option<DateTime<Utc>>) -> Vec<Kept<'_>> {
    let interval = state.snapshot.as_ref().and_then(|s| s.value.interval);
    let paid = |p: &PaymentState| p.payment.status == PaymentStatus::Paid || was_taken_back(p);
    let mut kept: Vec<Kept<'_>> = state.payments.iter().filter(|(_, p)| paid(p)).collect();
    kept.sort_by(|a, b| (a.1.paid_at, &a.1.key).cmp(&(b.1.paid_at, &b.1.key)));
    let begun = interval.zip(end).map(|(interval, end)| interval.before(end));
    let begun = begun.and_then(|at| at.checked_sub_signed(RENEWAL_EARLY_MAX));
    let opening = begun.and_then(|begun| kept.iter().position(|(_, p)| p.paid_at >= Some(begun)));
    kept.split_off(opening.unwrap_or(kept.len().saturating_sub(1)))
}

/// The end of the counting line with the latest start.
fn latest(state: &State, counts: &impl Fn(Loss) -> bool, item: &Item, mine: impl Fn(&PaymentLine) -> bool) -> Coverage {
    let mut best: Option<(Span, &String)> = None;
    let mut lost: Option<(Span, &String, Loss)> = None;
    for (id, payment) in state.payments.iter().filter(|(_, p)| buys(p)) {
        let how = loss(state, id, item);
        let lines = payment.payment.lines.iter().filter(|l| !in_arrears(state, l) && mine(l));
        let lines = lines.map(|l| (l.start, l.end));
        for line in lines.chain(whole_interval(state, payment)) {
            if counts(how) {
                if best.is_none_or(|(held, _)| line > held) {
                    best = Some((line, id));
                }
            } else if lost.is_none_or(|(held, _, _)| line > held) {
                lost = Some((line, id, how));
            }
        }
    }
    Coverage {
        paid_through: best.map(|((_, end), _)| end),
        payment: best.map(|(_, id)| id.clone()),
        forever: false,
        lost: lost.map(|((_, until), id, how)| Lost { payment: id.clone(), how, until }),
    }
}

/// A payment that does not say how long it lasts buys one interval of its subscription, every
/// item alike, from when it was paid.
fn whole_interval(state: &State, payment: &PaymentState) -> Option<Span> {
    let interval = state.snapshot.as_ref().and_then(|s| s.value.interval)?;
    let start = payment.paid_at.filter(|_| payment.payment.lines.is_empty())?;
    Some((start, interval.after(start)))
}

fn buys(payment: &PaymentState) -> bool {
    payment.payment.status == PaymentStatus::Paid || payment.waived
}

/// What use is billed for is over when it is paid. The line itself need not say so: since 2025
/// Stripe's lines name their item and price, not how those are billed.
fn in_arrears(state: &State, line: &PaymentLine) -> bool {
    let items = state.snapshot.iter().flat_map(|s| &s.value.items);
    line.metered || items.filter(|i| i.metered).any(|i| Some(&i.item_id) == line.item_id.as_ref())
}

/// Paid once, and voided since: an order that was canceled.
fn was_taken_back(payment: &PaymentState) -> bool {
    payment.payment.status == PaymentStatus::Voided && payment.paid_at.is_some() && !payment.waived
}

/// A line of a subscription's period: it names its item, or stands for those that a list which was
/// cut off does not show. What was billed by hand beside it buys nobody time.
fn is_of_a_period(line: &PaymentLine) -> bool {
    line.start < line.end && (line.item_id.is_some() || line.price.is_none())
}

/// By item id; by price where the line names no item; by period where it names neither, as of a
/// list that was cut off.
fn belongs(line: &PaymentLine, item: &Item) -> bool {
    match (&line.item_id, &line.price) {
        (Some(id), _) => *id == item.item_id,
        (None, Some(price)) => {
            item.product.keys.get("price") == Some(price) || item.product.keys.get("product") == Some(price)
        }
        (None, None) => item.period_start == Some(line.start) && item.period_end == Some(line.end),
    }
}

/// What became of a payment, as far as it concerns an item.
#[must_use]
pub fn loss(state: &State, payment: &str, item: &Item) -> Loss {
    let hits = |entity: &str| ancestors(state, entity).contains(payment);
    if state.payments.get(payment).is_some_and(was_taken_back) {
        return Loss::FullRefund;
    }
    if state.disputes.iter().any(|(k, d)| d.value.status == DisputeStatus::Lost && hits(k)) {
        return Loss::DisputeLost;
    }
    let refunds: Vec<_> = state.refunds.iter().filter(|(k, _)| hits(k)).map(|(_, r)| r).collect();
    let succeeded = || refunds.iter().filter(|r| r.value.succeeded);
    let concerns = |products: &[String]| {
        let names = |p: &String| *p == item.item_id || item.product.keys.values().any(|v| v == p);
        products.is_empty() || products.iter().any(names)
    };
    if succeeded().any(|r| r.value.full && concerns(&r.value.products)) {
        return Loss::FullRefund;
    }
    let by_refunds: i64 = succeeded().filter_map(|r| r.value.amount).fold(0, i64::saturating_add);
    let charges: Vec<_> = state.charges.iter().filter(|(k, _)| hits(k)).collect();
    let by_charges: i64 = charges
        .iter()
        .map(|(k, c)| given_back(state, k, c.value.amount_refunded, &c.key.at))
        .fold(0, i64::saturating_add);
    let given = by_refunds.max(by_charges);
    let paid = state.payments.get(payment).and_then(|p| p.payment.amount_paid).filter(|a| *a > 0);
    let all = match paid {
        Some(paid) => given >= paid,
        None => charges.iter().any(|(_, c)| c.value.full && given >= c.value.amount) && given > 0,
    };
    match (all, given > 0) {
        (true, _) => Loss::FullRefund,
        (false, true) => Loss::PartialRefund,
        (false, false) => Loss::None,
    }
}

/// A charge's running total, less the refunds that failed after it was said.
fn given_back(state: &State, charge: &str, total: i64, said_at: &DateTime<Utc>) -> i64 {
    let failed: i64 = state
        .refunds
        .iter()
        .filter(|(k, r)| !r.value.succeeded && r.key.at >= *said_at && ancestors(state, k).contains(charge))
        .filter_map(|(_, r)| r.value.amount)
        .fold(0, i64::saturating_add);
    total.saturating_sub(failed).max(0)
}

/// Everything an entity belongs to, itself included.
#[must_use]
pub fn ancestors(state: &State, entity: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([entity.to_owned()]);
    let mut todo = vec![entity.to_owned()];
    while let Some(child) = todo.pop() {
        for link in state.links.iter().filter(|l| l.child.key() == child) {
            let parent: String = Entity::key(&link.parent);
            if found.insert(parent.clone()) {
                todo.push(parent);
            }
        }
    }
    found
}
