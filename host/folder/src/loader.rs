//! What the folder knows of whoever compiles and runs components.

use async_trait::async_trait;
use bytes::Bytes;
use waystation_core::{Descriptor, Digest, HandlerName, Settings};

/// Compiles components and puts them into service.
///
/// Calls for one handler come one after another; calls for several handlers may
/// overlap.
#[async_trait]
pub trait Loader: Send + Sync + 'static {
    /// A compiled and checked component. Cheap to clone.
    type Component: Clone + Send + Sync + 'static;

    /// Compiles and checks exactly these bytes and asks the component for its
    /// descriptor. May take long; runs off the dispatch path.
    ///
    /// # Errors
    /// The bytes are no handler that this host can run, and why.
    async fn load(
        &self,
        handler: &HandlerName,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<(Self::Component, Descriptor), LoadError>;

    /// Puts a component into service: attempts that begin from now on run on
    /// it, under these settings.
    ///
    /// # Errors
    /// The component cannot serve under these settings, and why. What served
    /// before goes on serving.
    async fn install(
        &self,
        handler: &HandlerName,
        digest: Digest,
        component: &Self::Component,
        settings: Settings,
    ) -> Result<(), LoadError>;

    /// Takes a handler out of service. Its position in the journal is kept.
    async fn retire(&self, handler: &HandlerName);
}

/// Why a component cannot serve, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct LoadError {
    reason: String,
    may_pass: bool,
}

impl LoadError {
    /// An error with this reason: what is wrong and what to do about it.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            may_pass: false,
        }
    }

    /// The same for a reason that is not the component's fault and may pass: it
    /// is tried again at the next listing, though its files stay the same.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            may_pass: true,
        }
    }

    pub(crate) fn may_pass(&self) -> bool {
        self.may_pass
    }
}
