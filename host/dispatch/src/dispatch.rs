//! The handle to the pump.

use std::sync::Arc;

use tokio::runtime;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinError;
use waystation_core::{Clock, HandlerName, Sequence, Settings};
use waystation_journal::{DeliveryKey, Entry, Journal};

use crate::pump::Pump;
use crate::subscription::Serving;
use crate::{Invoke, Notice};

/// What dispatch needs beside the journal.
#[derive(Clone)]
pub struct Options {
    /// Where the time comes from. It takes no step.
    pub clock: Arc<dyn Clock>,
    /// Where the time comes from by which publishers say when an event expires: the
    /// system's clock as it is.
    pub system: Arc<dyn Clock>,
    /// The workers that attempts run on. Nothing else should run there, so that
    /// a handler that spins stops nothing but handlers.
    pub workers: runtime::Handle,
}

/// Dispatches events to handlers. Cheap to clone.
#[derive(Clone)]
pub struct Dispatch {
    commands: mpsc::Sender<Command>,
    notices: broadcast::Sender<Notice>,
    stopped: watch::Receiver<Option<Stop>>,
}

/// Why dispatch stopped.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stop {
    /// It was asked to.
    #[error("dispatch was drained")]
    Drained,
    /// The journal failed it.
    #[error("{doing}: {error}")]
    Journal {
        /// What it was doing.
        doing: &'static str,
        /// What the journal said.
        error: waystation_journal::Error,
    },
    /// A mistake in Waystation. What was not settled is delivered again after
    /// the next start.
    #[error("dispatch panicked, which is a mistake in Waystation: {0}")]
    Panicked(String),
}

impl Stop {
    pub(crate) fn journal(doing: &'static str, error: waystation_journal::Error) -> Self {
        Self::Journal { doing, error }
    }

    fn of(ended: Result<Result<(), Self>, JoinError>) -> Self {
        match ended {
            Ok(Ok(())) => Self::Drained,
            Ok(Err(stop)) => stop,
            Err(error) => Self::Panicked(error.to_string()),
        }
    }
}

/// Why dispatch did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The journal did not do it.
    #[error(transparent)]
    Journal(#[from] waystation_journal::Error),
    /// Dispatch has stopped.
    #[error("dispatch has stopped")]
    Stopped,
}

/// A subscription as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// The handler.
    pub handler: HandlerName,
    /// Whether a generation is in service.
    pub serving: bool,
    /// Every delivery at or below is settled or an exception.
    pub cursor: Sequence,
    /// The attempts that run.
    pub running: u32,
    /// The events that it has not read yet, and the deliveries that are under way.
    pub behind: u64,
}

/// What the handle asks of the pump.
pub(crate) enum Command {
    Install {
        name: HandlerName,
        serving: Serving,
        done: oneshot::Sender<Result<(), Error>>,
    },
    Retire {
        name: HandlerName,
        done: oneshot::Sender<()>,
    },
    Redrive {
        keys: Vec<DeliveryKey>,
    },
    Matching {
        entry: Arc<Entry>,
        done: oneshot::Sender<Vec<HandlerName>>,
    },
    View {
        done: oneshot::Sender<Vec<SubscriptionView>>,
    },
    Drain {
        done: oneshot::Sender<()>,
    },
}

/// The commands that may wait for the pump.
const COMMANDS: usize = 64;
/// The notices that a slow listener may be behind.
const NOTICES: usize = 4_096;

impl Dispatch {
    /// Starts the pump on the current runtime. It ends when it was drained or
    /// when the last handle is gone.
    pub fn start(journal: Arc<dyn Journal>, options: Options) -> Self {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (notices, _) = broadcast::channel(NOTICES);
        let pump = tokio::spawn(Pump::new(journal, options, notices.clone()).run(receiver));
        let (stop, stopped) = watch::channel(None);
        tokio::spawn(async move {
            let why = Stop::of(pump.await);
            if !matches!(why, Stop::Drained) {
                tracing::error!("dispatch stops: {why}");
            }
            stop.send_replace(Some(why));
        });
        Self {
            commands,
            notices,
            stopped,
        }
    }

    /// Puts a generation into service under its settings: attempts that begin
    /// from now on run on it, attempts that run finish where they began. A
    /// handler that was never seen gets a subscription.
    pub async fn install(
        &self,
        name: HandlerName,
        settings: Settings,
        invoke: Arc<dyn Invoke>,
    ) -> Result<(), Error> {
        let serving = Serving {
            invoke,
            settings: Arc::new(settings),
        };
        self.ask(|done| Command::Install {
            name,
            serving,
            done,
        })
        .await?
    }

    /// Takes a handler out of service. Its subscription keeps its position.
    pub async fn retire(&self, name: HandlerName) -> Result<(), Error> {
        self.ask(|done| Command::Retire { name, done }).await
    }

    /// Tells the pump that these dead letters were made due.
    pub async fn redriven(&self, keys: Vec<DeliveryKey>) -> Result<(), Error> {
        self.commands
            .send(Command::Redrive { keys })
            .await
            .map_err(|_| Error::Stopped)
    }

    /// The handlers in service that ask for an event.
    pub async fn matching(&self, entry: Arc<Entry>) -> Result<Vec<HandlerName>, Error> {
        self.ask(|done| Command::Matching { entry, done }).await
    }

    /// All subscriptions that a handler was installed for, by handler.
    pub async fn view(&self) -> Result<Vec<SubscriptionView>, Error> {
        self.ask(|done| Command::View { done }).await
    }

    /// What happens from now on.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Begins no further attempt, waits until those that run are settled, and
    /// stops. Dropping the future stops nothing.
    pub async fn drain(&self) -> Result<(), Error> {
        self.ask(|done| Command::Drain { done }).await
    }

    /// Waits until dispatch has stopped, and tells why.
    pub async fn stopped(&self) -> Stop {
        let mut stopped = self.stopped.clone();
        let why = stopped.wait_for(Option::is_some).await;
        // Only a runtime that ends leaves no word.
        why.ok()
            .and_then(|why| why.clone())
            .unwrap_or(Stop::Drained)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Error> {
        let (done, answer) = oneshot::channel();
        self.commands
            .send(command(done))
            .await
            .map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)
    }
}
