//! What a group of rows comes to at an instant: a step function over dates.
//!
//! Rows of one kind add up, an amendment being one more row; of several kinds the largest sum
//! counts, because they tell of the same sales (an order becomes an asset).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::dates::Interval;
use super::rows::{Force, Row};
use super::rules::Mapping;
use super::state::State;

/// How long what runs on until it is ended is covered ahead, where the catalog names no period.
const EVERGREEN_PERIOD: Interval = Interval::Months(1);
/// Periods that are looked through for the one that holds now; more than a century of days.
const PERIODS_MAX: u32 = 40_000;

/// Where a term ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    At(DateTime<Utc>),
    /// Runs on until it is ended.
    Evergreen(DateTime<Utc>),
    /// The catalog sells it for ever.
    Never,
}

/// One row that counts, or did, or would.
#[derive(Debug, Clone, Copy)]
struct Term<'a> {
    row: &'a Row,
    start: DateTime<Utc>,
    /// `None`: nobody says how long it lasts.
    end: Option<End>,
}

/// The terms of one product of one account.
pub struct Terms<'a> {
    terms: Vec<Term<'a>>,
    period: Interval,
}

/// Where a group of rows stands at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A field that decides was not sent.
    Unknown,
    /// Covered; until when, if nothing is ended before its time.
    Running(Option<DateTime<Utc>>),
    /// Its last term ended at this instant, and nothing followed.
    Over(DateTime<Utc>),
    /// It would be covered, had it not been ended before its time; when that was, if it is said.
    Canceled(Option<DateTime<Utc>>),
    /// It would be covered, were it in force.
    Pending,
    /// Its first term is yet to come.
    Ahead,
    /// Neither the rows nor the catalog say how long it lasts.
    Endless,
}

/// Phase and quantity at an instant, and the next instant at which they change by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub phase: Phase,
    /// `None`: not counted.
    pub quantity: Option<i64>,
    /// The instant at which what runs ends before its time.
    pub cut: Option<DateTime<Utc>>,
    pub next: Option<DateTime<Utc>>,
}

impl<'a> Term<'a> {
    fn of(row: &'a Row, mapping: Option<&Mapping>) -> Self {
        let start = row.start.unwrap_or(DateTime::<Utc>::MIN_UTC);
        let is_perpetual = mapping.is_some_and(Mapping::is_perpetual);
        let by_catalog = || mapping.and_then(|m| m.period).zip(row.start).map(|(period, start)| period.after(start));
        let end = match row.end {
            Some(end) => Some(End::At(end)),
            None if row.evergreen => Some(End::Evergreen(start)),
            None if is_perpetual => Some(End::Never),
            None => by_catalog().map(End::At),
        };
        Self { row, start, end }
    }

    fn counts(&self) -> bool {
        self.row.force == Force::On && self.end.is_some()
    }

    /// Whether its own term holds an instant, whatever became of it.
    fn spans(&self, at: DateTime<Utc>) -> bool {
        self.start <= at && !matches!(self.end, Some(End::At(end)) if end <= at)
    }

    fn covers(&self, at: DateTime<Utc>) -> bool {
        self.counts() && self.spans(at) && self.row.cut.is_none_or(|cut| at < cut)
    }

    fn gives(&self) -> bool {
        self.row.quantity.is_none_or(|quantity| quantity > 0)
    }

    /// Whether it is its own term that ends at an instant, and nothing before.
    fn ends_itself(&self, at: DateTime<Utc>) -> bool {
        self.end == Some(End::At(at)) && self.row.cut.is_none_or(|cut| cut > at)
    }

    /// Whether it would have covered longer than what covered last, or would now: it was put away,
    /// ended before its time, or amended to nothing. What only takes away is no loss.
    fn is_taken(&self, now: DateTime<Utc>, last: Option<DateTime<Utc>>) -> bool {
        let is_longer = |end: DateTime<Utc>| Some(end) > last;
        match (self.row.force, self.end) {
            (Force::Off | Force::Deleted, _) if self.row.quantity.is_some_and(|quantity| quantity < 0) => false,
            (Force::Off | Force::Deleted, Some(End::At(end))) => is_longer(end),
            (Force::Off | Force::Deleted, _) => true,
            (Force::On, Some(end)) if self.gives() => match (self.row.cut.filter(|cut| *cut <= now), end) {
                (Some(cut), End::At(end)) => is_longer(cut.min(end)),
                (Some(cut), _) => is_longer(cut),
                (None, _) => self.spans(now),
            },
            (Force::On, _) | (Force::Pending, _) => false,
        }
    }

    fn instants(&self) -> impl Iterator<Item = DateTime<Utc>> {
        let end = match self.end {
            Some(End::At(end)) => Some(end),
            _ => None,
        };
        [Some(self.start), end, self.row.cut].into_iter().flatten()
    }
}

impl<'a> Terms<'a> {
    /// Tests count only where there is nothing else.
    #[must_use]
    pub fn of(state: &'a State, mapping: Option<&Mapping>) -> Self {
        let is_live = state.selling().any(|row| row.livemode);
        let rows = state.selling().filter(|row| row.livemode == is_live);
        let period = mapping.and_then(|m| m.period).unwrap_or(EVERGREEN_PERIOD);
        Self { terms: rows.map(|row| Term::of(row, mapping)).collect(), period }
    }

    /// Whether any row is in force, at whatever time.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.terms.iter().any(|term| term.row.force == Force::On && term.gives())
    }

    /// Whether nobody says how long something lasts that is in force.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.terms.iter().any(|term| term.row.force == Force::On && term.end.is_none())
    }

    /// The end of the last term that counts. `None`: it has none.
    #[must_use]
    pub fn end(&self) -> Option<DateTime<Utc>> {
        match self.given().filter_map(|term| term.end).max()? {
            End::At(end) => Some(end),
            End::Evergreen(_) | End::Never => None,
        }
    }

    /// What the rows come to once all of them have begun, before the first one ends.
    #[must_use]
    pub fn last_quantity(&self) -> Option<i64> {
        let begun = self.terms.iter().filter(|term| term.counts()).map(|term| term.start).max()?;
        self.quantity(begun).flatten()
    }

    /// The instant at which everything ends before its time.
    #[must_use]
    pub fn cancel_at(&self) -> Option<DateTime<Utc>> {
        let instants: BTreeSet<DateTime<Utc>> = self.terms.iter().flat_map(Term::instants).collect();
        let last = instants.iter().rev().find(|at| self.quantity(before(**at)).is_some())?;
        (self.quantity(*last).is_none() && self.spanned(*last)).then_some(*last)
    }

    /// The sum of the rows that cover an instant. `None`: nothing is left. `Some(None)`: covered,
    /// and not counted.
    fn quantity(&self, at: DateTime<Utc>) -> Option<Option<i64>> {
        let mut kinds: BTreeMap<&str, (i64, bool)> = BTreeMap::new();
        for term in self.terms.iter().filter(|term| term.covers(at)) {
            let (sum, uncounted) = kinds.entry(term.row.kind.as_str()).or_default();
            *sum = sum.saturating_add(term.row.quantity.unwrap_or(0));
            *uncounted |= term.row.quantity.is_none();
        }
        let left = kinds.into_values().filter(|(sum, uncounted)| *sum > 0 || *uncounted);
        left.map(|(sum, _)| (sum > 0).then_some(sum)).max()
    }

    /// Whether a row that gives something, and had not been ended before, would go on at an instant.
    fn spanned(&self, at: DateTime<Utc>) -> bool {
        let goes_on = |term: &&Term<'_>| term.spans(at) && term.row.cut.is_none_or(|cut| cut >= at);
        self.given().any(|term| goes_on(&term))
    }

    /// The terms of rows that are in force and give something.
    fn given(&self) -> impl Iterator<Item = &Term<'a>> {
        self.terms.iter().filter(|term| term.counts() && term.gives())
    }

    /// How the group stands. `at_once`: what is to end before its time has ended.
    #[must_use]
    pub fn look(&self, now: DateTime<Utc>, at_once: bool) -> Look {
        let cut = self.next_instants(now).find(|at| self.quantity(*at).is_none()).filter(|at| self.spanned(*at));
        let quantity = self.quantity(now).filter(|_| !(at_once && cut.is_some()));
        let until = self.until(now);
        let phase = match quantity {
            _ if self.terms.iter().any(|term| !term.row.missing.is_empty()) => Phase::Unknown,
            Some(_) => Phase::Running(until),
            None if at_once && cut.is_some() => Phase::Canceled(cut),
            None => self.idle(now),
        };
        let quantity = match phase {
            // The seats of its last day, while it is waited for.
            Phase::Over(end) => self.quantity(before(end)),
            Phase::Unknown => None,
            _ => quantity,
        };
        let next = [self.next_instants(now).next(), until.filter(|at| *at > now)].into_iter().flatten().min();
        Look { phase, quantity: quantity.flatten(), cut, next }
    }

    fn next_instants(&self, now: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        let instants: BTreeSet<DateTime<Utc>> = self.terms.iter().flat_map(Term::instants).collect();
        instants.into_iter().filter(move |at| *at > now)
    }

    /// Where the unbroken run of terms ends that holds now. `None`: nowhere, or nothing does.
    fn until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let is_left = |term: &&Term<'_>| term.row.cut.is_none_or(|cut| cut > now);
        let left: Vec<&Term<'_>> = self.given().filter(is_left).collect();
        let mut reached = now;
        loop {
            let ends = left.iter().filter(|term| term.start <= reached).filter_map(|term| term.end);
            match ends.max()? {
                End::At(end) if end > reached => reached = end,
                End::At(_) => return (reached > now).then_some(reached),
                End::Evergreen(start) => return Some(self.period_end(start, reached)),
                End::Never => return None,
            }
        }
    }

    /// The end of the period of an evergreen row that holds an instant.
    fn period_end(&self, start: DateTime<Utc>, at: DateTime<Utc>) -> DateTime<Utc> {
        let start = if start == DateTime::<Utc>::MIN_UTC { at } else { start };
        let end = |n: u32| match self.period {
            Interval::Days(days) => Interval::Days(days.saturating_mul(n)).after(start),
            Interval::Months(months) => Interval::Months(months.saturating_mul(n)).after(start),
        };
        (1..PERIODS_MAX).map(end).find(|end| *end > at).unwrap_or(at)
    }

    /// Nothing covers now: why. How that ended which was the last to cover decides: by its own
    /// date, or because something was taken away.
    fn idle(&self, now: DateTime<Utc>) -> Phase {
        let last = self.last_covered(now);
        let begun = || self.terms.iter().filter(|term| term.start <= now);
        let taken: Vec<&Term<'_>> = begun().filter(|term| term.is_taken(now, last)).collect();
        let is_on = |term: &Term<'_>| term.row.force == Force::On;
        match last {
            Some(end) if taken.is_empty() && self.given().any(|term| term.ends_itself(end)) => Phase::Over(end),
            None if taken.is_empty() && begun().any(|term| is_on(term) && term.end.is_none()) => Phase::Endless,
            None if taken.is_empty() && self.terms.iter().any(is_on) => Phase::Ahead,
            None if taken.is_empty() && self.terms.iter().any(|term| term.row.force == Force::Pending) => {
                Phase::Pending
            }
            _ => Phase::Canceled(begun().filter_map(|term| term.row.cut.filter(|cut| *cut <= now)).max()),
        }
    }

    /// The end of what covered last.
    fn last_covered(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let instants: BTreeSet<DateTime<Utc>> = self.terms.iter().flat_map(Term::instants).collect();
        instants.into_iter().rev().find(|at| *at <= now && self.quantity(before(*at)).is_some())
    }
}

/// The last instant before.
fn before(at: DateTime<Utc>) -> DateTime<Utc> {
    at.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(at)
}
