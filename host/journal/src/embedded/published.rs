//! What the writer makes known after a commit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;
use waystation_core::{Sequence, limits};

use super::group::Changed;
use super::identities::Recent;
use super::tail::Tail;

/// What the writer makes known: nothing of it before it is durable.
pub(super) struct Published {
    tail: RwLock<Tail>,
    head: watch::Sender<Sequence>,
    failed: watch::Sender<Option<String>>,
    commits: AtomicU64,
    identities: Recent,
}

impl Published {
    pub(super) fn new(head: Sequence, identities: Recent) -> Self {
        Self {
            tail: RwLock::new(Tail::new(head, limits::TAIL_EVENTS, limits::TAIL_BYTES)),
            head: watch::Sender::new(head),
            failed: watch::Sender::new(None),
            commits: AtomicU64::new(0),
            identities,
        }
    }

    /// A commit was made that changed this.
    pub(super) fn commit(&self, changed: Changed) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.identities.commit(changed.identities);
        if let Some(dropped) = changed.dropped {
            self.write_tail().forget(dropped);
        }
        let Some(newest) = changed.appended.last() else {
            return;
        };
        let head = newest.sequence;
        self.write_tail().extend(changed.appended);
        // Whoever sees the head finds the events in the tail.
        self.head.send_replace(head);
    }

    fn write_tail(&self) -> RwLockWriteGuard<'_, Tail> {
        self.tail.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The journal takes nothing more.
    pub(super) fn fail(&self, reason: String) {
        self.failed.send_replace(Some(reason));
    }

    pub(super) fn tail(&self) -> RwLockReadGuard<'_, Tail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn identities(&self) -> &Recent {
        &self.identities
    }

    pub(super) fn head(&self) -> watch::Receiver<Sequence> {
        self.head.subscribe()
    }

    pub(super) fn failed(&self) -> watch::Receiver<Option<String>> {
        self.failed.subscribe()
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}
