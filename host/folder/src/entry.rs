//! What is known of one handler in the folder.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use waystation_core::{Ask, Clock, HandlerName};

use crate::generation::{Generation, Loaded, Version};
use crate::settling::Settling;
use crate::status::{HandlerStatus, Notice, Quarantine, Refusal, State};

/// What is known of one handler in the folder.
#[derive(Debug)]
pub(crate) struct Entry<C> {
    pub settling: Settling,
    /// Whether a task judges or retires it. One at a time does.
    pub busy: bool,
    pub serving: Option<Arc<Generation<C>>>,
    /// What was loaded last and does not serve.
    pub loaded: Option<Arc<Loaded<C>>>,
    /// Why what is in the folder now does not serve.
    pub obstacle: Option<Obstacle>,
    /// What was kept out last, even if it is in the folder no more, so that it is
    /// not loaded again when it returns.
    pub kept_out: Option<(Version, Obstacle)>,
    pub retired: bool,
}

/// Why files do not serve.
#[derive(Clone, Debug)]
pub(crate) enum Obstacle {
    Refused(Refusal),
    Quarantined(Quarantine),
}

impl Obstacle {
    /// Whether the other one says the same, at whatever time.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refused(one), Self::Refused(other)) => {
                one.digest == other.digest && one.reason == other.reason
            }
            (Self::Quarantined(one), Self::Quarantined(other)) => {
                one.digest == other.digest && one.asks == other.asks
            }
            _ => false,
        }
    }

    fn notice(self, handler: HandlerName) -> Notice {
        match self {
            Self::Refused(refusal) => Notice::Refused { handler, refusal },
            Self::Quarantined(quarantine) => Notice::Quarantined {
                handler,
                quarantine,
            },
        }
    }
}

impl<C> Entry<C> {
    /// A handler that was seen for the first time.
    pub fn new(settling: Settling) -> Self {
        Self {
            settling,
            busy: false,
            serving: None,
            loaded: None,
            obstacle: None,
            kept_out: None,
            retired: false,
        }
    }

    /// How the handler stands.
    pub fn status(&self, name: &HandlerName) -> HandlerStatus {
        let state = match (&self.serving, &self.obstacle) {
            _ if self.retired => State::Retired,
            (Some(_), _) => State::Serving,
            (None, Some(Obstacle::Refused(_))) => State::Refused,
            (None, Some(Obstacle::Quarantined(_))) => State::Quarantined,
            (None, None) => State::Loading,
        };
        let serving = self.serving.as_ref();
        let refused = match &self.obstacle {
            Some(Obstacle::Refused(refusal)) => Some(refusal.clone()),
            _ => None,
        };
        HandlerStatus {
            name: name.clone(),
            state,
            serving: serving.map(|generation| generation.serving.clone()),
            refused,
            quarantined: self.quarantine().cloned(),
        }
    }

    /// What keeps what is in the folder now until the operator lets it in.
    pub fn quarantine(&self) -> Option<&Quarantine> {
        match &self.obstacle {
            Some(Obstacle::Quarantined(quarantine)) => Some(quarantine),
            _ => None,
        }
    }

    /// Whether nothing has come of its files yet.
    pub fn is_pending(&self) -> bool {
        self.settling.is_new() && self.obstacle.is_none()
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
        self.loaded = None;
        self.obstacle = None;
        self.retired = false;
        // What this one was let in with may let that one in too.
        if matches!(self.kept_out, Some((_, Obstacle::Quarantined(_)))) {
            self.kept_out = None;
        }
        Notice::Installed {
            handler: name.clone(),
            digest,
            replaced: old.map(|old| old.version.component),
            took,
        }
    }

    /// What is in the folder now is what serves.
    pub fn mend(&mut self, name: &HandlerName) -> Option<Notice> {
        self.loaded = None;
        self.obstacle.take()?;
        let serving = self.serving.as_ref()?;
        Some(Notice::Mended {
            handler: name.clone(),
            digest: serving.version.component,
        })
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
        self.keep_out(name, version, Obstacle::Refused(refusal))
    }

    /// What is in the folder now is not to serve until the operator lets it in.
    pub fn quarantine_for(
        &mut self,
        name: &HandlerName,
        version: Version,
        asks: BTreeSet<Ask>,
        clock: &dyn Clock,
    ) -> Option<Notice> {
        let quarantine = Quarantine {
            digest: version.component,
            asks: asks.into_iter().collect(),
            at: clock.now(),
        };
        self.keep_out(name, Some(version), Obstacle::Quarantined(quarantine))
    }

    /// What is in the folder now is what was kept out last.
    pub fn keep_out_again(&mut self, name: &HandlerName) -> Option<Notice> {
        let (_, obstacle) = self.kept_out.clone()?;
        self.keep_out(name, None, obstacle)
    }

    /// It is out of service.
    pub fn retire(&mut self, name: &HandlerName) -> Option<Notice> {
        self.loaded = None;
        self.obstacle = None;
        self.retired = true;
        let old = self.serving.take()?;
        Some(Notice::Retired {
            handler: name.clone(),
            digest: old.version.component,
        })
    }

    /// Shows what keeps the files out, and remembers it for this version. It is
    /// news unless it shows already.
    fn keep_out(
        &mut self,
        name: &HandlerName,
        version: Option<Version>,
        obstacle: Obstacle,
    ) -> Option<Notice> {
        if let Some(version) = version {
            self.kept_out = Some((version, obstacle.clone()));
        }
        let shown = self.obstacle.as_ref();
        if shown.is_some_and(|shown| shown.is_like(&obstacle)) {
            return None;
        }
        self.obstacle = Some(obstacle.clone());
        self.retired = false;
        Some(obstacle.notice(name.clone()))
    }
}
