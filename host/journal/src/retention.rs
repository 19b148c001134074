//! What a journal may drop, and what it dropped.

use std::time::Duration;

use waystation_core::HandlerName;

/// How long and how much a journal keeps of events that nobody waits for any
/// more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long an event is kept at least, unless there is no room for it. After
    /// that it is kept only for the deliveries of handlers that count, and as long
    /// as one of its deliveries is waiting or a dead letter.
    pub age: Duration,
    /// The bytes on disk that the journal may fill. Beyond, the oldest events
    /// whose deliveries are all done are dropped before their time; if that is not
    /// enough, those that only handlers wait for that do not count; none younger
    /// than [`limits::DEDUPE_WINDOW`](waystation_core::limits::DEDUPE_WINDOW).
    pub bytes: u64,
}

/// What a journal dropped, and how full it is after that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// The events that were dropped.
    pub dropped: u64,
    /// The bytes of disk that were given back.
    pub given_back: u64,
    /// The bytes on disk that the journal fills.
    pub bytes: u64,
    /// Whether that is more than it may fill and nothing more may be dropped.
    /// Then it takes no events from outside, until there is room.
    pub full: bool,
    /// The handlers that had not come to some of the events that were dropped for
    /// their age.
    pub lost_to_age: Vec<HandlerName>,
    /// The same of those that were dropped for want of room.
    pub lost_to_room: Vec<HandlerName>,
    /// The handlers that are furthest behind of those that count. What they have
    /// not come to is not dropped even if there is no room.
    pub last: Vec<HandlerName>,
}
