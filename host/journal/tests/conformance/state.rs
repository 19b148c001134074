//! Durable state: versions, conflicts, and what is settled with an outcome.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use waystation_core::{KeyListing, KeyRead, KeyWrite, Sequence, StateAccess, StateValue};
use waystation_journal::{Commit, Journal, Settlement, SubscriptionId};

use crate::engine::{Engine, append, died, done, proposal, retried, subscribe};

const STOCK: &str = "stock";

fn read(key: &str, version: u64) -> StateAccess {
    let (namespace, key) = (STOCK.to_owned(), key.to_owned());
    StateAccess {
        reads: vec![KeyRead {
            namespace,
            key,
            version,
        }],
        ..StateAccess::default()
    }
}

fn listed(version: u64) -> StateAccess {
    let namespace = STOCK.to_owned();
    StateAccess {
        listings: vec![KeyListing { namespace, version }],
        ..StateAccess::default()
    }
}

/// The same with writes to `STOCK`: no value deletes the key.
fn writing(access: StateAccess, writes: &[(&str, Option<&str>)]) -> StateAccess {
    let write = |(key, value): &(&str, Option<&str>)| KeyWrite {
        namespace: STOCK.to_owned(),
        key: (*key).to_owned(),
        value: value.map(|value| value.to_owned().into()),
    };
    StateAccess {
        writes: writes.iter().map(write).collect(),
        ..access
    }
}

fn put(key: &str, value: &str) -> StateAccess {
    writing(StateAccess::default(), &[(key, Some(value))])
}

fn delete(key: &str) -> StateAccess {
    writing(StateAccess::default(), &[(key, None)])
}

/// A journal with events, of which each test handles one after the other.
struct Bench {
    journal: Box<dyn Journal>,
    shipping: SubscriptionId,
}

impl Bench {
    async fn new(engine: &impl Engine) -> Self {
        let journal = engine.open().await;
        let ids: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
        append(
            &*journal,
            &ids.iter().map(String::as_str).collect::<Vec<_>>(),
        )
        .await;
        let shipping = subscribe(&*journal, "shipping").await;
        Self { journal, shipping }
    }

    fn attempt(&self, sequence: u64, state: StateAccess) -> Settlement {
        Settlement {
            state,
            ..done(self.shipping, sequence, 1)
        }
    }

    /// Settles the attempt for an event with its access to state.
    async fn settle(&self, sequence: u64, state: StateAccess) -> Commit {
        let settled = self
            .journal
            .settle(vec![self.attempt(sequence, state)])
            .await;
        settled.unwrap()[0]
    }

    async fn value(&self, key: &str) -> Option<StateValue> {
        self.journal.state(STOCK, key).await.unwrap()
    }

    /// The text of a key's value and its version; 0 and nothing if it is not there.
    async fn text(&self, key: &str) -> (String, u64) {
        self.value(key)
            .await
            .map_or_else(Default::default, |found| {
                (
                    String::from_utf8(found.value.to_vec()).unwrap(),
                    found.version,
                )
            })
    }

    async fn keys(&self) -> (Vec<String>, u64) {
        let keys = self.journal.state_keys(STOCK, None, 100).await.unwrap();
        (keys.keys, keys.version)
    }
}

pub async fn is_written_with_the_outcome(engine: impl Engine) {
    let bench = Bench::new(&engine).await;
    assert_eq!(bench.value("apples").await, None);
    assert_eq!(bench.settle(1, put("apples", "5")).await, Commit::Stored);
    let first = bench.text("apples").await;
    assert_eq!(first.0, "5");
    assert_eq!(bench.settle(2, put("pears", "7")).await, Commit::Stored);
    assert_eq!(
        bench.text("apples").await,
        first,
        "another key is another version"
    );
    assert_eq!(bench.settle(3, put("apples", "5")).await, Commit::Stored);
    assert!(
        bench.text("apples").await.1 > first.1,
        "the same value is a new version"
    );
    assert_eq!(
        bench.journal.state("elsewhere", "apples").await.unwrap(),
        None
    );
    bench.journal.close().await.unwrap();

    let journal = engine.open().await;
    let stored = journal.state(STOCK, "pears").await.unwrap().unwrap();
    assert_eq!(stored.value, "7");
}

pub async fn is_listed_in_the_order_of_its_keys(engine: impl Engine) {
    let bench = Bench::new(&engine).await;
    assert_eq!(bench.keys().await, (vec![], 0));
    let keys = ["b", "ä", "a", "", "ab", "B"].map(|key| (key, Some("x")));
    bench
        .settle(1, writing(StateAccess::default(), &keys))
        .await;
    assert_eq!(bench.keys().await.0, ["", "B", "a", "ab", "b", "ä"]);
    let page = bench.journal.state_keys(STOCK, Some("a"), 2).await.unwrap();
    assert_eq!(page.keys, ["ab", "b"]);
    assert_eq!(page.version, bench.keys().await.1);
    bench.settle(2, delete("ab")).await;
    assert_eq!(bench.keys().await.0, ["", "B", "a", "b", "ä"]);
}

pub async fn a_conflict_stores_nothing_of_the_settlement(engine: impl Engine) {
    let bench = Bench::new(&engine).await;
    bench.settle(1, put("apples", "5")).await;
    let (_, version) = bench.text("apples").await;
    bench.settle(2, put("apples", "6")).await;

    let stale = writing(
        read("apples", version),
        &[("apples", Some("4")), ("pears", Some("1"))],
    );
    let published = Settlement {
        publish: vec![proposal("shipment", 1)],
        ..bench.attempt(3, stale.clone())
    };
    let retried = Settlement {
        state: stale.clone().without_writes(),
        ..retried(bench.shipping, 4, 1, 5)
    };
    let dead = Settlement {
        state: stale.without_writes(),
        ..died(bench.shipping, 5, 1)
    };
    let whole = bench.attempt(6, put("plums", "2"));
    let settlements = vec![published, retried, dead, whole];
    let commits = bench.journal.settle(settlements).await.unwrap();
    let conflict = Commit::Conflict;
    assert_eq!(commits, [conflict, conflict, conflict, Commit::Stored]);

    assert_eq!(bench.text("apples").await.0, "6");
    assert_eq!(bench.keys().await.0, ["apples", "plums"]);
    assert!(bench.journal.find("shipment").await.unwrap().is_empty());
    assert!(
        bench
            .journal
            .waiting(None, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        bench
            .journal
            .dead_letters(None, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    for sequence in 3..=5 {
        let attempts = bench.journal.attempts(Sequence(sequence)).await;
        assert!(attempts.unwrap().is_empty(), "{sequence}");
    }
    let (_, version) = bench.text("apples").await;
    let again = writing(read("apples", version), &[("apples", Some("4"))]);
    assert_eq!(bench.settle(3, again).await, Commit::Stored);
}

pub async fn an_absent_key_that_was_read_must_stay_absent(engine: impl Engine) {
    let bench = Bench::new(&engine).await;
    let create = || writing(read("apples", 0), &[("apples", Some("1"))]);
    assert_eq!(bench.settle(1, create()).await, Commit::Stored);
    assert_eq!(bench.settle(2, create()).await, Commit::Conflict);
    bench.settle(3, delete("apples")).await;
    assert_eq!(bench.settle(2, create()).await, Commit::Stored);
}

pub async fn a_key_that_went_and_came_back_is_another(engine: impl Engine) {
    let bench = Bench::new(&engine).await;
    bench.settle(1, put("apples", "5")).await;
    let before = bench.text("apples").await;
    bench.settle(2, delete("apples")).await;
    assert_eq!(
        bench.settle(3, read("apples", before.1)).await,
        Commit::Conflict
    );
    bench.settle(4, put("apples", "5")).await;
    let after = bench.text("apples").await;
    assert_eq!(after.0, before.0);
    assert!(after.1 > before.1);
    assert_eq!(
        bench.settle(3, read("apples", before.1)).await,
        Commit::Conflict
    );
    assert_eq!(
        bench.settle(3, read("apples", after.1)).await,
        Commit::Stored
    );
}

pub async fn a_listing_conflicts_only_when_a_key_comes_or_goes(engine: impl Engine) {
    let bench = Bench::new(&engine).await;
    assert_eq!(bench.settle(1, listed(0)).await, Commit::Stored);
    bench.settle(2, put("apples", "5")).await;
    assert_eq!(bench.settle(3, listed(0)).await, Commit::Conflict);
    let (_, version) = bench.keys().await;
    bench.settle(4, put("apples", "6")).await;
    bench.settle(5, delete("pears")).await;
    assert_eq!(bench.settle(6, listed(version)).await, Commit::Stored);
    bench.settle(7, delete("apples")).await;
    assert_eq!(bench.settle(8, listed(version)).await, Commit::Conflict);
}

pub async fn an_attempt_that_was_settled_before_is_no_conflict(engine: impl Engine) {
    let bench = Bench::new(&engine).await;
    let increment = writing(read("apples", 0), &[("apples", Some("1"))]);
    assert_eq!(bench.settle(1, increment.clone()).await, Commit::Stored);
    let once = bench.text("apples").await;
    assert_eq!(bench.settle(1, increment).await, Commit::Stored);
    assert_eq!(bench.text("apples").await, once);
}

pub async fn of_two_that_conflict_the_first_wins(engine: impl Engine) {
    let bench = Bench::new(&engine).await;
    let increment = |value| writing(read("apples", 0), &[("apples", Some(value))]);
    let batch = vec![
        bench.attempt(1, increment("first")),
        bench.attempt(2, increment("second")),
    ];
    let commits = bench.journal.settle(batch).await.unwrap();
    assert_eq!(commits, [Commit::Stored, Commit::Conflict]);
    assert_eq!(bench.text("apples").await.0, "first");
}

/// The number that a value is the text of; 0 where there is none.
fn count(value: Option<StateValue>) -> usize {
    value.map_or(0, |found| {
        std::str::from_utf8(&found.value).unwrap().parse().unwrap()
    })
}

/// Adds one to each of some keys, again and again until it is no conflict, and
/// gives back how often it was one.
async fn increment(
    journal: &dyn Journal,
    subscription: SubscriptionId,
    sequence: u64,
    keys: &[u8],
) -> usize {
    let mut conflicts = 0;
    loop {
        let mut access = StateAccess::default();
        for key in keys {
            let key = key.to_string();
            let found = journal.state(STOCK, &key).await.unwrap();
            let version = found.as_ref().map_or(0, |found| found.version);
            let count = count(found) + 1;
            access.reads.extend(read(&key, version).reads);
            access.writes.extend(put(&key, &count.to_string()).writes);
        }
        let settlement = Settlement {
            state: access,
            ..done(subscription, sequence, 1)
        };
        match journal.settle(vec![settlement]).await.unwrap()[0] {
            Commit::Stored => return conflicts,
            Commit::Conflict => conflicts += 1,
            Commit::Gone => unreachable!("nothing is dropped"),
        }
    }
}

/// Whoever increments which keys at the same time: none is lost.
pub fn no_increment_is_lost<E: Engine>(engine: fn() -> E) {
    let writers = prop::collection::vec(prop::collection::btree_set(0_u8..4, 1..4), 1..24);
    let runtime = Runtime::new().unwrap();
    let config = ProptestConfig::with_cases(24);
    let conflicts = Cell::new(0);
    proptest!(config, |(writers in writers)| {
        let found = runtime.block_on(incremented(&engine(), &writers));
        conflicts.set(conflicts.get() + found.conflicts);
        for key in 0..4 {
            let expected = writers.iter().filter(|keys| keys.contains(&key)).count();
            prop_assert_eq!(found.counts[usize::from(key)], expected, "key {}", key);
        }
    });
    assert!(conflicts.get() > 0, "nobody was in the way of another");
}

struct Incremented {
    counts: Vec<usize>,
    conflicts: usize,
}

/// Has one writer for each set of keys increment them, all at the same time.
async fn incremented(engine: &impl Engine, writers: &[BTreeSet<u8>]) -> Incremented {
    let bench = Bench::new(engine).await;
    let ids: Vec<String> = (0..writers.len()).map(|n| format!("more-{n}")).collect();
    append(
        &*bench.journal,
        &ids.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    let journal: Arc<dyn Journal> = Arc::from(bench.journal);
    let mut running = JoinSet::new();
    for (keys, sequence) in writers.iter().cloned().zip(1..) {
        let (journal, shipping) = (Arc::clone(&journal), bench.shipping);
        let keys: Vec<u8> = keys.into_iter().collect();
        running.spawn(async move { increment(&*journal, shipping, sequence, &keys).await });
    }
    let conflicts = running.join_all().await.into_iter().sum();
    let mut counts = Vec::new();
    for key in 0..4 {
        let found = journal.state(STOCK, &key.to_string()).await.unwrap();
        counts.push(count(found));
    }
    Incremented { counts, conflicts }
}
