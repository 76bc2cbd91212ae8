//! Cutting a body into parts: one per event and the glue between them; together they are the body.
//! What must never be stored is blanked before.

use std::borrow::Cow;
use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::domain::hash;
use crate::ledger::append::{NewDelivery, NewEvent};
use crate::providers::EventHint;

/// The type of an event whose delivery the provider cannot read.
const UNREADABLE: &str = "unreadable";
/// What blanked bytes are overwritten with: harmless in XML, JSON and text alike.
const FILLER: u8 = b'*';

/// The body without what must never be stored, of the same length. `None`: the ranges are not
/// ranges of the body, so it must not be stored at all.
pub(super) fn blanked<'a>(body: &'a [u8], cuts: &[Range<usize>]) -> Option<Cow<'a, [u8]>> {
    let mut body = Cow::Borrowed(body);
    for cut in cuts {
        body.to_mut().get_mut(cut.clone())?.fill(FILLER);
    }
    Some(body)
}

/// A delivery of readable events. `None`: the ranges are not rising ranges of the body.
pub(super) fn readable(
    body: &[u8],
    hints: &[EventHint],
    headers: Option<String>,
    now: DateTime<Utc>,
) -> Option<NewDelivery> {
    let mut parts: Vec<Vec<u8>> = Vec::with_capacity(hints.len() * 2 + 1);
    let mut events = Vec::with_capacity(hints.len());
    let mut at = 0;
    for hint in hints {
        let glue = body.get(at..hint.range.start)?;
        if !glue.is_empty() {
            parts.push(glue.to_vec());
        }
        events.push(NewEvent {
            part: parts.len(),
            dedupe_key: hint.dedupe_key.clone(),
            external_id: hint.external_id.clone(),
            event_type: hint.event_type.clone(),
            occurred_at: hint.occurred_at,
            livemode: hint.livemode,
        });
        parts.push(body.get(hint.range.clone())?.to_vec());
        at = hint.range.end;
    }
    let rest = body.get(at..)?;
    if !rest.is_empty() {
        parts.push(rest.to_vec());
    }
    Some(NewDelivery { received_at: now, headers, cuts: Vec::new(), parts, events })
}

/// A delivery kept as one event, because its provider cannot read it.
pub(super) fn unreadable(body: &[u8], headers: Option<String>, now: DateTime<Utc>) -> NewDelivery {
    let key = format!("{UNREADABLE}:{}", hash::of_bytes(body));
    NewDelivery {
        received_at: now,
        headers,
        cuts: Vec::new(),
        parts: vec![body.to_vec()],
        events: vec![NewEvent {
            part: 0,
            external_id: key.clone(),
            dedupe_key: key,
            event_type: UNREADABLE.to_owned(),
            occurred_at: None,
            livemode: None,
        }],
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // a body with one event has one range
mod tests {
    use super::*;

    fn hint(range: std::ops::Range<usize>) -> EventHint {
        EventHint {
            range,
            dedupe_key: "k".to_owned(),
            external_id: "k".to_owned(),
            event_type: "t".to_owned(),
            occurred_at: None,
            livemode: None,
        }
    }

    #[test]
    fn the_parts_of_a_delivery_concatenate_to_its_body() {
        let body = b"[aa,bb]x";
        for ranges in [vec![1..3, 4..6], vec![0..8], vec![0..1, 1..2], vec![7..8]] {
            let hints: Vec<EventHint> = ranges.iter().cloned().map(hint).collect();
            let delivery = readable(body, &hints, None, Utc::now()).unwrap();
            assert_eq!(delivery.parts.concat(), body);
            for (event, range) in delivery.events.iter().zip(ranges) {
                assert_eq!(delivery.parts[event.part], body[range]);
            }
        }
    }

    #[test]
    fn what_is_blanked_keeps_its_place() {
        let blank = |cuts: &[Range<usize>]| blanked(b"ab<secret>", cuts).map(Cow::into_owned);
        assert_eq!(blank(&[]).unwrap(), b"ab<secret>");
        assert_eq!(blank(&[0..1, 3..9]).unwrap(), b"*b<******>");
        assert_eq!(blank(&[0..1, 3..99]), None);
    }

    #[test]
    fn ranges_that_overlap_or_leave_the_body_are_not_cut() {
        for ranges in [vec![2..4, 3..5], vec![0..99], vec![5..6, 1..2]] {
            let hints: Vec<EventHint> = ranges.into_iter().map(hint).collect();
            assert!(readable(b"[aa,bb]x", &hints, None, Utc::now()).is_none());
        }
    }
}
