//! One subscription: what it has in memory and how far it has come.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

use waystation_core::{
    Clock, Expiry, Order, Sequence, Settings, State, Timestamp, lane_of, limits,
};
use waystation_journal::{Due, Entry, Position, SubscriptionId};

use crate::Invoke;
use crate::lanes::{Entered, LANE_BATCH, Lanes, Next};
use crate::window::Window;

/// A delivery in memory.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) entry: Arc<Entry>,
    pub(crate) state: State,
    /// The lane that it runs in. It stays the same whatever the order becomes
    /// meanwhile.
    pub(crate) lane: Option<String>,
    /// How often this attempt was made and another changed the state that it had
    /// read.
    pub(crate) conflicts: u32,
}

impl Pending {
    /// A delivery that was never tried.
    pub(crate) fn new(entry: Arc<Entry>, lane: Option<String>) -> Self {
        Self {
            entry,
            state: State::NEW,
            lane,
            conflicts: 0,
        }
    }
}

/// One generation under its settings.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) invoke: Arc<dyn Invoke>,
    pub(crate) settings: Arc<Settings>,
}

/// A lane that must read its deliveries from this one on.
pub(crate) type LaneRead = (String, Sequence);

/// One subscription.
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    /// None while the handler is retired.
    pub(crate) serving: Option<Serving>,
    /// When its handler came into service: no event could be attempted before.
    serving_since: Timestamp,
    /// Whether it begins no attempt for a moment, for the host had no room for one.
    pub(crate) resting: bool,
    /// How far it has read while it lags behind the feed; none while it keeps up.
    pub(crate) lagging: Option<Sequence>,
    /// Whether a read of its backlog is under way.
    pub(crate) reading: bool,
    /// Events at or below are none of its business.
    pub(crate) after: Sequence,
    /// Runs of events above the cursor that were settled before it was opened, in
    /// order.
    settled: Vec<RangeInclusive<Sequence>>,
    /// Deliveries that may run.
    pub(crate) ready: VecDeque<Pending>,
    /// Deliveries that the cursor waits for.
    window: Window,
    lanes: Lanes<Pending>,
    /// The lanes that must read what they left in the journal, and from where.
    pub(crate) lane_reads: Vec<LaneRead>,
    /// Attempts that run.
    pub(crate) running: u32,
    /// When the journal will be asked for waiting deliveries.
    pub(crate) wake: Option<Timestamp>,
    /// Whether it is being asked.
    pub(crate) asking: bool,
    /// Whether it must be asked once more after that.
    pub(crate) ask_again: bool,
    /// Waiting deliveries that were taken from the journal and are not settled yet.
    taken: Window,
    /// The cursor as last stored.
    pub(crate) stored_cursor: Sequence,
    /// Whether something was settled since.
    pub(crate) dirty: bool,
    order: Order,
    /// Waiting deliveries that were left in the journal because their lane was
    /// busy, with the lane.
    kept_out: BTreeMap<Sequence, String>,
    /// Whether the journal has a waiting delivery whose last settlement was still
    /// on its way here.
    pub(crate) ask_when_settled: bool,
    /// Waiting deliveries that are due whatever the journal says, for the clock
    /// was put back since that was written.
    overdue: BTreeSet<Sequence>,
}

impl Subscription {
    /// A subscription as the journal knows it. `feed` is how far the feed has come;
    /// `clock_was_put_back` tells whether the times in the journal are ahead of the
    /// clock.
    pub(crate) fn open(position: Position, feed: Sequence, clock_was_put_back: bool) -> Self {
        let mut lanes = Lanes::default();
        let mut overdue = BTreeSet::new();
        for (sequence, lane) in &position.held {
            if clock_was_put_back {
                overdue.insert(*sequence);
            }
            if let Some(lane) = lane {
                lanes.hold(lane, *sequence);
            }
        }
        Self {
            id: position.subscription,
            serving: None,
            serving_since: Timestamp::default(),
            resting: false,
            lagging: (position.cursor < feed).then_some(position.cursor),
            reading: false,
            after: position.cursor,
            settled: position.settled,
            ready: VecDeque::new(),
            window: Window::default(),
            lanes,
            lane_reads: Vec::new(),
            running: 0,
            wake: None,
            asking: false,
            ask_again: false,
            taken: Window::default(),
            stored_cursor: position.cursor,
            dirty: false,
            order: Order::None,
            kept_out: BTreeMap::new(),
            ask_when_settled: false,
            overdue,
        }
    }

    /// Puts a generation into service. Lanes that are not free when the order
    /// does not matter any more run empty first.
    pub(crate) fn serve(&mut self, serving: Serving, now: Timestamp) {
        if self.serving.is_none() {
            self.serving_since = now;
        }
        self.order = serving.settings.order;
        self.serving = Some(serving);
        for (key, next) in self.lanes.rouse() {
            self.proceed(&key, next, &[]);
        }
    }

    /// When a delivery of this event expires under these settings. The time that
    /// the host was down or the handler out of service does not make it older.
    pub(crate) fn expiry(
        &self,
        entry: &Entry,
        settings: &Settings,
        now: Timestamp,
        system: &dyn Clock,
    ) -> Expiry {
        let since = entry.accepted.max(self.serving_since);
        let max_age = settings.retry.max_age;
        Expiry::of(&entry.event, since, max_age, now, system.now())
    }

    /// Whether another delivery may be held in memory.
    pub(crate) fn has_room(&self) -> bool {
        self.window.has_room()
    }

    /// Whether enough was settled to read more of the backlog.
    pub(crate) fn wants_backlog(&self) -> bool {
        self.serving.is_some()
            && !self.reading
            && self.lagging.is_some()
            && self.window.is_half_empty()
    }

    /// Takes a new delivery in. One that was settled before is left out.
    pub(crate) fn admit(&mut self, entry: Arc<Entry>) {
        if self.is_known(&entry) {
            return;
        }
        let sequence = entry.sequence;
        let lane = self.lane(&entry).map(str::to_owned);
        let pending = Pending::new(entry.clone(), lane.clone());
        let entered = match lane {
            None => Entered::Run(pending),
            Some(lane) => self.lanes.enter(&lane, sequence, pending),
        };
        match entered {
            Entered::Run(pending) => self.ready.push_back(pending),
            Entered::Queued => {}
            Entered::Left => return,
        }
        self.window.insert(&entry);
    }

    /// Whether a delivery is none of its business or was settled before.
    fn is_known(&self, entry: &Entry) -> bool {
        let sequence = entry.sequence;
        let before = self.settled.partition_point(|run| *run.end() < sequence);
        let settled = self.settled.get(before);
        sequence <= self.after || settled.is_some_and(|run| run.contains(&sequence))
    }

    /// Takes in what a lane had left in the journal: `entries` are the events
    /// from there on, of which those after `asked` may be missing, for the feed
    /// had come so far before they were read. `feed` is how far it has come.
    /// Gives back whether the journal has waiting deliveries that could not be
    /// taken in before.
    pub(crate) fn read_lane(
        &mut self,
        key: &str,
        entries: Vec<Arc<Entry>>,
        asked: Sequence,
        feed: Sequence,
    ) -> bool {
        let Some(serving) = self.serving.clone() else {
            self.lanes.unread(key);
            return self.let_in(key);
        };
        // What is behind this was not offered to the lane yet.
        let end = self.lagging.unwrap_or(feed);
        let mut found = Vec::new();
        let after = |read: Sequence| Some(Sequence(read.0 + 1)).filter(|next| *next <= end);
        let mut left = after(asked);
        for entry in entries
            .into_iter()
            .take_while(|entry| entry.sequence <= end)
        {
            left = after(entry.sequence);
            let is_its = serving.settings.asks_for(&entry.event)
                && !self.is_known(&entry)
                && lane_of(Order::Key, &entry.event) == Some(key);
            if is_its {
                self.window.insert(&entry);
                found.push((entry.sequence, Pending::new(entry, Some(key.to_owned()))));
            }
            if left.is_none() || found.len() == LANE_BATCH {
                break;
            }
        }
        let (next, dropped) = self.lanes.read(key, found, left);
        self.proceed(key, next, &dropped);
        self.let_in(key)
    }

    /// Forgets that waiting deliveries were kept out of a lane. Gives back
    /// whether there were any, so that the journal must be asked again.
    fn let_in(&mut self, key: &str) -> bool {
        let before = self.kept_out.len();
        self.kept_out.retain(|_, lane| lane != key);
        self.kept_out.len() < before
    }

    /// Does what a lane does next.
    fn proceed(&mut self, key: &str, next: Next<Pending>, dropped: &[Sequence]) {
        for sequence in dropped {
            self.window.remove(*sequence);
        }
        match next {
            Next::Nothing => {}
            Next::Run(pending) => self.ready.push_back(pending),
            Next::Read(from) => self.lane_reads.push((key.to_owned(), from)),
        }
    }

    /// Takes a delivery in that waited in the journal and is due. One whose lane
    /// is busy is left there until something is settled.
    pub(crate) fn readmit(&mut self, due: &Due) {
        let sequence = due.key.sequence;
        if self.has(sequence) {
            self.ask_when_settled = true;
            return;
        }
        let lane = self.lane(&due.entry).map(str::to_owned);
        if let Some(lane) = &lane
            && !self.lanes.resume(lane, sequence)
        {
            self.kept_out.insert(sequence, lane.clone());
            return;
        }
        self.overdue.remove(&sequence);
        self.taken.insert(&due.entry);
        self.ready.push_back(Pending {
            entry: due.entry.clone(),
            state: due.state(),
            lane,
            conflicts: 0,
        });
    }

    /// The waiting deliveries that are due whatever the journal says and could be
    /// taken in now, at most so many.
    pub(crate) fn overdue(&self, limit: usize) -> Vec<Sequence> {
        let known = |sequence| self.has(sequence) || self.kept_out.contains_key(&sequence);
        let free = self.overdue.iter().copied().filter(|one| !known(*one));
        free.take(limit).collect()
    }

    /// Notes that a delivery does not wait any more, so it is not overdue either.
    pub(crate) fn waits_no_more(&mut self, sequence: Sequence) {
        self.overdue.remove(&sequence);
    }

    /// Notes that an attempt of a delivery was settled durably. `waits` tells
    /// whether it waits for another one. Gives back whether the journal has
    /// waiting deliveries that could not be taken in before.
    pub(crate) fn settled(&mut self, pending: &Pending, waits: bool) -> bool {
        let sequence = pending.entry.sequence;
        self.dirty = true;
        self.window.remove(sequence);
        let was_full = !self.takes_more();
        self.taken.remove(sequence);
        let mut lets_in = false;
        if let Some(lane) = &pending.lane {
            let (next, dropped) = self.lanes.leave(lane, sequence, waits);
            self.proceed(lane, next, &dropped);
            lets_in = self.let_in(lane);
        }
        std::mem::take(&mut self.ask_when_settled) || lets_in || was_full
    }

    /// Has the attempt that a delivery made last made again, before all others.
    /// It does not count.
    pub(crate) fn again(&mut self, mut pending: Pending) {
        pending.state = pending.state.given_up();
        self.ready.push_front(pending);
    }

    /// Whether more waiting deliveries may be taken from the journal.
    pub(crate) fn takes_more(&self) -> bool {
        let taken = self.taken.len() + self.kept_out.len();
        self.taken.has_room() && taken < limits::WINDOW_DELIVERIES
    }

    /// The waiting deliveries that the journal should not give again.
    pub(crate) fn not_again(&self) -> Vec<Sequence> {
        self.taken
            .sequences()
            .chain(self.kept_out.keys().copied())
            .collect()
    }

    /// Whether a delivery is in memory.
    pub(crate) fn has(&self, sequence: Sequence) -> bool {
        self.window.contains(sequence) || self.taken.contains(sequence)
    }

    /// Whether an attempt may begin.
    pub(crate) fn can_run(&self) -> bool {
        !self.resting
            && !self.ready.is_empty()
            && self
                .serving
                .as_ref()
                .is_some_and(|serving| self.running < serving.settings.concurrency)
    }

    /// Every delivery at or below is settled or an exception. `feed` is how far
    /// the feed has come.
    pub(crate) fn cursor(&self, feed: Sequence) -> Sequence {
        let read = self.lagging.unwrap_or(feed).max(self.after);
        let open = self.window.sequences().next();
        match open.into_iter().chain(self.lanes.first_left()).min() {
            Some(first) => Sequence(first.0.saturating_sub(1)).min(read),
            None => read,
        }
    }

    /// The events that were not read yet, and the deliveries that were and are
    /// not settled. `feed` is how far the feed has come.
    pub(crate) fn behind(&self, feed: Sequence, head: Sequence) -> u64 {
        let read = self.lagging.unwrap_or(feed).max(self.after);
        head.0.saturating_sub(read.0) + self.window.len() as u64
    }

    /// The lane that a delivery of this event runs in. Where the order does not
    /// matter there is one only as long as it is not free.
    pub(crate) fn lane<'a>(&self, entry: &'a Entry) -> Option<&'a str> {
        let key = lane_of(Order::Key, &entry.event)?;
        (self.order == Order::Key || self.lanes.contains(key)).then_some(key)
    }
}
