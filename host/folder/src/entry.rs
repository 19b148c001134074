//! What is known of one handler in the folder.

use std::sync::Arc;
use std::time::Duration;

use waystation_core::{Clock, HandlerName};

use crate::generation::{Generation, Version};
use crate::settling::Settling;
use crate::status::{HandlerStatus, Notice, Refusal, State};

/// What is known of one handler in the folder.
#[derive(Debug)]
pub(crate) struct Entry<C> {
    pub settling: Settling,
    /// Whether a task judges or retires it. One at a time does.
    pub busy: bool,
    pub serving: Option<Arc<Generation<C>>>,
    /// Why what is in the folder now does not serve.
    pub refusal: Option<Refusal>,
    /// What was refused last, even if it is in the folder no more, so that it is
    /// not loaded again when it returns.
    pub refused: Option<(Version, Refusal)>,
    pub retired: bool,
}

impl<C> Entry<C> {
    /// A handler that was seen for the first time.
    pub fn new(settling: Settling) -> Self {
        Self {
            settling,
            busy: false,
            serving: None,
            refusal: None,
            refused: None,
            retired: false,
        }
    }

    /// How the handler stands.
    pub fn status(&self, name: &HandlerName) -> HandlerStatus {
        let state = match (&self.serving, &self.refusal) {
            _ if self.retired => State::Retired,
            (Some(_), _) => State::Serving,
            (None, Some(_)) => State::Refused,
            (None, None) => State::Loading,
        };
        HandlerStatus {
            name: name.clone(),
            state,
            serving: self
                .serving
                .as_ref()
                .map(|generation| generation.serving.clone()),
            refused: self.refusal.clone(),
        }
    }

    /// Whether nothing has come of its files yet.
    pub fn is_pending(&self) -> bool {
        self.settling.is_new() && self.refusal.is_none()
    }

    /// A generation was put into service.
    pub fn install(
        &mut self,
        name: &HandlerName,
        new: Arc<Generation<C>>,
        took: Duration,
    ) -> Notice {
        let digest = new.version.component;
        let old = self.serving.replace(new);
        self.refusal = None;
        self.retired = false;
        Notice::Installed {
            handler: name.clone(),
            digest,
            replaced: old.map(|old| old.version.component),
            took,
        }
    }

    /// What is in the folder now is not to serve.
    pub fn refuse(
        &mut self,
        name: &HandlerName,
        version: Option<Version>,
        reason: String,
        clock: &dyn Clock,
    ) -> Option<Notice> {
        let digest = version.map(|version| version.component);
        let refusal = Refusal::new(digest, reason, clock.now());
        if let Some(version) = version {
            self.refused = Some((version, refusal.clone()));
        }
        self.show_refusal(name, refusal)
    }

    /// What is in the folder now is what was refused last.
    pub fn refuse_again(&mut self, name: &HandlerName) -> Option<Notice> {
        let (_, refusal) = self.refused.clone()?;
        self.show_refusal(name, refusal)
    }

    /// It is out of service.
    pub fn retire(&mut self, name: &HandlerName) -> Option<Notice> {
        self.refusal = None;
        self.retired = true;
        let old = self.serving.take()?;
        Some(Notice::Retired {
            handler: name.clone(),
            digest: old.version.component,
        })
    }

    /// Shows a refusal. It is news unless it shows already.
    fn show_refusal(&mut self, name: &HandlerName, refusal: Refusal) -> Option<Notice> {
        let same = |old: &Refusal| old.digest == refusal.digest && old.reason == refusal.reason;
        if self.refusal.as_ref().is_some_and(same) {
            return None;
        }
        self.refusal = Some(refusal.clone());
        self.retired = false;
        Some(Notice::Refused {
            handler: name.clone(),
            refusal,
        })
    }
}
