//! The one task that owns all state of dispatch.
//!
//! It follows the journal's head with one feed for all subscriptions that keep
//! up. A subscription whose window is full falls behind the feed and reads its
//! backlog by itself until it has caught up. The pump never waits for the
//! journal or for an attempt: what takes time is a future beside it, and its
//! end is one more thing that happens.

mod attempts;
mod cursors;
mod feed;
mod service;
mod settling;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use waystation_core::{
    DeliveryId, Expiry, HandlerName, Random, Sequence, Timestamp, TypeIndex, limits,
};
use waystation_journal::{
    Commit, Due, Entry, Error as JournalError, Journal, Position, Settlement,
};

use crate::dispatch::{Command, Error, Options, Stop};
use crate::subscription::{LaneRead, Pending, Serving, Subscription};
use crate::{Completion, Notice, Settled};

/// How long a changed cursor may wait to be stored. A cursor that is behind
/// costs a longer recovery and nothing else.
const CURSOR_PAUSE: Duration = Duration::from_secs(1);
/// The same for the cursors of those that only saw events pass by. Until then
/// nothing of what passed by can be dropped.
const IDLE_CURSOR_PAUSE: Duration = Duration::from_secs(30);
/// How long to wait before the journal is asked again after it was busy or full.
const JOURNAL_PAUSE: Duration = Duration::from_millis(100);
/// How often the clock is looked at while deliveries wait, so that a clock that
/// was put forward is noticed.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);
/// The groups of completions that are settled together. All attempts in flight are
/// settled together at most.
const SETTLE_BATCH: usize = limits::ATTEMPTS_IN_FLIGHT_MAX;

/// The place of a subscription in the pump.
type Slot = usize;

pub(crate) struct Pump {
    journal: Arc<dyn Journal>,
    options: Options,
    notices: broadcast::Sender<Notice>,
    index: TypeIndex<Slot>,
    names: HashMap<HandlerName, Slot>,
    subscriptions: Vec<(HandlerName, Subscription)>,
    /// Subscriptions that may be able to run something, each once.
    runnable: VecDeque<Slot>,
    queued: HashSet<Slot>,
    /// When to ask the journal for the waiting deliveries of which subscription.
    wakes: BTreeSet<(Timestamp, Slot)>,
    /// How far the feed has read.
    feed: Sequence,
    feeding: bool,
    running: usize,
    work: FuturesUnordered<BoxFuture<'static, Finished>>,
    /// Attempts to hand to the workers, at the end of this turn.
    begun: Vec<(Begun, u32)>,
    completions: Completions,
    random: fastrand::Rng,
    cursors_due: Option<Instant>,
    /// When the cursors of those are stored too that settled nothing.
    idle_cursors_due: Option<Instant>,
    /// Whether the last storing of cursors failed, so that even the last one must
    /// wait for its time.
    cursors_wait: bool,
    settling: usize,
    advancing: bool,
    draining: Vec<oneshot::Sender<()>>,
}

/// The end of something that took time.
enum Finished {
    Fed(Result<Vec<Arc<Entry>>, JournalError>),
    /// What was read of a backlog, and how far the feed had come before.
    Backlog(Slot, Sequence, Result<Vec<Arc<Entry>>, JournalError>),
    /// The same of what a lane left.
    Lane(
        Slot,
        LaneRead,
        Sequence,
        Result<Vec<Arc<Entry>>, JournalError>,
    ),
    ReadAgain(Slot, Option<LaneRead>),
    Open(Box<Opening>),
    Opened(Box<Opening>, Result<Opened, JournalError>),
    Due(Slot, Result<DueAnswer, JournalError>),
    Settled(
        Vec<InSettlement>,
        Vec<Settlement>,
        Result<Vec<Commit>, JournalError>,
    ),
    Advanced(Vec<(Slot, Sequence)>, Result<(), JournalError>),
    Settle(Vec<InSettlement>, Vec<Settlement>),
    Rested(Slot),
    Again(Slot, Pending),
}

/// A handler whose subscription is being opened.
struct Opening {
    name: HandlerName,
    serving: Serving,
    done: oneshot::Sender<Result<(), Error>>,
}

/// A subscription as the journal knows it.
struct Opened {
    position: Position,
    clock_was_put_back: bool,
}

/// The deliveries of a subscription that are due, and when the next one is.
struct DueAnswer {
    due: Vec<Due>,
    /// Those that were asked for one by one.
    overdue: Vec<Sequence>,
    next: Option<Timestamp>,
}

/// An attempt that runs.
struct Begun {
    slot: Slot,
    serving: Serving,
    pending: Pending,
    delivery: DeliveryId,
    started: Timestamp,
    expiry: Expiry,
}

/// Where attempts tell that they ended, those together that ended together.
type Completions = mpsc::UnboundedSender<Vec<Completed>>;

/// An attempt that ended.
struct Completed {
    begun: Begun,
    completion: Completion,
}

/// What the pump must know of a settlement once it is durable.
struct InSettlement {
    begun: Begun,
    /// When the next attempt is due, if there is one.
    waits: Option<Timestamp>,
    notice: Settled,
}

/// Chance from a generator that is good enough to spread retries.
struct Chance<'a>(&'a mut fastrand::Rng);

impl Random for Chance<'_> {
    fn up_to(&mut self, max: u64) -> u64 {
        self.0.u64(0..=max)
    }
}

impl Pump {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        options: Options,
        notices: broadcast::Sender<Notice>,
    ) -> Self {
        let feed = *journal.head().borrow();
        // Replaced by `run`, which holds the other end.
        let (completions, _) = mpsc::unbounded_channel();
        Self {
            journal,
            options,
            notices,
            index: TypeIndex::default(),
            names: HashMap::new(),
            subscriptions: Vec::new(),
            runnable: VecDeque::new(),
            queued: HashSet::new(),
            wakes: BTreeSet::new(),
            feed,
            feeding: false,
            running: 0,
            work: FuturesUnordered::new(),
            begun: Vec::new(),
            completions,
            random: fastrand::Rng::new(),
            cursors_due: None,
            idle_cursors_due: None,
            cursors_wait: false,
            settling: 0,
            advancing: false,
            draining: Vec::new(),
        }
    }

    /// Runs until it was drained or nobody holds a handle any more.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Result<(), Stop> {
        let (completions, mut completed) = mpsc::unbounded_channel();
        self.completions = completions;
        let mut head = self.journal.head();
        let mut ended = Vec::new();
        loop {
            self.begin_work(&head);
            if self.is_drained() {
                break;
            }
            let alarm = self.alarm();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                count = completed.recv_many(&mut ended, SETTLE_BATCH) => {
                    debug_assert!(count > 0, "the pump holds a sender");
                    self.settle(&mut ended);
                }
                Some(finished) = self.work.next() => self.handle(finished)?,
                changed = head.changed() => if changed.is_err() {
                    return Err(Stop::journal("reading new events", JournalError::Closed));
                },
                () = sleep_until(alarm) => {}
            }
        }
        for done in self.draining.drain(..) {
            // Whoever asked may have given up waiting.
            let _ = done.send(());
        }
        Ok(())
    }

    /// Begins all that can begin now.
    fn begin_work(&mut self, head: &watch::Receiver<Sequence>) {
        if self.draining.is_empty() {
            self.feed(*head.borrow());
            self.ask_for_due();
            self.begin_attempts();
        }
        self.store_cursors();
    }

    fn is_drained(&self) -> bool {
        !self.draining.is_empty()
            && self.running == 0
            && self.settling == 0
            && !self.advancing
            && self.stale_cursors(true).is_empty()
    }

    /// When something must be looked at though nothing happened.
    fn alarm(&self) -> Instant {
        let now = self.options.clock.now();
        let wakes = self.wakes.first().filter(|_| self.draining.is_empty());
        let due = wakes.map(|(due, _)| {
            Instant::now() + due.since(now).clamp(Duration::from_millis(1), CLOCK_PAUSE)
        });
        let idle = Instant::now() + 30 * CLOCK_PAUSE;
        let cursors = [self.cursors_due, self.idle_cursors_due];
        let cursors = cursors.into_iter().filter(|_| !self.advancing);
        cursors
            .chain([due])
            .flatten()
            .min()
            .unwrap_or(idle)
            .min(idle)
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Install {
                name,
                serving,
                done,
            } => self.install(name, serving, done),
            Command::Retire { name, done } => {
                if let Some(slot) = self.names.get(&name).copied() {
                    self.index.remove(slot);
                    if let Some((_, subscription)) = self.subscriptions.get_mut(slot) {
                        // From here on it reads nothing, so it must catch up when it returns.
                        let read = subscription.lagging.unwrap_or(self.feed);
                        subscription.lagging = Some(read.max(subscription.after));
                        subscription.serving = None;
                    }
                }
                let _ = done.send(());
            }
            Command::Redrive { keys } => {
                let now = self.options.clock.now();
                for key in keys {
                    let Some(slot) = self.names.get(&key.handler).copied() else {
                        continue;
                    };
                    if let Some((_, subscription)) = self.subscriptions.get_mut(slot) {
                        // Its last settlement is on the way here.
                        subscription.ask_when_settled |= subscription.has(key.sequence);
                    }
                    self.wake(slot, now);
                }
            }
            Command::Matching { entry, done } => {
                let slots = self.index.matches(&entry.event);
                let names = slots
                    .into_iter()
                    .filter_map(|slot| self.subscriptions.get(slot));
                let _ = done.send(names.map(|(name, _)| name.clone()).collect());
            }
            Command::View { done } => {
                let _ = done.send(self.view());
            }
            Command::Drain { done } => self.draining.push(done),
        }
    }

    /// Handles the end of something that took time.
    fn handle(&mut self, finished: Finished) -> Result<(), Stop> {
        match finished {
            Finished::Fed(Ok(entries)) => self.fed(&entries),
            Finished::Fed(Err(error)) => {
                self.feeding = false;
                go_on("reading new events", error)?;
            }
            Finished::Backlog(slot, asked, Ok(entries)) => self.backlog(slot, asked, entries),
            Finished::Backlog(slot, _, Err(error)) => {
                go_on("reading a backlog", error)?;
                self.read_again(slot, None);
            }
            Finished::Lane(slot, (lane, _), asked, Ok(entries)) => {
                self.lane(slot, &lane, asked, entries);
            }
            Finished::Lane(slot, read, _, Err(error)) => {
                go_on("reading a lane", error)?;
                self.read_again(slot, Some(read));
            }
            Finished::ReadAgain(slot, lane) => self.reread(slot, lane),
            Finished::Open(opening) => self.open(opening),
            Finished::Opened(opening, opened) => self.opened(opening, opened),
            Finished::Rested(slot) => self.rested(slot),
            Finished::Again(slot, pending) => self.again(slot, pending),
            Finished::Due(slot, Ok(answer)) => self.due(slot, answer),
            Finished::Due(slot, Err(error)) => {
                if let Some((_, subscription)) = self.subscriptions.get_mut(slot) {
                    subscription.asking = false;
                }
                self.wake(slot, self.options.clock.now().after(CLOCK_PAUSE));
                go_on("reading waiting deliveries", error)?;
            }
            Finished::Settled(notes, _, Ok(commits)) => {
                self.settling -= 1;
                self.settled(notes, &commits);
            }
            Finished::Settled(notes, settlements, Err(error)) => {
                go_on("settling", error)?;
                // Nothing was stored: the same again after a pause.
                let pause = sleep_until(Instant::now() + JOURNAL_PAUSE);
                self.work
                    .push(pause.map(|()| Finished::Settle(notes, settlements)).boxed());
            }
            Finished::Settle(notes, settlements) => {
                self.settling -= 1;
                self.store(notes, settlements);
            }
            Finished::Advanced(cursors, result) => self.advanced(cursors, result)?,
        }
        Ok(())
    }

    fn tell(&self, notice: impl FnOnce() -> Notice) {
        if self.notices.receiver_count() > 0 {
            // An error means that the last listener left meanwhile.
            let _ = self.notices.send(notice());
        }
    }
}

/// Whether the journal can still be asked after this error.
fn go_on(doing: &'static str, error: JournalError) -> Result<(), Stop> {
    match error {
        JournalError::Full | JournalError::NoSpace(_) => {
            tracing::warn!("{doing}: {error}; trying again");
            Ok(())
        }
        error => Err(Stop::journal(doing, error)),
    }
}
