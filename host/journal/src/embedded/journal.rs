//! The journal's promises, kept by the writer, the readers and the tail.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use waystation_core::{
    Event, HandlerName, Sequence, Start, StateKeys, StateValue, Timestamp, limits,
};

use super::change::Size;
use super::identities::Key;
use super::{Embedded, attempts, events, exceptions, identities, join, state, subscriptions};
use crate::{
    Appended, Attempt, Commit, DeadLetter, DeliveryKey, Due, Entry, Error, Journal, Position,
    Retained, Retention, Settlement, SubscriptionId, SubscriptionStatus,
};

#[async_trait]
impl Journal for Embedded {
    async fn append(&self, events: Vec<Event>) -> Result<Vec<Appended>, Error> {
        self.refuse_if_full()?;
        let size = Size {
            operations: events.len(),
            bytes: events.iter().map(Event::size_bytes).sum(),
        };
        self.write(size, |group| group.append(events)).await
    }

    fn head(&self) -> watch::Receiver<Sequence> {
        self.published.head()
    }

    async fn read(
        &self,
        after: Sequence,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Entry>>, Error> {
        self.refuse_if_closed()?;
        let newest = self.published.tail().after(after, events_max, bytes_max);
        match newest {
            Some(entries) => Ok(entries),
            None => {
                let query =
                    move |connection: &_| events::after(connection, after, events_max, bytes_max);
                self.readers.read(query).await
            }
        }
    }

    async fn entry(&self, sequence: Sequence) -> Result<Option<Arc<Entry>>, Error> {
        self.refuse_if_closed()?;
        let newest = self.published.tail().at(sequence);
        match newest {
            Some(entry) => Ok(Some(entry)),
            None => self.readers.read(move |c| events::at(c, sequence)).await,
        }
    }

    async fn find(&self, id: &str) -> Result<Vec<Arc<Entry>>, Error> {
        let id = id.to_owned();
        let keys = Key::with_id(&id);
        // In this order, for they may go from memory into the table meanwhile.
        let recent = self.published.identities().find(&keys);
        self.readers
            .read(move |connection| {
                let stored = identities::stored(connection, &keys)?;
                let found: BTreeSet<Sequence> = recent.into_iter().chain(stored).collect();
                events::with_id(connection, found, &id)
            })
            .await
    }

    async fn recent(
        &self,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, Error> {
        self.readers
            .read(move |c| events::before(c, before, limit))
            .await
    }

    async fn caused_by(&self, sequence: Sequence, limit: usize) -> Result<Vec<Arc<Entry>>, Error> {
        self.readers
            .read(move |c| events::caused_by(c, sequence, limit))
            .await
    }

    async fn subscribe(&self, handler: &HandlerName, start: Start) -> Result<Position, Error> {
        let position = match self.position(handler, false).await? {
            Some(position) => position,
            None => {
                let new = self.begin(handler, start).await?;
                let position = self.position(handler, new).await?;
                position.ok_or_else(|| {
                    Error::Store(format!("the subscription of `{handler}` is not there"))
                })?
            }
        };
        self.remember(position.subscription, handler.clone());
        Ok(position)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Commit>, Error> {
        let size = Size {
            operations: settlements.iter().map(operations).sum(),
            bytes: settlements.iter().map(Settlement::size_bytes).sum(),
        };
        let named = settlements
            .into_iter()
            .map(|settlement| Ok((self.handler(settlement.subscription)?, settlement)))
            .collect::<Result<Vec<_>, Error>>()?;
        self.write(size, |group| group.settle(named)).await
    }

    async fn state(&self, namespace: &str, key: &str) -> Result<Option<StateValue>, Error> {
        let (namespace, key) = (namespace.to_owned(), key.to_owned());
        self.readers
            .read(move |c| state::value(c, &namespace, &key))
            .await
    }

    async fn state_keys(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StateKeys, Error> {
        let (namespace, after) = (namespace.to_owned(), after.map(str::to_owned));
        self.readers
            .read(move |c| state::keys(c, &namespace, after.as_deref(), limit))
            .await
    }

    async fn advance(&self, cursors: Vec<(SubscriptionId, Sequence)>) -> Result<(), Error> {
        let size = Size {
            operations: cursors.len(),
            bytes: 0,
        };
        self.write(size, move |group| group.advance(&cursors)).await
    }

    async fn due(
        &self,
        subscription: SubscriptionId,
        until: Timestamp,
        except: Vec<Sequence>,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let except: HashSet<Sequence> = except.into_iter().collect();
        self.readers
            .read(move |c| exceptions::due(c, subscription, until, &except, limit))
            .await
    }

    async fn next_due(
        &self,
        subscription: SubscriptionId,
        except: Vec<Sequence>,
    ) -> Result<Option<Timestamp>, Error> {
        let except: HashSet<Sequence> = except.into_iter().collect();
        self.readers
            .read(move |c| exceptions::next_due(c, subscription, &except))
            .await
    }

    async fn attempts(&self, sequence: Sequence) -> Result<Vec<Attempt>, Error> {
        self.readers
            .read(move |c| attempts::of_event(c, sequence))
            .await
    }

    async fn recent_attempts(
        &self,
        handler: Option<&HandlerName>,
        limit: usize,
    ) -> Result<Vec<Attempt>, Error> {
        let handler = handler.cloned();
        self.readers
            .read(move |c| attempts::newest(c, handler.as_ref(), limit))
            .await
    }

    async fn waiting(
        &self,
        handler: Option<&HandlerName>,
        sequence: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let handler = handler.cloned();
        self.readers
            .read(move |c| exceptions::waiting(c, handler.as_ref(), sequence, limit))
            .await
    }

    async fn dead_letters(
        &self,
        handler: Option<&HandlerName>,
        sequence: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let handler = handler.cloned();
        self.readers
            .read(move |c| exceptions::dead_letters(c, handler.as_ref(), sequence, limit))
            .await
    }

    async fn redrive(
        &self,
        handler: Option<&HandlerName>,
        sequence: Option<Sequence>,
    ) -> Result<Vec<DeliveryKey>, Error> {
        let handler = handler.cloned();
        let Some(event) = sequence else {
            return self.redrive_all(handler).await;
        };
        self.write(Size::ONE, move |group| {
            group.redrive_event(handler.as_ref(), event)
        })
        .await
    }

    async fn retain(
        &self,
        retention: Retention,
        counted: &[HandlerName],
    ) -> Result<Retained, Error> {
        self.drop_old(retention, counted).await
    }

    async fn subscriptions(&self) -> Result<Vec<SubscriptionStatus>, Error> {
        self.readers.read(subscriptions::statuses).await
    }

    fn failed(&self) -> watch::Receiver<Option<String>> {
        self.published.failed()
    }

    async fn close(&self) -> Result<(), Error> {
        let writer = self.end().ok_or(Error::Closed)?;
        self.readers.close().await;
        tokio::task::spawn_blocking(move || join(writer))
            .await
            .map_err(|error| Error::Store(format!("the close was cut off: {error}")))?
    }
}

impl Embedded {
    async fn position(&self, handler: &HandlerName, new: bool) -> Result<Option<Position>, Error> {
        let handler = handler.clone();
        self.readers
            .read(move |c| subscriptions::position(c, &handler, new))
            .await
    }

    /// Begins a subscription, and says whether nobody else did meanwhile.
    async fn begin(&self, handler: &HandlerName, start: Start) -> Result<bool, Error> {
        let cursor = match start {
            // Only the writer knows the head at the time that it is begun.
            Start::Next => None,
            Start::Earliest => Some(Sequence(0)),
            Start::At(moment) => Some(
                self.readers
                    .read(move |c| events::head_before(c, moment))
                    .await?,
            ),
        };
        let handler = handler.clone();
        self.write(Size::ONE, move |group| group.subscribe(&handler, cursor))
            .await
    }

    /// Makes all dead letters due that are dead when it comes to them, batch by
    /// batch; of one handler, if named. It comes to each place once.
    async fn redrive_all(&self, handler: Option<HandlerName>) -> Result<Vec<DeliveryKey>, Error> {
        let size = Size {
            operations: limits::REDRIVE_BATCH,
            bytes: 0,
        };
        let mut redriven = Vec::new();
        let mut after = (Sequence(0), SubscriptionId(0));
        loop {
            let handler = handler.clone();
            let batch = self
                .write(size, move |group| group.redrive(handler.as_ref(), after))
                .await?;
            let Some(last) = batch.last() else {
                return Ok(redriven);
            };
            after = (last.sequence, last.subscription);
            redriven.extend(batch);
        }
    }

    /// What is in memory could be read for ever.
    fn refuse_if_closed(&self) -> Result<(), Error> {
        if self.readers.is_closed() {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }
}

/// The rows that a settlement changes.
fn operations(settlement: &Settlement) -> usize {
    1 + settlement.publish.len() + settlement.state.writes.len()
}
