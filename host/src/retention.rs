//! Has the journal drop what is old, again and again.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};
use waystation_core::{HandlerName, limits};
use waystation_folder::{Handle, State};
use waystation_journal::{Error, Journal, Retained, Retention};

/// Has the journal keep to the retention as long as it can. `present` gives the
/// handlers for which events are kept however old they are.
pub async fn keep(
    journal: Arc<dyn Journal>,
    retention: Retention,
    present: impl Fn() -> Vec<HandlerName>,
) {
    let mut next = interval(limits::RETENTION_INTERVAL);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        match journal.retain(retention, &present()).await {
            Ok(retained) => tell(retained, retention),
            Err(Error::Closed | Error::Poisoned(_)) => return,
            Err(error) => tracing::warn!("the journal could not drop what is old: {error}"),
        }
    }
}

/// The handlers in the folder, whether they serve or were refused.
pub fn present(folder: &Handle) -> Vec<HandlerName> {
    let handlers = folder.handlers().into_iter();
    let present = handlers.filter(|handler| handler.state != State::Retired);
    present.map(|handler| handler.name).collect()
}

fn tell(retained: Retained, retention: Retention) {
    let Retained {
        dropped,
        given_back,
        bytes,
        full,
    } = retained;
    if full {
        tracing::warn!(
            "the journal fills {bytes} bytes, more than the {} of `retention.size`, and all that is \
             left in it is not handled yet, a dead letter or a few minutes old: it takes no events \
             until there is room; raise the limit, or see to what is stuck",
            retention.bytes
        );
    }
    if dropped > 0 || given_back > 0 {
        tracing::info!(dropped, given_back, bytes, "the journal dropped old events");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;
    use waystation_core::{Clock, Event, ManualClock, Sequence, Start};
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
        clock.set(clock.now().after(DAY));
        let retention = Retention {
            age: DAY,
            bytes: u64::MAX,
        };
        let handlers = [present];
        let once = journal.retain(retention, &handlers).await.unwrap();
        assert_eq!(once.dropped, 0);

        let cursor = vec![(waits.subscription, Sequence(1))];
        journal.advance(cursor).await.unwrap();
        tokio::spawn(keep(journal.clone(), retention, move || handlers.to_vec()));
        let dropped = async {
            while journal.entry(Sequence(1)).await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), dropped).await.unwrap();
    }
}
