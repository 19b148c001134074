use waystation_core::{Digest, Event, ManualClock, Order, Outcome, StateAccess, limits};
use waystation_journal::embedded::{Embedded, Options as JournalOptions};
use waystation_journal::{Disposition, Proposal, SubscriptionId};

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
    let options = Options {
        system: clock.clone(),
        clock,
        workers,
    };
    let (notices, _) = broadcast::channel(1);
    let mut pump = Pump::new(journal, options, notices);
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

/// The settlement of an attempt that publishes so many bytes.
fn publishing(sequence: u64, bytes: usize) -> (InSettlement, Settlement) {
    let took = Duration::from_millis(1);
    let pending = Pending::new(entry(sequence), None);
    let notice = Settled {
        handler: name(),
        generation: Digest::of(b"nobody"),
        entry: pending.entry.clone(),
        attempt: 1,
        attempts_max: 1,
        outcome: Outcome::Ack,
        due_in: None,
        dead: false,
        took,
        published: Vec::new(),
    };
    let event = Event {
        data: Some(vec![0; bytes].into()),
        ..Event::default()
    };
    let settlement = Settlement {
        subscription: SubscriptionId(1),
        sequence: Sequence(sequence),
        attempt: 1,
        forgiven: 0,
        generation: notice.generation,
        started: Timestamp::default(),
        took,
        disposition: Disposition::Done,
        publish: vec![Proposal { event, depth: 1 }],
        state: StateAccess::default(),
    };
    let serving = serving(Order::None);
    let note = InSettlement {
        begun: Begun {
            slot: 0,
            delivery: DeliveryId::new(name(), pending.entry.sequence, &pending.entry.event),
            expiry: Subscription::open(position(0, &[]), Sequence(0), false).expiry(
                &pending.entry,
                &serving.settings,
                Timestamp::default(),
                &ManualClock::default(),
            ),
            started: Timestamp::default(),
            serving,
            pending,
        },
        waits: None,
        notice,
    };
    (note, settlement)
}

/// Settles attempts that publish so many bytes each, and gives back the number of
/// requests that this takes.
async fn requests(bytes: &[usize]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut pump = pump(&folder, 0);
    let settlements = (1..).zip(bytes).map(|(n, bytes)| publishing(n, *bytes));
    let (notes, settlements) = settlements.unzip();
    pump.store(notes, settlements);
    assert_eq!(pump.settling, pump.work.len());
    pump.settling
}

#[tokio::test]
async fn what_is_settled_together_is_bounded_in_bytes() {
    let half = limits::SETTLE_BYTES / 2 - 1;
    assert_eq!(requests(&[]).await, 0);
    assert_eq!(requests(&[0; SETTLE_BATCH]).await, 1);
    assert_eq!(requests(&[half, half]).await, 1);
    assert_eq!(requests(&[half; 5]).await, 3);
    assert_eq!(requests(&[2 * limits::SETTLE_BYTES, 1, 1]).await, 2);
}
