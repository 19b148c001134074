//! Putting handlers into service.

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::time::sleep;
use waystation_core::HandlerName;
use waystation_journal::{Error as JournalError, Position};

use super::{Finished, JOURNAL_PAUSE, Opening, Pump, Slot};
use crate::dispatch::{Error, SubscriptionView};
use crate::subscription::{Serving, Subscription};

impl Pump {
    pub(super) fn install(
        &mut self,
        name: HandlerName,
        serving: Serving,
        done: oneshot::Sender<Result<(), Error>>,
    ) {
        if let Some(slot) = self.names.get(&name).copied() {
            self.serve(slot, serving);
            let _ = done.send(Ok(()));
            return;
        }
        self.open(Box::new(Opening {
            name,
            serving,
            done,
        }));
    }

    pub(super) fn open(&mut self, opening: Box<Opening>) {
        let journal = self.journal.clone();
        self.work.push(
            async move {
                let start = opening.serving.settings.start;
                let position = journal.subscribe(&opening.name, start).await;
                Finished::Opened(opening, position)
            }
            .boxed(),
        );
    }

    pub(super) fn opened(
        &mut self,
        opening: Box<Opening>,
        position: Result<Position, JournalError>,
    ) {
        if let Err(JournalError::Full | JournalError::NoSpace(_)) = &position {
            let pause = sleep(JOURNAL_PAUSE);
            self.work
                .push(pause.map(|()| Finished::Open(opening)).boxed());
            return;
        }
        let Opening {
            name,
            serving,
            done,
        } = *opening;
        let result = position.map(|position| {
            // Two installs of one new handler may both have asked the journal.
            let slot = self.names.get(&name).copied().unwrap_or_else(|| {
                let subscription = Subscription::open(position, self.feed);
                self.subscriptions.push((name.clone(), subscription));
                self.subscriptions.len() - 1
            });
            self.names.insert(name, slot);
            self.serve(slot, serving);
        });
        let _ = done.send(result.map_err(Error::from));
    }

    /// Puts a generation into service on a subscription.
    pub(super) fn serve(&mut self, slot: Slot, serving: Serving) {
        self.index.remove(slot);
        for filter in &serving.settings.subscriptions {
            self.index.insert(slot, filter);
        }
        if let Some((_, subscription)) = self.subscriptions.get_mut(slot) {
            subscription.serve(serving);
        }
        self.wake(slot, self.options.clock.now());
        self.read_lanes(slot);
        self.read_backlog(slot);
        self.enqueue(slot);
    }

    pub(super) fn view(&self) -> Vec<SubscriptionView> {
        let head = *self.journal.head().borrow();
        let mut view: Vec<SubscriptionView> = self
            .subscriptions
            .iter()
            .map(|(name, subscription)| SubscriptionView {
                handler: name.clone(),
                serving: subscription.serving.is_some(),
                cursor: subscription.cursor(self.feed),
                running: subscription.running,
                behind: subscription.behind(self.feed, head),
            })
            .collect();
        view.sort_by(|a, b| a.handler.cmp(&b.handler));
        view
    }
}
