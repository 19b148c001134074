//! A hostile guest on one engine with a well-behaved neighbour.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use waystation_core::{Code, Descriptor, Event, Failure, HandlerName, Outcome, Sequence, Settings};
use waystation_runtime::{Component, Ended, Engine, Generation, LoadError, Request};

use crate::guest::Guest;

/// How long an attempt may run.
pub const TIMEOUT: Duration = Duration::from_millis(200);

/// After so long an attempt that should have ended hangs. Far from the timeout,
/// so that a busy machine fails no test.
pub const HANG: Duration = Duration::from_secs(4);

/// The memory of one instance, in bytes.
pub const MEMORY_BYTES: usize = 32 * 1024 * 1024;

/// The pages of 64 KiB in [`MEMORY_BYTES`].
pub const MEMORY_PAGES: u32 = (MEMORY_BYTES / (64 * 1024)) as u32;

/// An engine with a well-behaved handler on it.
pub struct Trial {
    engine: Engine,
    neighbour: Arc<Generation>,
}

impl Trial {
    pub async fn new() -> Self {
        let engine = Engine::new(None).unwrap();
        let neighbour = generation(&engine, &Guest::well_behaved(), |_| {}).await;
        Self { engine, neighbour }
    }

    /// A generation of this guest on the engine, with little time and memory.
    pub async fn generation(&self, guest: &Guest) -> Arc<Generation> {
        self.generation_with(guest, |settings| {
            settings.timeout = TIMEOUT;
            settings.memory_bytes = MEMORY_BYTES;
        })
        .await
    }

    /// A generation of this guest on the engine, with these changes to what holds
    /// for a handler without a sidecar.
    pub async fn generation_with(
        &self,
        guest: &Guest,
        change: impl FnOnce(&mut Settings),
    ) -> Arc<Generation> {
        generation(&self.engine, guest, change).await
    }

    /// Why this guest is not loaded.
    pub async fn refusal(&self, guest: &Guest) -> LoadError {
        let (refusal, _) = self.beside_neighbour(load(&self.engine, guest)).await;
        self.attempt_of_neighbour().await;
        refusal.err().unwrap()
    }

    /// Makes one attempt, which must end, while the neighbour is served.
    pub async fn attempt(&self, hostile: &Arc<Generation>) -> Ended {
        let hostile = Arc::clone(hostile);
        let (ended, served) = self
            .beside_neighbour(async move { attempt(&hostile).await })
            .await;
        if ended.took >= TIMEOUT {
            assert!(served > 1, "the neighbour was not served meanwhile");
        }
        self.attempt_of_neighbour().await;
        ended
    }

    /// Makes an attempt of the neighbour, which must be handled.
    pub async fn attempt_of_neighbour(&self) {
        assert_eq!(attempt(&self.neighbour).await.outcome, Outcome::Ack);
    }

    /// Runs something to its end while the neighbour is served, in most tests on
    /// the same thread. Tells how often it was served.
    async fn beside_neighbour<T: Send + 'static>(
        &self,
        hostile: impl Future<Output = T> + Send + 'static,
    ) -> (T, usize) {
        let served = Arc::new(AtomicUsize::new(0));
        let neighbour = serve(Arc::clone(&self.neighbour), Arc::clone(&served));
        let begun = Instant::now();
        let ended = timeout(HANG, tokio::spawn(hostile)).await;
        // A guest that does not give way stops the timer too.
        assert!(begun.elapsed() < HANG, "it ran for {HANG:?} or longer");
        assert!(
            !neighbour.is_finished(),
            "an attempt of the neighbour failed"
        );
        neighbour.abort();
        (ended.unwrap().unwrap(), served.load(Ordering::Relaxed))
    }
}

/// Serves a well-behaved handler, each attempt in its turn, until the task is
/// aborted or an attempt fails.
fn serve(neighbour: Arc<Generation>, served: Arc<AtomicUsize>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let neighbour = Arc::clone(&neighbour);
            let ended = tokio::spawn(async move { attempt(&neighbour).await });
            if ended.await.unwrap().outcome != Outcome::Ack {
                break;
            }
            served.fetch_add(1, Ordering::Relaxed);
        }
    })
}

fn load(
    engine: &Engine,
    guest: &Guest,
) -> impl Future<Output = Result<(Component, Descriptor), LoadError>> + Send + 'static {
    let (engine, bytes) = (engine.clone(), guest.component());
    async move { Component::load(&engine, &name(), bytes).await }
}

async fn generation(
    engine: &Engine,
    guest: &Guest,
    change: impl FnOnce(&mut Settings),
) -> Arc<Generation> {
    let (component, descriptor) = load(engine, guest).await.unwrap();
    let mut settings = Settings::of(&descriptor);
    change(&mut settings);
    Arc::new(Generation::new(engine, name(), component, settings))
}

fn name() -> HandlerName {
    HandlerName::new("test").unwrap()
}

/// Makes one attempt for an event with every attribute.
pub async fn attempt(generation: &Generation) -> Ended {
    let event = Event {
        id: "1".into(),
        source: "/test".into(),
        event_type: "test".into(),
        subject: Some("subject".into()),
        time: Some("2026-01-01T00:00:00Z".into()),
        data_content_type: Some("application/json".into()),
        data_schema: Some("https://schema.example/1".into()),
        extensions: [("key".into(), "value".into())].into(),
        data: Some(Bytes::from_static(b"{}")),
    };
    let request = Request {
        event: &event,
        delivery: "delivery",
        attempt: 1,
        sequence: Sequence(1),
    };
    generation.attempt(request).await
}

/// Makes one attempt of a guest, which must end as a retry with this code.
/// Returns the reason.
pub async fn check(guest: Guest, expected: Code) -> String {
    let trial = Trial::new().await;
    let hostile = trial.generation(&guest).await;
    let ended = trial.attempt(&hostile).await;
    let Outcome::Retry(Failure { code, reason, .. }) = ended.outcome else {
        panic!("it ended with {:?}", ended.outcome)
    };
    assert_eq!(code, expected, "{reason}");
    assert!(ended.drafts.is_empty());
    reason
}

/// Makes one attempt of a guest, which must be handled and publish nothing.
pub async fn check_handled(guest: Guest) {
    let trial = Trial::new().await;
    let ended = trial.attempt(&trial.generation(&guest).await).await;
    assert_eq!((ended.outcome, ended.drafts), (Outcome::Ack, vec![]));
}
