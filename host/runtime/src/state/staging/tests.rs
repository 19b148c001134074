//! What an attempt sees, and what is left of it to settle.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use waystation_core::StateKeys;

use super::*;

/// State in memory, of one namespace, that changes under the attempt's feet when
/// it is told to.
#[derive(Default)]
struct Memory {
    values: Mutex<BTreeMap<String, StateValue>>,
    version: AtomicU64,
}

impl Memory {
    fn with(values: &[(&str, &str)]) -> Arc<Self> {
        let memory = Arc::new(Self::default());
        for (key, value) in values {
            memory.set(key, value);
        }
        memory
    }

    fn set(&self, key: &str, value: &str) {
        let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
        let value = StateValue {
            value: value.to_owned().into(),
            version,
        };
        self.values.lock().unwrap().insert(key.to_owned(), value);
    }
}

#[async_trait]
impl State for Memory {
    async fn get(&self, _: &str, key: &str) -> Result<Option<StateValue>, StateError> {
        Ok(self.values.lock().unwrap().get(key).cloned())
    }

    async fn keys(
        &self,
        _: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StateKeys, StateError> {
        let values = self.values.lock().unwrap();
        let keys = values.keys().filter(|key| Some(key.as_str()) > after);
        Ok(StateKeys {
            keys: keys.take(limit).cloned().collect(),
            version: self.version.load(Ordering::Relaxed),
        })
    }
}

const SPACE: &str = "stock";

async fn get(staging: &mut Staging, key: &str) -> Option<String> {
    let value = staging.get(SPACE, key.to_owned()).await.unwrap();
    value.map(|value| String::from_utf8(value.into()).unwrap())
}

fn put(staging: &mut Staging, key: &str, value: Option<&str>) {
    let value = value.map(|value| value.to_owned().into());
    staging.put(SPACE, key.to_owned(), value).unwrap();
}

fn read(key: &str, version: StateVersion) -> KeyRead {
    KeyRead {
        namespace: SPACE.into(),
        key: key.into(),
        version,
    }
}

fn write(key: &str, value: Option<&'static str>) -> KeyWrite {
    KeyWrite {
        namespace: SPACE.into(),
        key: key.into(),
        value: value.map(Bytes::from),
    }
}

#[tokio::test]
async fn a_value_that_was_read_stays_the_same_and_its_version_is_recorded_once() {
    let memory = Memory::with(&[("a", "old")]);
    let mut staging = Staging::new(memory.clone());
    assert_eq!(get(&mut staging, "a").await.as_deref(), Some("old"));
    assert_eq!(get(&mut staging, "b").await, None);
    memory.set("a", "new");
    memory.set("b", "new");
    assert_eq!(get(&mut staging, "a").await.as_deref(), Some("old"));
    assert_eq!(get(&mut staging, "b").await, None);
    let access = staging.take().into_access();
    assert_eq!(access.reads, [read("a", 1), read("b", 0)]);
    assert_eq!(access.writes, []);
}

#[tokio::test]
async fn an_attempt_sees_its_own_writes_and_only_the_last_one_is_settled() {
    let memory = Memory::with(&[("a", "old")]);
    let mut staging = Staging::new(memory.clone());
    put(&mut staging, "a", Some("1"));
    put(&mut staging, "a", Some("2"));
    assert_eq!(get(&mut staging, "a").await.as_deref(), Some("2"));
    put(&mut staging, "a", None);
    assert_eq!(get(&mut staging, "a").await, None);
    let access = staging.take().into_access();
    assert_eq!(access.reads, [], "it saw nothing of the host");
    assert_eq!(access.writes, [write("a", None)]);
    let stored = memory.values.lock().unwrap().get("a").cloned().unwrap();
    assert_eq!(
        stored.value, "old",
        "nothing is written before it is settled"
    );
}

#[tokio::test]
async fn the_next_attempt_begins_with_nothing_of_the_former() {
    let memory = Memory::with(&[("a", "old")]);
    let mut staging = Staging::new(memory.clone());
    get(&mut staging, "a").await;
    put(&mut staging, "a", Some("mine"));
    staging.take().into_access();
    memory.set("a", "new");
    assert_eq!(get(&mut staging, "a").await.as_deref(), Some("new"));
    assert_eq!(staging.take().into_access().reads, [read("a", 2)]);
}

#[tokio::test]
async fn an_increment_reads_a_decimal_number_and_stages_the_sum() {
    let memory = Memory::with(&[("a", "41"), ("max", &u64::MAX.to_string()), ("bad", "x")]);
    let mut staging = Staging::new(memory);
    let mut increment = async |key: &str, delta| {
        let sum = staging.increment(SPACE, key.to_owned(), delta).await;
        sum.map_err(|refusal| refusal.to_string())
    };
    assert_eq!(increment("a", 1).await, Ok(42));
    assert_eq!(increment("a", 2).await, Ok(44));
    assert_eq!(increment("new", 7).await, Ok(7));
    assert_eq!(increment("max", 0).await, Ok(u64::MAX));
    assert_eq!(
        increment("max", 1).await,
        Err(Refusal::Overflow.to_string())
    );
    assert_eq!(
        increment("bad", 1).await,
        Err(Refusal::NotANumber.to_string())
    );
    let access = staging.take().into_access();
    let reads = [read("a", 1), read("bad", 3), read("max", 2), read("new", 0)];
    assert_eq!(access.reads, reads);
    let max = "18446744073709551615";
    let writes = [("a", "44"), ("max", max), ("new", "7")];
    assert_eq!(
        access.writes,
        writes.map(|(key, value)| write(key, Some(value)))
    );
}

#[tokio::test]
async fn a_listing_has_the_keys_of_the_host_and_those_staged() {
    let mut staging = Staging::new(Memory::with(&[("b", ""), ("d", "")]));
    put(&mut staging, "a", Some(""));
    put(&mut staging, "c", Some(""));
    put(&mut staging, "d", None);
    put(&mut staging, "e", None);
    let page = staging.keys(SPACE, None).await.unwrap();
    assert_eq!(page.keys, ["a", "b", "c"]);
    assert_eq!(page.next, None);
    let listing = KeyListing {
        namespace: SPACE.into(),
        version: 2,
    };
    assert_eq!(staging.take().into_access().listings, [listing]);
}

#[tokio::test]
async fn pages_hold_each_key_once_and_record_the_version_of_the_first() {
    let keys: Vec<String> = (0..2 * limits::STATE_PAGE_KEYS + 1)
        .map(|index| format!("{index:05}"))
        .collect();
    let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
    let memory = Memory::with(&pairs);
    let mut staging = Staging::new(memory.clone());
    put(&mut staging, "01000a", Some(""));
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let page = staging.keys(SPACE, cursor).await.unwrap();
        listed.extend(page.keys);
        memory.set("00000", "changed meanwhile");
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let mut expected = keys;
    expected.insert(1_001, "01000a".into());
    assert_eq!(listed, expected);
    assert_eq!(staging.take().into_access().listings[0].version, 2_001);
}

#[tokio::test]
async fn a_cursor_of_another_attempt_is_refused() {
    let mut staging = Staging::new(Memory::with(&[("a", "")]));
    assert_eq!(staging.keys(SPACE, Some(0)).await, Err(Refusal::Cursor(0)));
    assert_eq!(
        staging.keys(SPACE, Some(u64::MAX)).await,
        Err(Refusal::Cursor(u64::MAX))
    );
}

#[tokio::test]
async fn each_bound_holds() {
    let memory = Memory::with(&[]);
    let large = "x".repeat(limits::STATE_VALUE_BYTES_MAX);
    let fresh = || Staging::new(memory.clone());
    let value = |length| Some(Bytes::from(vec![0; length]));

    let long = "k".repeat(limits::STATE_KEY_BYTES_MAX + 1);
    assert_eq!(
        fresh().get(SPACE, long.clone()).await,
        Err(Refusal::KeyBytes(1025))
    );
    assert_eq!(fresh().put(SPACE, long, None), Err(Refusal::KeyBytes(1025)));
    let over = limits::STATE_VALUE_BYTES_MAX + 1;
    assert_eq!(
        fresh().put(SPACE, "k".into(), value(over)),
        Err(Refusal::ValueBytes(over))
    );

    let mut staging = fresh();
    for index in 0..limits::STATE_KEYS_MAX {
        put(&mut staging, &index.to_string(), None);
    }
    assert_eq!(
        staging.get(SPACE, "0".into()).await,
        Ok(None),
        "a known key"
    );
    assert_eq!(staging.get(SPACE, "k".into()).await, Err(Refusal::Keys));

    let mut staging = fresh();
    let fit = limits::STATE_STAGED_BYTES_MAX / limits::STATE_VALUE_BYTES_MAX;
    for index in 0..fit - 1 {
        put(&mut staging, &index.to_string(), Some(&large));
    }
    for _ in 0..2 * fit {
        put(&mut staging, "0", Some(&large));
    }
    let more = staging.put(SPACE, "k".into(), value(large.len()));
    assert_eq!(more, Err(Refusal::StagedBytes), "the keys count, too");

    let mut staging = fresh();
    let fit = limits::STATE_READ_BYTES_MAX / limits::STATE_VALUE_BYTES_MAX;
    for index in 0..=fit {
        memory.set(&index.to_string(), &large);
    }
    for index in 0..fit {
        get(&mut staging, &index.to_string()).await;
    }
    let more = staging.get(SPACE, fit.to_string()).await;
    assert_eq!(more, Err(Refusal::ReadBytes));
}

/// What is kept of these values once each is read.
async fn kept(values: &[(&str, &str)]) -> (StateImage, bool) {
    let mut staging = Staging::new(Memory::with(values));
    for (key, _) in values {
        get(&mut staging, key).await;
    }
    staging.take().image(&Scrub::default())
}

#[tokio::test]
async fn a_value_without_room_is_known_to_be_there_and_one_that_just_fits_is_kept() {
    let large = "x".repeat(limits::SEEN_STATE_BYTES_MAX);
    let (image, is_cut) = kept(&[("a", &large)]).await;
    assert!(image.value(SPACE, "a").is_some() && !is_cut);

    let (image, is_cut) = kept(&[("a", "1"), ("b", &large), ("c", "3")]).await;
    assert_eq!(image.value(SPACE, "a").unwrap(), "1");
    assert_eq!(image.get(SPACE, "b"), Some(&Held::Unread));
    assert_eq!(image.value(SPACE, "c").unwrap(), "3");
    assert!(is_cut);
}

#[tokio::test]
async fn keys_that_are_listed_again_are_kept_once() {
    let keys: Vec<String> = (0..limits::STATE_KEYS_MAX).map(|i| i.to_string()).collect();
    let keys: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
    let memory = Memory::with(&keys);
    let mut staging = Staging::new(memory.clone());
    let listed = async |staging: &mut Staging| {
        let mut next = None;
        loop {
            next = staging.keys(SPACE, next).await.unwrap().next;
            if next.is_none() {
                break;
            }
        }
    };
    listed(&mut staging).await;
    listed(&mut staging).await;
    let (image, is_cut) = staging.take().image(&Scrub::default());
    assert_eq!(image.0[SPACE].len(), limits::STATE_KEYS_MAX);
    assert!(!is_cut);

    memory.set("one more", "");
    listed(&mut staging).await;
    let (image, is_cut) = staging.take().image(&Scrub::default());
    assert_eq!(image.0[SPACE].len(), limits::STATE_KEYS_MAX);
    assert!(is_cut);
}

#[tokio::test]
async fn no_secret_is_kept_in_a_name_or_a_value() {
    let keys = [
        ("session-correct-horse", "for correct-horse"),
        ("session-[secret token]", ""),
    ];
    let mut staging = Staging::new(Memory::with(&keys));
    staging.keys(SPACE, None).await.unwrap();
    get(&mut staging, "session-correct-horse").await;
    get(&mut staging, "not correct-horse").await;
    let secret = waystation_core::Secret::new("correct-horse");
    let scrub = Scrub::new(&BTreeMap::from([("token".to_owned(), secret)]));
    let (image, is_cut) = staging.take().image(&scrub);
    let kept: Vec<_> = image.0[SPACE].iter().collect();
    let value = Held::Value("for [secret token]".into());
    assert_eq!(
        kept,
        [
            (&"not [secret token]".to_owned(), &Held::Absent),
            (&"session-[secret token]".to_owned(), &value),
        ]
    );
    assert!(is_cut, "two keys became one");
}
