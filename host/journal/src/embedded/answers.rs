//! Where answers are given.

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::change::Request;
use crate::Error;

/// What became of a group: its requests, and whether it was committed.
type Answered = (Vec<Box<dyn Request>>, Result<(), Error>);

/// Gives answers on the runtime that the journal was opened on. There they wake
/// those who wait for them at little cost; from the writer's thread each would be
/// a call into the system or a lock.
pub(super) struct Answers(Option<mpsc::UnboundedSender<Answered>>);

impl Answers {
    /// Gives them from a task of the current runtime; at once if there is none.
    pub(super) fn on_current_runtime() -> Self {
        let Ok(runtime) = Handle::try_current() else {
            return Self::at_once();
        };
        // It holds no more than the requests that came through the queue.
        let (sender, mut groups) = mpsc::unbounded_channel();
        runtime.spawn(async move {
            while let Some(answered) = groups.recv().await {
                give(answered);
            }
        });
        Self(Some(sender))
    }

    /// Gives them from wherever they are known.
    pub(super) fn at_once() -> Self {
        Self(None)
    }

    /// Tells whoever asked what became of a group.
    pub(super) fn give(&self, requests: Vec<Box<dyn Request>>, committed: Result<(), Error>) {
        let answered = (requests, committed);
        match &self.0 {
            // Where the runtime has ended, others may still wait elsewhere.
            Some(sender) => {
                if let Err(mpsc::error::SendError(answered)) = sender.send(answered) {
                    give(answered);
                }
            }
            None => give(answered),
        }
    }
}

fn give((requests, committed): Answered) {
    for request in requests {
        request.answer(committed.clone());
    }
}
