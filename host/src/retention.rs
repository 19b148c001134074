//! Has the journal drop what is old, again and again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use waystation_core::{Clock, HandlerName, Timestamp, limits};
use waystation_folder::{Handle, State};
use waystation_journal::{Error, Journal, Retained, Retention};

/// Has the journal keep to the retention as long as it can. `present` gives the
/// handlers in the folder: what they wait for is kept however old it is.
pub async fn keep(
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    present: impl Fn() -> Vec<HandlerName>,
) {
    let mut absences = Absences::new(clock.now(), retention.age);
    let mut next = interval(limits::RETENTION_INTERVAL);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        match once(&*journal, &mut absences, clock.now(), retention, present()).await {
            Ok(retained) => tell(&retained, &mut absences, retention),
            Err(Error::Closed | Error::Poisoned(_)) => return,
            Err(error) => tracing::warn!("the journal could not drop what is old: {error}"),
        }
    }
}

async fn once(
    journal: &dyn Journal,
    absences: &mut Absences,
    now: Timestamp,
    retention: Retention,
    present: Vec<HandlerName>,
) -> Result<Retained, Error> {
    let all = journal.subscriptions().await?.into_iter();
    let counted = absences.counted(now, present, all.map(|one| one.handler));
    journal.retain(retention, &counted).await
}

/// The handlers in the folder, whether they serve or were refused.
pub fn present(folder: &Handle) -> Vec<HandlerName> {
    let handlers = folder.handlers().into_iter();
    let present = handlers.filter(|handler| handler.state != State::Retired);
    present.map(|handler| handler.name).collect()
}

/// Since when which handlers are not in the folder. One that is not there for a
/// moment loses nothing by that, however far behind it is.
struct Absences {
    /// For how long one counts that is not there.
    grace: Duration,
    /// When this began to look.
    began: Timestamp,
    seen: HashMap<HandlerName, Timestamp>,
    /// The absent ones of which it was told that they lost something.
    told: HashSet<HandlerName>,
}

impl Absences {
    fn new(began: Timestamp, grace: Duration) -> Self {
        Self {
            grace,
            began,
            seen: HashMap::new(),
            told: HashSet::new(),
        }
    }

    /// Those of all handlers that count: they are present or were not long ago.
    fn counted(
        &mut self,
        now: Timestamp,
        present: Vec<HandlerName>,
        all: impl Iterator<Item = HandlerName>,
    ) -> Vec<HandlerName> {
        for handler in &present {
            self.told.remove(handler);
        }
        let seen = present.into_iter().map(|handler| (handler, now));
        self.seen.extend(seen);
        all.filter(|handler| {
            let seen = self.seen.get(handler).unwrap_or(&self.began);
            *seen == now || now.since(*seen) < self.grace
        })
        .collect()
    }

    /// Those that lost something and of which it was not told yet.
    fn untold(&mut self, lost: &[HandlerName]) -> Vec<HandlerName> {
        let lost = lost.iter();
        lost.filter(|handler| self.told.insert((*handler).clone()))
            .cloned()
            .collect()
    }
}

fn tell(retained: &Retained, absences: &mut Absences, retention: Retention) {
    let Retained {
        dropped,
        given_back,
        bytes,
        full,
        lost_to_age,
        lost_to_room,
        last,
    } = retained;
    for handler in absences.untold(lost_to_room) {
        tracing::warn!(
            %handler,
            "the journal was full: it dropped events that this handler, which is not in the folder \
             any more, had not come to"
        );
    }
    for handler in absences.untold(lost_to_age) {
        tracing::warn!(
            %handler,
            "the journal dropped events older than `retention.age` that this handler, which is not \
             in the folder any more, had not come to"
        );
    }
    if *full {
        tracing::warn!(
            "the journal fills {bytes} bytes, more than the {} of `retention.size`, and all that is \
             left in it is not handled yet, a dead letter or a few minutes old: it takes no events \
             until there is room; raise the limit, or see to what is stuck{}",
            retention.bytes,
            furthest_behind(last)
        );
    }
    if *dropped > 0 || *given_back > 0 {
        tracing::info!(dropped, given_back, bytes, "the journal dropped old events");
    }
}

/// The handlers that are furthest behind, for people.
fn furthest_behind(last: &[HandlerName]) -> String {
    let names: Vec<&str> = last.iter().map(HandlerName::as_str).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(" (furthest behind: {})", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;
    use waystation_core::{Event, ManualClock, Sequence, Start};
    use waystation_journal::embedded::{Embedded, Options};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    #[tokio::test]
    async fn what_is_old_is_dropped_unless_a_handler_that_is_present_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let options = Options {
            folder: folder.path().to_owned(),
            clock: clock.clone(),
        };
        let journal: Arc<dyn Journal> = Arc::new(Embedded::open(options).unwrap());
        journal.append(vec![Event::default()]).await.unwrap();
        let [present, retired] = ["present", "retired"].map(|name| HandlerName::new(name).unwrap());
        let waits = journal.subscribe(&present, Start::Earliest).await.unwrap();
        journal.subscribe(&retired, Start::Earliest).await.unwrap();
        let retention = Retention {
            age: DAY,
            bytes: u64::MAX,
        };
        let present = [present];
        let counted = present.to_vec();
        let present = move || present.to_vec();
        tokio::spawn(keep(journal.clone(), clock.clone(), retention, present));
        // It begins to look: from now on the other one is absent.
        tokio::task::yield_now().await;
        clock.advance(DAY);
        let once = journal.retain(retention, &counted).await.unwrap();
        assert_eq!(once.dropped, 0);

        let cursor = vec![(waits.subscription, Sequence(1))];
        journal.advance(cursor).await.unwrap();
        tokio::time::pause();
        tokio::time::advance(limits::RETENTION_INTERVAL).await;
        tokio::time::resume();
        let dropped = async {
            while journal.entry(Sequence(1)).await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), dropped).await.unwrap();
    }
    #[test]
    fn a_handler_counts_until_it_has_been_absent_for_the_age() {
        let [a, b, never] = ["a", "b", "never"].map(|name| HandlerName::new(name).unwrap());
        let all = [&a, &b, &never].map(Clone::clone);
        let start = Timestamp::default().after(100 * DAY);
        let hours = |count: u32| start.after(DAY / 24 * count);
        let mut absences = Absences::new(start, DAY);
        let mut counted = |hour, present: &[&HandlerName]| {
            let present = present.iter().map(|name| (*name).clone()).collect();
            absences.counted(hours(hour), present, all.iter().cloned())
        };
        assert_eq!(counted(0, &[&a, &b]), all);
        assert_eq!(counted(23, &[&a]), all);
        // `never` is not there since before the start.
        assert_eq!(counted(24, &[&a]), std::slice::from_ref(&a));
        assert_eq!(counted(25, &[&a, &b]), [a.clone(), b.clone()]);
        assert_eq!(counted(48, &[&a]), [a.clone(), b.clone()]);
        assert_eq!(counted(49, &[&a]), std::slice::from_ref(&a));
    }

    #[test]
    fn of_what_an_absent_handler_loses_it_tells_once() {
        let lost = [HandlerName::new("a").unwrap()];
        let mut absences = Absences::new(Timestamp::default(), DAY);
        assert_eq!(absences.untold(&lost), lost);
        assert_eq!(absences.untold(&lost), []);
        absences.counted(Timestamp::default(), lost.to_vec(), lost.iter().cloned());
        assert_eq!(absences.untold(&lost), lost);
    }
}
