//! What a rebuild covers: everything, one source, or one customer of a source. The rows of a part
//! are built beside the live ones, compared with them, and exchanged with them in one transaction.

use deadpool_postgres::{Client, Transaction};
use serde::Serialize;
use uuid::Uuid;

use super::customer::{self, Rows};
use super::{ActError, LEVEL_TRIES_MAX, must_move, not_given_up};
use crate::ledger::journal;
use crate::postgres::DbError;
use crate::projections::Place;
use crate::projections::exchange::{self, Part};
use crate::projections::generations;
use crate::projector::Projector;
use crate::registry::Source;

/// The scope of a rebuild as it is asked for; empty: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scope {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
}

/// A part of the projections that is to be exchanged.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    pub source: &'a Source,
    /// `None`: the whole source.
    pub customer: Option<&'a str>,
}

impl Scope {
    /// The part this names; `None`: everything.
    ///
    /// # Errors
    /// There is no such source here, or it knows no such customer.
    pub async fn target<'a>(
        &'a self,
        projector: &'a Projector,
        client: &Client,
    ) -> Result<Option<Target<'a>>, ActError> {
        let Some(name) = &self.source else {
            return match self.customer {
                Some(_) => {
                    Err(ActError::Scope("customer", "needs its source: customers are known by source".to_owned()))
                }
                None => Ok(None),
            };
        };
        let source = projector.registry.sources.get(name);
        let source = source.ok_or_else(|| ActError::Scope("source", format!("there is no source {name} here")))?;
        let target = Target { source, customer: self.customer.as_deref() };
        if let Some(customer) = target.customer {
            let place = target.live(client).await?;
            let (theirs, _) = customer::subscriptions(client, &[place.generation], source.journal, customer).await?;
            if theirs.is_empty() {
                let why = format!("no subscription of {name} names the customer {customer}");
                return Err(ActError::Scope("customer", why));
            }
        }
        Ok(Some(target))
    }
}

impl Target<'_> {
    /// Where the live rows are.
    ///
    /// # Errors
    /// The projections are not there yet.
    pub async fn live(&self, client: &Client) -> Result<Place, DbError> {
        let live = generations::live(client).await?;
        let live =
            live.get(&self.source.journal).ok_or_else(|| DbError::Corrupt("no generation is live".to_owned()))?;
        Ok(Place { generation: live.generation, journal: self.source.journal })
    }

    /// Opens a generation for the rows of this part. That of a source is filled by the projector;
    /// that of a customer in one go, by [`Target::differences`].
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn open(&self, client: &mut Client) -> Result<i32, DbError> {
        let followed: &[i32] = if self.customer.is_some() { &[] } else { &[self.source.journal] };
        generations::open(client, followed, Some(self.source.journal)).await
    }

    /// Every event was read to where the tail is now.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn is_caught_up(&self, client: &Client, generation: i32) -> Result<bool, DbError> {
        let place = Place { generation, journal: self.source.journal };
        let read = generations::position(client, place).await?;
        Ok(self.customer.is_some() || read >= journal::tail(client, place.journal).await?)
    }

    /// What is not the same in the part's own rows and the live ones, at equal positions, and from
    /// how many events a customer's rows were folded.
    ///
    /// # Errors
    /// The live generation keeps moving, or the database cannot be used.
    pub async fn differences(
        &self,
        projector: &Projector,
        client: &mut Client,
        generation: i32,
    ) -> Result<(Vec<String>, Option<usize>), ActError> {
        let live = self.live(client).await?;
        for _ in 0..LEVEL_TRIES_MAX {
            self.follow(projector, live, generation).await?;
            let tx = client.transaction().await.map_err(DbError::from)?;
            if let Some(part) = self.staged(projector, &tx, live, generation).await? {
                let found = exchange::differences_of(&tx, live, generation, part.subscriptions.as_deref()).await?;
                tx.commit().await.map_err(DbError::from)?;
                return Ok((found, part.positions.map(|p| p.len())));
            }
        }
        Err(ActError::NotCaughtUp)
    }

    /// The same of a part that was promoted: the rows that it took the place of, against it.
    ///
    /// # Errors
    /// As [`Target::differences`].
    pub async fn replaced(
        &self,
        projector: &Projector,
        client: &mut Client,
        generation: i32,
    ) -> Result<Vec<String>, ActError> {
        let live = self.live(client).await?;
        for _ in 0..LEVEL_TRIES_MAX {
            self.follow(projector, live, generation).await?;
            let tx = client.transaction().await.map_err(DbError::from)?;
            if let Some(part) = self.kept(projector, &tx, live, generation).await? {
                let found = exchange::differences_of(&tx, live, generation, part.subscriptions.as_deref()).await?;
                tx.commit().await.map_err(DbError::from)?;
                return Ok(found);
            }
        }
        Err(ActError::NotCaughtUp)
    }

    /// Exchanges the rows, and moves the rebuild that asked for it on in the same transaction.
    ///
    /// # Errors
    /// The live generation keeps moving, or the rebuild is not ready any more.
    pub async fn promote(
        &self,
        projector: &Projector,
        client: &mut Client,
        generation: i32,
        rebuild: Option<Uuid>,
    ) -> Result<(), ActError> {
        let live = self.live(client).await?;
        for _ in 0..LEVEL_TRIES_MAX {
            self.follow(projector, live, generation).await?;
            let tx = client.transaction().await.map_err(DbError::from)?;
            // First of all: of two who do this at once, the second finds it done.
            must_move(&tx, rebuild, "ready", "promoted").await?;
            let Some(part) = self.staged(projector, &tx, live, generation).await? else { continue };
            exchange::exchange(&tx, live, generation, &part).await?;
            exchange::keep_as_previous(&tx, generation).await?;
            tx.commit().await.map_err(DbError::from)?;
            generations::sweep(client).await?;
            return Ok(());
        }
        Err(ActError::NotCaughtUp)
    }

    /// Exchanges them back; the rows of before have followed on, or do so now.
    ///
    /// # Errors
    /// As [`Target::promote`].
    pub async fn roll_back(
        &self,
        projector: &Projector,
        client: &mut Client,
        generation: i32,
        rebuild: Option<Uuid>,
    ) -> Result<(), ActError> {
        let live = self.live(client).await?;
        for _ in 0..LEVEL_TRIES_MAX {
            self.follow(projector, live, generation).await?;
            let tx = client.transaction().await.map_err(DbError::from)?;
            must_move(&tx, rebuild, "promoted", "rolled_back").await?;
            let Some(part) = self.kept(projector, &tx, live, generation).await? else { continue };
            exchange::exchange(&tx, live, generation, &part).await?;
            tx.commit().await.map_err(DbError::from)?;
            return Ok(generations::discard(client, generation).await?);
        }
        Err(ActError::NotCaughtUp)
    }

    /// The part with its own rows at the live position, held there until the transaction ends.
    async fn staged(
        &self,
        projector: &Projector,
        tx: &Transaction<'_>,
        live: Place,
        generation: i32,
    ) -> Result<Option<Part>, ActError> {
        let Some(position) = exchange::hold(tx, live, generation).await? else { return Ok(None) };
        not_given_up(tx, generation).await?;
        let Some(customer) = self.customer else { return Ok(Some(Part::default())) };
        exchange::empty(tx, Place { generation, ..live }).await?;
        self.rows(projector, live, generation, customer).build(tx, position).await.map(Some)
    }

    /// The part with the rows of before an exchange, brought to the live position and held there.
    async fn kept(
        &self,
        projector: &Projector,
        tx: &Transaction<'_>,
        live: Place,
        generation: i32,
    ) -> Result<Option<Part>, ActError> {
        if exchange::hold(tx, live, generation).await?.is_none() {
            return Ok(None);
        }
        not_given_up(tx, generation).await?;
        let Some(customer) = self.customer else { return Ok(Some(Part::default())) };
        self.rows(projector, live, generation, customer).catch_up(tx).await.map(Some)
    }

    fn rows<'a>(&'a self, projector: &'a Projector, live: Place, generation: i32, customer: &'a str) -> Rows<'a> {
        Rows { projector, source: self.source, live, staged: Place { generation, ..live }, customer }
    }

    /// Brings both to the tail; of a customer there is only the live one to be brought.
    async fn follow(&self, projector: &Projector, live: Place, generation: i32) -> Result<(), DbError> {
        projector.drain(live).await?;
        if self.customer.is_none() {
            projector.drain(Place { generation, ..live }).await?;
        }
        Ok(())
    }
}
