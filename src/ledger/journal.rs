//! Journals: names, ids, tails.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;

use crate::postgres::{DbError, query, query_opt};
use crate::sql;

/// The journal of the system itself: adopted rules, admin acts without another home.
pub const SYSTEM: &str = "system";

/// What a journal is the log of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalKind {
    Source,
    Licensespring,
    System,
}

impl JournalKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Licensespring => "licensespring",
            Self::System => "system",
        }
    }
    fn parse(text: &str) -> Result<Self, DbError> {
        match text {
            "source" => Ok(Self::Source),
            "licensespring" => Ok(Self::Licensespring),
            "system" => Ok(Self::System),
            other => Err(DbError::Corrupt(format!("unknown journal kind {other}"))),
        }
    }
}

/// One journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    pub id: i32,
    pub name: String,
    pub kind: JournalKind,
}

/// The name of a LicenseSpring account's journal.
#[must_use]
pub fn of_account(account: &str) -> String {
    format!("licensespring-{account}")
}

/// Opens a journal, or finds the one of that name.
///
/// # Errors
/// The name is taken by another kind, or the database cannot be written.
pub async fn open(client: &impl GenericClient, name: &str, kind: JournalKind) -> Result<i32, DbError> {
    let row = query_opt(client, sql!("schema/statements/open_journal.sql"), &[&name, &kind.as_str()]).await?;
    row.map(|r| r.get(0)).ok_or_else(|| DbError::Corrupt("open_journal gave no id".to_owned()))
}

/// Every journal, by id.
///
/// # Errors
/// The database cannot be read.
pub async fn all(client: &impl GenericClient) -> Result<BTreeMap<i32, Journal>, DbError> {
    let rows = query(client, sql!("schema/statements/journals.sql"), &[]).await?;
    rows.iter()
        .map(|row| {
            let kind = JournalKind::parse(row.get(2))?;
            Ok((row.get(0), Journal { id: row.get(0), name: row.get(1), kind }))
        })
        .collect()
}

/// The last position of a journal; 0 where it is empty.
///
/// # Errors
/// The database cannot be read.
pub async fn tail(client: &impl GenericClient, journal: i32) -> Result<i64, DbError> {
    let row = query_opt(client, sql!("schema/statements/tail.sql"), &[&journal]).await?;
    Ok(row.map_or(0, |r| r.get(0)))
}
