//! The `reaching` fixture: a guest that reaches for what the event says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Mutex;
use waystation_core::{
    Draft, Event, Grants, HandlerName, Instances, Outcome, Sequence, Settings, StateAccess,
    StateKeys, StateValue, limits,
};
use waystation_runtime::{
    Component, Ended, Engine, Generation, Outbound, Request, State, StateError,
};

/// A generation of the fixture on an engine of its own.
pub struct Reaching {
    generation: Arc<Generation>,
    /// The state that it reads.
    pub state: Arc<Memory>,
}

/// What differs from a handler without a sidecar.
pub struct Given {
    pub grants: Grants,
    pub instances: Instances,
    pub outbound: Outbound,
    pub timeout: Duration,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            grants: Grants::default(),
            instances: Instances::Fresh,
            outbound: Outbound::new(),
            timeout: limits::ATTEMPT_TIMEOUT,
        }
    }
}

impl Reaching {
    pub async fn new(given: Given) -> Self {
        let state = Arc::new(Memory::default());
        let engine = Engine::new(None).unwrap();
        let engine = engine
            .with_state(state.clone())
            .with_outbound(given.outbound);
        let name = HandlerName::new("reaching").unwrap();
        let loaded = Component::load(&engine, &name, component()).await;
        let (component, descriptor) = loaded.map_err(|error| error.to_string()).unwrap();
        let mut settings = Settings::of(&descriptor);
        settings.grants = given.grants;
        settings.instances = given.instances;
        settings.timeout = given.timeout;
        Self {
            generation: Arc::new(Generation::new(&engine, name, component, settings)),
            state,
        }
    }

    /// A generation with these grants, and nothing else special.
    pub async fn granted(grants: Grants) -> Self {
        Self::new(Given {
            grants,
            ..Given::default()
        })
        .await
    }

    /// Makes one attempt that takes these steps, in the JSON of the fixture.
    pub async fn attempt(&self, steps: &str) -> Ended {
        let event = Event {
            id: "1".into(),
            source: "/test".into(),
            event_type: "test.reaching.v1".into(),
            subject: None,
            time: None,
            data_content_type: Some("application/json".into()),
            data_schema: None,
            extensions: BTreeMap::new(),
            data: Some(Bytes::copy_from_slice(steps.as_bytes())),
        };
        let request = Request {
            event: &event,
            delivery: "reaching.1.abc",
            attempt: 1,
            sequence: Sequence(1),
        };
        self.generation.attempt(request).await
    }

    /// The same, which must be handled: what the steps answered, as JSON, and what
    /// is to be settled.
    pub async fn reach(&self, steps: &str) -> (String, StateAccess) {
        let ended = self.attempt(steps).await;
        (answers(&ended), ended.state)
    }

    /// Takes these steps, which must be answered so.
    pub async fn check(&self, steps: &str, expected: &str) {
        assert_eq!(self.reach(steps).await.0, expected, "{steps}");
    }
}

/// What the steps of an attempt answered, as JSON. It must be handled.
pub fn answers(ended: &Ended) -> String {
    assert_eq!(ended.outcome, Outcome::Ack);
    let [Draft { data, .. }] = &ended.drafts[..] else {
        panic!("{:?}", ended.drafts)
    };
    let data = String::from_utf8(data.as_ref().unwrap().to_vec()).unwrap();
    let answers = data.strip_prefix(r#"{"answers":"#).unwrap();
    answers.strip_suffix('}').unwrap().to_owned()
}

/// The bytes that `make guests` built.
fn component() -> Bytes {
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap();
    let path = target.join("guests/reaching.wasm");
    match std::fs::read(&path) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("{}: {error}; run `make guests` first", path.display()),
    }
}

/// State in memory that settles what an attempt staged if nobody else was faster.
#[derive(Default)]
pub struct Memory {
    values: Mutex<BTreeMap<(String, String), StateValue>>,
    version: AtomicU64,
}

impl Memory {
    /// Settles it, or tells that the attempt must be made again.
    pub async fn settle(&self, access: StateAccess) -> bool {
        let mut values = self.values.lock().await;
        let stale = access.reads.iter().any(|read| {
            let key = (read.namespace.clone(), read.key.clone());
            values.get(&key).map_or(0, |value| value.version) != read.version
        });
        if stale {
            return false;
        }
        for write in access.writes {
            let key = (write.namespace, write.key);
            let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
            match write.value {
                Some(value) => values.insert(key, StateValue { value, version }),
                None => values.remove(&key),
            };
        }
        true
    }
}

#[async_trait]
impl State for Memory {
    async fn get(&self, namespace: &str, key: &str) -> Result<Option<StateValue>, StateError> {
        match key {
            "panic" => panic!("told to panic"),
            "wait" => std::future::pending().await,
            _ => {}
        }
        let values = self.values.lock().await;
        Ok(values.get(&(namespace.into(), key.into())).cloned())
    }

    async fn keys(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StateKeys, StateError> {
        let values = self.values.lock().await;
        let own = values.keys().filter(|(space, _)| space == namespace);
        let keys = own.map(|(_, key)| key.clone());
        Ok(StateKeys {
            keys: keys
                .filter(|key| Some(key.as_str()) > after)
                .take(limit)
                .collect(),
            version: self.version.load(Ordering::Relaxed),
        })
    }
}
