use waystation_core::{Code, Failure};
use waystation_journal::DeliveryKey;

use super::*;
use crate::testing::{LANE, entry, name, position, serving};

/// An event that waited in the journal and is due.
fn due(sequence: u64) -> Due {
    Due {
        key: DeliveryKey {
            subscription: SubscriptionId(1),
            handler: name(),
            sequence: Sequence(sequence),
        },
        attempts: 1,
        forgiven: 0,
        due: Timestamp::default(),
        failure: Failure::new(Code::Retry, "not yet"),
        entry: entry(sequence),
    }
}

/// A subscription whose lane has left event 3 in the journal, since event 1 was
/// to be tried again, and reads it now.
fn reading() -> Subscription {
    let mut subscription = Subscription::open(position(2, &[1]), Sequence(2), false);
    subscription.serve(serving(Order::Key), Timestamp::default());
    subscription.admit(entry(3));
    subscription.readmit(&due(1));
    let first = subscription.ready.pop_front().unwrap();
    subscription.settled(&first, false);
    assert_eq!(
        subscription.lane_reads.drain(..).collect::<Vec<_>>(),
        [(LANE.to_owned(), Sequence(3))]
    );
    subscription
}

fn ready(subscription: &Subscription) -> Vec<u64> {
    let ready = subscription.ready.iter();
    ready.map(|pending| pending.entry.sequence.0).collect()
}

/// What the lane left was dropped; but an event comes before the answer does.
#[test]
fn what_comes_while_a_lane_is_found_empty_is_read_too() {
    let mut subscription = reading();
    subscription.admit(entry(4));
    subscription.read_lane(LANE, vec![], Sequence(3), Sequence(4));
    assert_eq!(subscription.lane_reads, [(LANE.to_owned(), Sequence(4))]);
    subscription.read_lane(LANE, vec![entry(4)], Sequence(4), Sequence(4));
    assert_eq!(ready(&subscription), [4]);
}

#[test]
fn a_lane_takes_nothing_in_that_the_feed_has_not_come_to() {
    let mut subscription = reading();
    subscription.read_lane(LANE, vec![entry(4)], Sequence(3), Sequence(3));
    subscription.admit(entry(4));
    assert_eq!(ready(&subscription), [4]);
    let first = subscription.ready.pop_front().unwrap();
    subscription.settled(&first, false);
    assert!(subscription.ready.is_empty());
}

/// Event 2 is driven again while the lane is busy reading, and the handler is
/// retired before that ends.
#[test]
fn what_was_kept_out_of_a_lane_is_asked_for_again_after_a_retirement() {
    let mut subscription = reading();
    subscription.readmit(&due(2));
    assert_eq!(subscription.not_again(), [Sequence(2)]);
    subscription.serving = None;
    subscription.read_lane(LANE, vec![entry(3)], Sequence(3), Sequence(3));
    subscription.serve(serving(Order::Key), Timestamp::default());
    assert!(subscription.not_again().is_empty());
    subscription.readmit(&due(2));
    assert_eq!(ready(&subscription), [2]);
}
