//! Putting handlers into service.

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::time::sleep;
use waystation_core::{Clock, HandlerName};
use waystation_journal::{Error as JournalError, Journal};

use super::{Finished, JOURNAL_PAUSE, Opened, Opening, Pump, Slot};
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
        let (journal, clock) = (self.journal.clone(), self.options.clock.clone());
        self.work.push(
            async move {
                let opened = look_up(&*journal, &opening, &*clock).await;
                Finished::Opened(opening, opened)
            }
            .boxed(),
        );
    }

    pub(super) fn opened(&mut self, opening: Box<Opening>, opened: Result<Opened, JournalError>) {
        if let Err(JournalError::Full | JournalError::NoSpace(_)) = &opened {
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
        let result = opened.map(|opened| {
            // Two installs of one new handler may both have asked the journal.
            let slot = self.names.get(&name).copied().unwrap_or_else(|| {
                let Opened {
                    position,
                    clock_was_put_back,
                } = opened;
                let subscription = Subscription::open(position, self.feed, clock_was_put_back);
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
        let now = self.options.clock.now();
        self.index.remove(slot);
        for filter in &serving.settings.subscriptions {
            self.index.insert(slot, filter);
        }
        if let Some((_, subscription)) = self.subscriptions.get_mut(slot) {
            subscription.serve(serving, now);
        }
        self.wake(slot, now);
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

/// Asks the journal where a subscription stands. The clock was put back while
/// the host was down if the newest attempt began at a time that is yet to come.
async fn look_up(
    journal: &dyn Journal,
    opening: &Opening,
    clock: &dyn Clock,
) -> Result<Opened, JournalError> {
    let start = opening.serving.settings.start;
    let position = journal.subscribe(&opening.name, start).await?;
    let newest = journal.recent_attempts(None, 1).await?;
    // Read last, for other handlers are attempting meanwhile.
    let now = clock.now();
    Ok(Opened {
        position,
        clock_was_put_back: newest.iter().any(|attempt| attempt.started > now),
    })
}
