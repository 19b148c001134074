use waystation_core::{ManualClock, Order};
use waystation_journal::embedded::{Embedded, Options as JournalOptions};

use super::*;
use crate::testing::{entry, name, position, serving};

/// A pump over an empty journal, of which the feed has come so far.
fn pump(folder: &tempfile::TempDir, feed: u64) -> Pump {
    let clock = Arc::new(ManualClock::default());
    let options = JournalOptions {
        folder: folder.path().to_owned(),
        clock: clock.clone(),
    };
    let journal = Arc::new(Embedded::open(options).unwrap());
    let workers = tokio::runtime::Handle::current();
    let (notices, _) = broadcast::channel(1);
    let mut pump = Pump::new(journal, Options { clock, workers }, notices);
    pump.feed = Sequence(feed);
    pump
}

/// The rest of a backlog was dropped, so that a read finds nothing; but an event
/// comes before the answer does.
#[tokio::test]
async fn what_comes_while_a_backlog_is_found_empty_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut pump = pump(&folder, 5);
    let lags = Subscription::open(position(0, &[]), pump.feed, false);
    pump.subscriptions.push((name(), lags));
    pump.serve(0, serving(Order::None));
    pump.fed(&[entry(6)]);
    pump.backlog(0, Sequence(5), Vec::new());
    let (_, subscription) = &pump.subscriptions[0];
    assert_eq!(subscription.cursor(pump.feed), Sequence(5));
    assert!(subscription.reading);
    pump.backlog(0, Sequence(6), vec![entry(6)]);
    assert_eq!(pump.subscriptions[0].1.ready.len(), 1);
}
