//! The one way in: `ledger.append`, one call for one journal, in one transaction.

use std::ops::Range;

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use rand::RngCore;
use sha2::{Digest, Sha256};

use crate::postgres::{DbError, sqlstate};
use crate::sql;

/// Bytes of random salt in front of every part, so that a commitment gives nothing away about
/// a part that was erased.
pub const SALT_BYTES: usize = 16;

/// A delivery to be stored: the request body cut into parts that concatenate to it.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub received_at: DateTime<Utc>,
    /// Kept headers as JSON; never credentials.
    pub headers: Option<String>,
    /// What was blanked in the body before it was cut.
    pub cuts: Vec<Range<usize>>,
    pub parts: Vec<Vec<u8>>,
    pub events: Vec<NewEvent>,
}

/// One event of a delivery.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Which part of the delivery it is.
    pub part: usize,
    /// 1..=255 printable bytes, unique in its journal.
    pub dedupe_key: String,
    pub external_id: String,
    pub event_type: String,
    pub occurred_at: Option<DateTime<Utc>>,
    pub livemode: Option<bool>,
}

impl NewDelivery {
    /// An event of our own (intent, outcome, adopted rules, admin act): its body is its JSON.
    #[must_use]
    pub fn own(event_type: &str, dedupe_key: &str, body: &serde_json::Value, now: DateTime<Utc>) -> Self {
        Self {
            received_at: now,
            headers: None,
            cuts: Vec::new(),
            parts: vec![body.to_string().into_bytes()],
            events: vec![NewEvent {
                part: 0,
                dedupe_key: dedupe_key.to_owned(),
                external_id: dedupe_key.to_owned(),
                event_type: event_type.to_owned(),
                occurred_at: Some(now),
                livemode: None,
            }],
        }
    }

    /// Bytes of the body.
    #[must_use]
    pub fn size(&self) -> usize {
        self.parts.iter().map(Vec::len).sum()
    }
}

/// What the ledger says of one event: the proof an acknowledgement needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub position: i64,
    pub is_new: bool,
    /// Already there, with other bytes.
    pub is_variant: bool,
    pub recorded_at: DateTime<Utc>,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The journal moved since its tail was read: what was decided from it is stale.
    #[error("the journal's tail moved")]
    TailMoved,
    #[error(transparent)]
    Database(#[from] DbError),
}

/// The batch as parallel arrays, as the function takes it.
#[derive(Default)]
struct Arrays<'a> {
    dedupe_key: Vec<&'a str>,
    external_id: Vec<&'a str>,
    event_type: Vec<&'a str>,
    occurred_at: Vec<Option<DateTime<Utc>>>,
    livemode: Vec<Option<bool>>,
    delivery: Vec<i32>,
    part: Vec<i32>,
    received_at: Vec<DateTime<Utc>>,
    headers: Vec<Option<&'a str>>,
    cuts: Vec<Option<String>>,
    first: Vec<i32>,
    salt: Vec<[u8; SALT_BYTES]>,
    commitment: Vec<[u8; 32]>,
    bytes: Vec<&'a [u8]>,
}

impl<'a> Arrays<'a> {
    fn of(deliveries: &'a [NewDelivery]) -> Self {
        let mut arrays = Self::default();
        for (number, delivery) in (1i32..).zip(deliveries) {
            arrays.received_at.push(delivery.received_at);
            arrays.headers.push(delivery.headers.as_deref());
            arrays.cuts.push(cuts_of(&delivery.cuts));
            arrays.first.push(next_index(&arrays.bytes));
            delivery.parts.iter().for_each(|part| arrays.push_part(part));
            delivery.events.iter().for_each(|event| arrays.push_event(number, event));
        }
        arrays.first.push(next_index(&arrays.bytes));
        arrays
    }

    fn push_part(&mut self, part: &'a [u8]) {
        let mut salt = [0u8; SALT_BYTES];
        rand::rng().fill_bytes(&mut salt);
        self.commitment.push(Sha256::new().chain_update(salt).chain_update(part).finalize().into());
        self.salt.push(salt);
        self.bytes.push(part);
    }

    fn push_event(&mut self, delivery: i32, event: &'a NewEvent) {
        self.dedupe_key.push(&event.dedupe_key);
        self.external_id.push(&event.external_id);
        self.event_type.push(&event.event_type);
        self.occurred_at.push(event.occurred_at);
        self.livemode.push(event.livemode);
        self.delivery.push(delivery);
        self.part.push(i32::try_from(event.part).unwrap_or(i32::MAX));
    }
}

/// As Postgres writes an array: offset, length, offset, length, …
fn cuts_of(cuts: &[Range<usize>]) -> Option<String> {
    let pairs: Vec<String> = cuts.iter().map(|cut| format!("{},{}", cut.start, cut.len())).collect();
    (!pairs.is_empty()).then(|| format!("{{{}}}", pairs.join(",")))
}

/// Arrays count from 1 in SQL.
fn next_index<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX - 1) + 1
}

/// Appends deliveries to a journal; answers for every event, in order. With `expect_tail` the
/// append is refused if the journal's last position is another.
///
/// Must run outside any transaction of the caller's: the lock lasts until the commit.
///
/// # Errors
/// Nothing was appended: [`AppendError`].
pub async fn append(
    client: &impl GenericClient,
    journal: i32,
    expect_tail: Option<i64>,
    deliveries: &[NewDelivery],
) -> Result<Vec<Appended>, AppendError> {
    let arrays = Arrays::of(deliveries);
    let salt: Vec<&[u8]> = arrays.salt.iter().map(<[u8; SALT_BYTES]>::as_slice).collect();
    let commitment: Vec<&[u8]> = arrays.commitment.iter().map(<[u8; 32]>::as_slice).collect();
    let statement = client.prepare_cached(sql!("schema/statements/append.sql")).await.map_err(DbError::from)?;
    let rows = client
        .query(
            &statement,
            &[
                &journal,
                &expect_tail,
                &arrays.dedupe_key,
                &arrays.external_id,
                &arrays.event_type,
                &arrays.occurred_at,
                &arrays.livemode,
                &arrays.delivery,
                &arrays.part,
                &arrays.received_at,
                &arrays.headers,
                &arrays.cuts,
                &arrays.first,
                &salt,
                &commitment,
                &arrays.bytes,
            ],
        )
        .await
        .map_err(|e| match e.code().map(tokio_postgres::error::SqlState::code) {
            Some(sqlstate::TAIL_MOVED) => AppendError::TailMoved,
            _ => AppendError::Database(e.into()),
        })?;
    let answers: Vec<Appended> = rows
        .iter()
        .map(|row| Appended {
            position: row.get(0),
            is_new: row.get(1),
            is_variant: row.get(2),
            recorded_at: row.get(3),
        })
        .collect();
    if answers.len() == arrays.dedupe_key.len() {
        Ok(answers)
    } else {
        Err(AppendError::Database(DbError::Corrupt("the append function did not answer for every event".to_owned())))
    }
}
