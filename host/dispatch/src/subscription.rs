//! One subscription: what it has in memory and how far it has come.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use waystation_core::{Order, Sequence, Settings, State, Timestamp, lane_of, limits};
use waystation_journal::{Due, Entry, Position, SubscriptionId};

use crate::Invoke;
use crate::lanes::Lanes;

/// A delivery in memory.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) entry: Arc<Entry>,
    pub(crate) state: State,
}

/// One generation under its settings.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) invoke: Arc<dyn Invoke>,
    pub(crate) settings: Arc<Settings>,
}

/// One subscription.
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    /// None while the handler is retired.
    pub(crate) serving: Option<Serving>,
    /// How far it has read while it lags behind the feed; none while it keeps up.
    pub(crate) lagging: Option<Sequence>,
    /// Whether a read of its backlog is under way.
    pub(crate) reading: bool,
    /// Events at or below are none of its business.
    pub(crate) after: Sequence,
    /// Events above the cursor that were settled before it was opened.
    settled: HashSet<Sequence>,
    /// Deliveries that may run.
    pub(crate) ready: VecDeque<Pending>,
    /// Deliveries that the cursor waits for.
    window: BTreeSet<Sequence>,
    lanes: Lanes<Pending>,
    /// Attempts that run.
    pub(crate) running: u32,
    /// When the journal will be asked for waiting deliveries.
    pub(crate) wake: Option<Timestamp>,
    /// Whether it is being asked.
    pub(crate) asking: bool,
    /// Whether it must be asked once more after that.
    pub(crate) ask_again: bool,
    /// Waiting deliveries that were taken from the journal and are not settled yet.
    pub(crate) taken: BTreeSet<Sequence>,
    /// The cursor as last stored.
    pub(crate) stored_cursor: Sequence,
    /// Whether something was settled since.
    pub(crate) dirty: bool,
    order: Order,
    /// Whether a waiting delivery was left in the journal because of its lane.
    kept_out: bool,
}

impl Subscription {
    /// A subscription as the journal knows it. `feed` is how far the feed has come.
    pub(crate) fn open(position: Position, feed: Sequence) -> Self {
        let mut lanes = Lanes::default();
        for (sequence, lane) in &position.held {
            if let Some(lane) = lane {
                lanes.hold(lane, *sequence);
            }
        }
        Self {
            id: position.subscription,
            serving: None,
            lagging: (position.cursor < feed).then_some(position.cursor),
            reading: false,
            after: position.cursor,
            settled: position.settled.into_iter().collect(),
            ready: VecDeque::new(),
            window: BTreeSet::new(),
            lanes,
            running: 0,
            wake: None,
            asking: false,
            ask_again: false,
            taken: BTreeSet::new(),
            stored_cursor: position.cursor,
            dirty: false,
            order: Order::None,
            kept_out: false,
        }
    }

    /// Puts a generation into service.
    pub(crate) fn serve(&mut self, serving: Serving) {
        let order = serving.settings.order;
        if order == Order::None && self.order != order {
            self.ready.extend(self.lanes.open_all());
        }
        self.order = order;
        self.serving = Some(serving);
    }

    /// Whether another delivery may be held in memory.
    pub(crate) fn has_room(&self) -> bool {
        self.window.len() < limits::WINDOW_DELIVERIES
    }

    /// Whether enough was settled to read more of the backlog.
    pub(crate) fn wants_backlog(&self) -> bool {
        self.serving.is_some()
            && !self.reading
            && self.lagging.is_some()
            && self.window.len() <= limits::WINDOW_DELIVERIES / 2
    }

    /// Takes a new delivery in. One that was settled before is left out.
    pub(crate) fn admit(&mut self, entry: Arc<Entry>) {
        if entry.sequence <= self.after || self.settled.remove(&entry.sequence) {
            return;
        }
        self.window.insert(entry.sequence);
        let lane = self.lane(&entry).map(str::to_owned);
        let pending = Pending {
            entry,
            state: State::NEW,
        };
        match lane {
            None => self.ready.push_back(pending),
            Some(lane) => self.ready.extend(self.lanes.enter(&lane, pending)),
        }
    }

    /// Takes a delivery in that waited in the journal and is due. One whose lane
    /// is busy is left there until something is settled.
    pub(crate) fn readmit(&mut self, due: &Due) {
        let sequence = due.key.sequence;
        let lane = self.lane(&due.entry).map(str::to_owned);
        if let Some(lane) = &lane
            && !self.lanes.resume(lane, sequence)
        {
            self.kept_out = true;
            return;
        }
        self.taken.insert(sequence);
        let attempt = due.attempts.saturating_add(1);
        let state = State::Ready {
            attempt,
            forgiven: due.forgiven,
        };
        self.ready.push_back(Pending {
            entry: due.entry.clone(),
            state,
        });
    }

    /// Notes that an attempt of a delivery was settled durably. `waits` tells
    /// whether it waits for another one. Gives back whether the journal has
    /// deliveries that could not be taken in before.
    pub(crate) fn settled(&mut self, entry: &Entry, waits: bool) -> bool {
        self.dirty = true;
        self.window.remove(&entry.sequence);
        let was_full = self.taken.len() >= limits::WINDOW_DELIVERIES;
        self.taken.remove(&entry.sequence);
        if let Some(lane) = self.lane(entry).map(str::to_owned) {
            self.ready
                .extend(self.lanes.leave(&lane, entry.sequence, waits));
        }
        std::mem::take(&mut self.kept_out) || was_full
    }

    /// Whether an attempt may begin.
    pub(crate) fn can_run(&self) -> bool {
        !self.ready.is_empty()
            && self
                .serving
                .as_ref()
                .is_some_and(|serving| self.running < serving.settings.concurrency)
    }

    /// Every delivery at or below is settled or an exception. `feed` is how far
    /// the feed has come.
    pub(crate) fn cursor(&self, feed: Sequence) -> Sequence {
        let read = self.lagging.unwrap_or(feed).max(self.after);
        match self.window.first() {
            Some(first) => Sequence(first.0.saturating_sub(1)).min(read),
            None => read,
        }
    }

    /// The deliveries that are in memory.
    pub(crate) fn in_memory(&self) -> usize {
        self.window.len() + self.taken.len()
    }

    /// The lane that a delivery of this event runs in.
    pub(crate) fn lane<'a>(&self, entry: &'a Entry) -> Option<&'a str> {
        lane_of(self.order, &entry.event)
    }
}
