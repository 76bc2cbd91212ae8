//! Deliveries made by hand, and the ledger looked at with plain SQL.

use deadpool_postgres::Client;
use subledger::ledger::append::{Appended, NewDelivery, NewEvent, append};
use subledger::ledger::journal::{self, JournalKind};

use super::cluster::Database;

/// An event of a delivery: its part and its dedupe key.
pub fn event(part: usize, key: &str) -> NewEvent {
    NewEvent {
        part,
        dedupe_key: key.to_owned(),
        external_id: key.to_owned(),
        event_type: "test".to_owned(),
        occurred_at: None,
        livemode: Some(true),
    }
}

/// A delivery of these parts, holding these events.
pub fn delivery(parts: &[&str], events: &[(usize, &str)]) -> NewDelivery {
    NewDelivery {
        received_at: chrono::Utc::now(),
        headers: Some(r#"{"content-type":"application/json"}"#.to_owned()),
        cuts: vec![],
        parts: parts.iter().map(|p| p.as_bytes().to_vec()).collect(),
        events: events.iter().map(|(part, key)| event(*part, key)).collect(),
    }
}

/// A delivery of one event.
pub fn single(key: &str, body: &str) -> NewDelivery {
    delivery(&[body], &[(0, key)])
}

/// A connection of the service and a fresh journal.
pub async fn opened(database: &Database) -> (Client, i32) {
    let client = database.pool().get().await.unwrap();
    let journal = journal::open(&client, "test-source", JournalKind::Source).await.unwrap();
    (client, journal)
}

/// Appends, and answers with (position, new) of every event.
pub async fn put(client: &Client, journal: i32, deliveries: &[NewDelivery]) -> Vec<(i64, bool)> {
    let appended = append(client, journal, None, deliveries).await.unwrap();
    appended.iter().map(|a: &Appended| (a.position, a.is_new)).collect()
}

/// Every position of the journal, in the order of `recorded_at` and then position.
pub async fn positions(client: &tokio_postgres::Client, journal: i32) -> Vec<i64> {
    let by_time = "SELECT position FROM ledger.events WHERE journal = $1 ORDER BY recorded_at, position";
    client.query(by_time, &[&journal]).await.unwrap().iter().map(|r| r.get(0)).collect()
}
