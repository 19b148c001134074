//! How the rest of the host sees the folder.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use waystation_core::{Ask, Digest, HandlerName};

use crate::board::View;
use crate::{ApproveError, HandlerStatus, Notice, Stray};

/// A folder that is watched. Cheap to clone. The watching ends with
/// [`stop`](Self::stop) or when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) view: watch::Receiver<View>,
    pub(crate) notices: broadcast::WeakSender<Notice>,
    pub(crate) stop: Arc<watch::Sender<bool>>,
    pub(crate) approvals: mpsc::Sender<Approval>,
}

/// The operator's word that a generation is to be let in.
#[derive(Debug)]
pub(crate) struct Approval {
    pub handler: HandlerName,
    pub digest: Digest,
    pub answer: Answer,
}

/// Where to say what came of an approval.
pub(crate) type Answer = oneshot::Sender<Result<Vec<Ask>, ApproveError>>;

impl Handle {
    /// The handlers, by name.
    pub fn handlers(&self) -> Vec<HandlerStatus> {
        self.view.borrow().handlers.values().cloned().collect()
    }

    /// The files that look like a handler's but are none, by name.
    pub fn strays(&self) -> Vec<Stray> {
        self.view.borrow().strays.clone()
    }

    /// Why the folder cannot be listed now, if it cannot. The handlers go on as
    /// they are.
    pub fn unreadable(&self) -> Option<String> {
        self.view.borrow().unreadable.clone()
    }

    /// Waits until every handler that was in the folder at first is either in
    /// service or refused. False if the watching ended before.
    pub async fn loaded(&self) -> bool {
        let mut view = self.view.clone();
        view.wait_for(|view| view.loaded).await.is_ok()
    }

    /// What happens from now on. Whoever reads too slowly misses the oldest
    /// notices and is told how many; [`handlers`](Self::handlers) has the whole
    /// truth.
    pub fn changes(&self) -> broadcast::Receiver<Notice> {
        match self.notices.upgrade() {
            Some(notices) => notices.subscribe(),
            // The watching ended: a channel that is closed says so.
            None => broadcast::channel(1).1,
        }
    }

    /// Lets a quarantined generation in: what it asks for is approved from now on,
    /// and it is put into service. Gives what was approved. When it returns, both
    /// are done.
    ///
    /// # Errors
    /// Another generation is quarantined by now, or none, and then nothing is
    /// approved; or it cannot serve, and why.
    pub async fn approve(
        &self,
        handler: HandlerName,
        digest: Digest,
    ) -> Result<Vec<Ask>, ApproveError> {
        let (answer, answered) = oneshot::channel();
        let approval = Approval {
            handler,
            digest,
            answer,
        };
        let sent = self.approvals.send(approval).await;
        sent.map_err(|_| ApproveError::Stopped)?;
        answered.await.unwrap_or(Err(ApproveError::Stopped))
    }

    /// Ends the watching and waits until it ended. The handlers go on serving.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut view = self.view.clone();
        while view.changed().await.is_ok() {}
    }
}
