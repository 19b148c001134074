//! The events that a test offers: what each makes its handler do, by chance.

use fastrand::Rng;
use serde_json::{Value, json};

/// What the `scripted` fixture publishes for each event that it handled.
pub const DONE: &str = "test.result.done.v1";
/// What it publishes besides, if it is told to.
pub const ITEM: &str = "test.result.item.v1";
/// The types of the load.
pub const PLAIN: &str = "test.scripted.plain.v1";
pub const ORDERS: &str = "test.scripted.orders.v1";
/// The attempts that the handlers of a test get.
pub const ATTEMPTS: u32 = 3;

const ID: &str = "load-";
const SOURCES: u64 = 3;
const KEYS: u64 = 8;
const ITEMS_MAX: u32 = 4;

/// One event of a load. Its number is its identity.
#[derive(Clone, Debug)]
pub struct Event {
    pub number: u64,
    pub event_type: &'static str,
    /// Its ordering key.
    pub key: Option<u64>,
    pub script: Script,
    /// The bytes that it carries besides.
    pub padding: usize,
}

/// What it makes its handler do.
#[derive(Clone, Copy, Debug)]
pub enum Script {
    Ack,
    Fail { times: u32 },
    Reject,
    Trap,
    Sleep { ms: u64 },
    Publish { count: u32 },
}

/// The id of the event with this number.
pub fn id(number: u64) -> String {
    format!("{ID}{number}")
}

/// The number of the event with this id.
pub fn number(id: &str) -> Option<u64> {
    id.strip_prefix(ID)?.parse().ok()
}

/// The source of the event with this number.
pub fn source(number: u64) -> String {
    format!("/load/{}", number % SOURCES)
}

impl Event {
    /// An event that is handled at once.
    pub fn plain(number: u64, padding: usize) -> Self {
        Self {
            number,
            event_type: PLAIN,
            key: None,
            script: Script::Ack,
            padding,
        }
    }

    /// An event of any kind.
    pub fn random(number: u64, random: &mut Rng) -> Self {
        Self {
            number,
            event_type: if random.u8(..4) == 0 { ORDERS } else { PLAIN },
            key: random.bool().then(|| random.u64(..KEYS)),
            script: Script::random(random),
            padding: random.usize(..200),
        }
    }

    /// In the JSON format of CloudEvents.
    pub fn to_json(&self) -> Value {
        let mut event = json!({
            "specversion": "1.0",
            "id": id(self.number),
            "source": source(self.number),
            "type": self.event_type,
            "data": self.data(),
        });
        if let Some(key) = self.key {
            event["partitionkey"] = json!(format!("key-{key}"));
        }
        event
    }

    /// What the `scripted` fixture reads.
    pub fn data(&self) -> Value {
        let mut data = match self.script {
            Script::Ack => json!({"do": "ack"}),
            Script::Fail { times } => json!({"do": "fail", "times": times}),
            Script::Reject => json!({"do": "reject"}),
            Script::Trap => json!({"do": "trap"}),
            Script::Sleep { ms } => json!({"do": "sleep", "ms": ms}),
            Script::Publish { count } => json!({"do": "publish", "type": ITEM, "count": count}),
        };
        data["padding"] = "x".repeat(self.padding).into();
        data
    }
}

impl Script {
    fn random(random: &mut Rng) -> Self {
        match random.u16(..1_000) {
            0..800 => Self::Ack,
            800..900 => Self::Publish {
                count: random.u32(1..=ITEMS_MAX),
            },
            900..940 => Self::Fail {
                times: random.u32(1..=ATTEMPTS),
            },
            940..978 => Self::Sleep {
                ms: random.u64(1..=20),
            },
            // A few are still at it when what came after them is long settled.
            978..980 => Self::Sleep {
                ms: random.u64(500..=1_500),
            },
            980..990 => Self::Reject,
            _ => Self::Trap,
        }
    }
}
