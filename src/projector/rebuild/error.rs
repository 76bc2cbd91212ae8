//! Why an act on a rebuild did not happen.

use crate::ledger::append::AppendError;
use crate::postgres::DbError;

/// Why an act on a rebuild did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error("this rebuild is {0}")]
    WrongState(String),
    #[error("the live generation keeps moving; try again")]
    NotCaughtUp,
    /// Its rows can only be made by who knows its provider; a new generation would lose them.
    #[error("the journal {0} is not in this instance's configuration: name it there, then rebuild")]
    UnknownJournal(String),
    /// A field of the scope names nothing.
    #[error("{0}: {1}")]
    Scope(&'static str, String),
    #[error("{0} events speak of this customer: rebuild the source instead")]
    TooLarge(usize),
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl ActError {
    /// Its rows are gone, or about to go.
    pub(super) fn given_up() -> Self {
        Self::WrongState("given up: a newer one has taken its place".to_owned())
    }
}

impl From<DbError> for ActError {
    fn from(e: DbError) -> Self {
        Self::Append(AppendError::Database(e))
    }
}

impl From<deadpool_postgres::PoolError> for ActError {
    fn from(e: deadpool_postgres::PoolError) -> Self {
        DbError::from(e).into()
    }
}
