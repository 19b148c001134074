//! From files that stood still to a generation in service, or to a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::Instant;
use waystation_core::{Ask, AskError, Clock, Digest, HandlerName, Secret};

use crate::approvals::{Approvals, ApprovalsError};
use crate::document::Mistakes;
use crate::generation::{Generation, Loaded, Version};
use crate::listing::Marks;
use crate::snapshot::{self, Paths, Snapshot};
use crate::status::{Quarantine, Serving};
use crate::{ApproveError, Consent, LoadError, Loader, Sidecar};

/// Files to be judged, and what is known of the handler.
pub(crate) struct Case<C> {
    pub handler: HandlerName,
    pub paths: Paths,
    pub marks: Marks,
    pub serving: Option<Arc<Generation<C>>>,
    /// What was loaded last, whether it serves or not.
    pub loaded: Option<Arc<Loaded<C>>>,
    /// What was refused or quarantined last.
    pub kept_out: Option<Version>,
    pub approvals: Arc<Approvals>,
    /// Whose consent lets it in.
    pub consent: Consent,
    /// What the operator lets in now.
    pub approved: Option<Quarantine>,
}

/// What came of it.
pub(crate) struct Judgement<C> {
    pub verdict: Verdict<C>,
    /// What was loaded last, now or before.
    pub loaded: Option<Arc<Loaded<C>>>,
}

/// What came of the files.
pub(crate) enum Verdict<C> {
    /// The files changed meanwhile.
    Changed,
    /// They cannot serve now, and why; they may later, as they are.
    NotNow(String),
    /// It is what serves.
    Current,
    /// It is what was refused or quarantined last.
    KeptOutBefore,
    /// It is not to serve.
    Refused(Option<Version>, String),
    /// It asks for this, which nobody granted or approved.
    Quarantined(Version, BTreeSet<Ask>),
    /// It serves.
    Installed(Arc<Generation<C>>, Duration),
    /// The handler is out of service.
    Retired,
}

impl<C> From<Verdict<C>> for Judgement<C> {
    /// A judgement for which nothing was loaded.
    fn from(verdict: Verdict<C>) -> Self {
        let loaded = None;
        Self { verdict, loaded }
    }
}

impl<C> Verdict<C> {
    /// What to tell the operator who approved this.
    pub fn answers(
        &self,
        handler: &HandlerName,
        approved: Quarantine,
    ) -> Result<Vec<Ask>, ApproveError> {
        match self {
            Self::Installed(..) => Ok(approved.asks),
            Self::NotNow(reason) | Self::Refused(_, reason) => {
                Err(ApproveError::CannotServe(handler.clone(), reason.clone()))
            }
            Self::Changed
            | Self::Current
            | Self::KeptOutBefore
            | Self::Quarantined(..)
            | Self::Retired => Err(ApproveError::Changed(handler.clone())),
        }
    }
}

/// Why files do not serve.
#[derive(Debug, thiserror::Error)]
enum KeptOut {
    #[error("{0}.toml is not UTF-8 text")]
    Encoding(HandlerName),
    #[error("in {0}.toml:\n{1}")]
    Sidecar(HandlerName, Mistakes),
    #[error("in {0}.toml:\n{1}")]
    Secrets(HandlerName, Mistakes),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("it asks for what cannot be: {0}")]
    Asks(#[from] AskError),
    #[error(transparent)]
    Approvals(#[from] ApprovalsError),
    #[error("the host failed while letting it in: {0}")]
    Failed(#[from] JoinError),
    #[error("it asks for what nobody granted or approved")]
    Quarantined(BTreeSet<Ask>),
}

impl KeptOut {
    /// Whether the same files may serve later. No watch is on a secret's place
    /// nor on the disk, so whoever mends these leaves no other trace.
    fn may_pass(&self) -> bool {
        match self {
            Self::Load(error) => error.may_pass(),
            Self::Secrets(..) | Self::Approvals(_) => true,
            _ => false,
        }
    }
}

impl<C: Clone + Send + Sync + 'static> Case<C> {
    /// Judges the files. What serves already is not loaded again, nor what was
    /// kept out last.
    pub async fn judge<L: Loader<Component = C>>(
        mut self,
        loader: &L,
        clock: &dyn Clock,
    ) -> Judgement<C> {
        let begun = Instant::now();
        let verdict = match self.read().await {
            Ok(snapshot) => self.decide(snapshot, loader, clock, begun).await,
            Err(verdict) => verdict,
        };
        let loaded = self.loaded;
        Judgement { verdict, loaded }
    }

    async fn read(&self) -> Result<Snapshot, Verdict<C>> {
        let (paths, marks) = (self.paths.clone(), self.marks);
        match spawn_blocking(move || snapshot::read(&paths, marks)).await {
            Ok(Ok(snapshot)) => Ok(snapshot),
            Ok(Err(snapshot::Error::Changed)) => Err(Verdict::Changed),
            Ok(Err(error @ snapshot::Error::TooLarge { .. })) => {
                Err(Verdict::Refused(None, error.to_string()))
            }
            Ok(Err(error @ snapshot::Error::Unreadable { .. })) => {
                Err(Verdict::NotNow(error.to_string()))
            }
            Err(error) => Err(Verdict::NotNow(error.to_string())),
        }
    }

    async fn decide<L: Loader<Component = C>>(
        &mut self,
        snapshot: Snapshot,
        loader: &L,
        clock: &dyn Clock,
        begun: Instant,
    ) -> Verdict<C> {
        let version = snapshot.version;
        if self.serving.as_ref().map(|serving| serving.version) == Some(version) {
            return Verdict::Current;
        }
        match &self.approved {
            Some(approved) if approved.digest != version.component => return Verdict::Changed,
            None if self.kept_out == Some(version) => return Verdict::KeptOutBefore,
            _ => {}
        }
        match self.install(snapshot, loader, clock).await {
            Ok(generation) => Verdict::Installed(Arc::new(generation), begun.elapsed()),
            Err(KeptOut::Quarantined(asks)) => Verdict::Quarantined(version, asks),
            Err(why) if why.may_pass() => Verdict::NotNow(why.to_string()),
            Err(why) => Verdict::Refused(Some(version), why.to_string()),
        }
    }

    async fn install<L: Loader<Component = C>>(
        &mut self,
        snapshot: Snapshot,
        loader: &L,
        clock: &dyn Clock,
    ) -> Result<Generation<C>, KeptOut> {
        let name = self.handler.clone();
        let version = snapshot.version;
        let digest = version.component;
        let bytes = snapshot.component.len() as u64;
        let wrong = |mistakes| KeptOut::Sidecar(name.clone(), mistakes);

        let text =
            std::str::from_utf8(&snapshot.sidecar).map_err(|_| KeptOut::Encoding(name.clone()))?;
        let sidecar = Sidecar::parse(text).map_err(wrong)?;
        let loaded = self.load(digest, snapshot.component, loader).await?;
        let asks = Ask::all_of(&loaded.descriptor)?;
        let mut settings = sidecar.apply(&loaded.descriptor, &asks).map_err(wrong)?;
        let withheld = sidecar.grants().withheld(&asks);
        settings.grants.secrets = self.let_in(sidecar, asks).await?;
        loader
            .install(&name, digest, &loaded.component, settings.clone())
            .await?;
        let serving = Serving {
            digest,
            bytes,
            since: clock.now(),
            descriptor: loaded.descriptor.clone(),
            settings,
            withheld,
        };
        Ok(Generation {
            version,
            loaded,
            serving,
        })
    }

    /// Loads a component, unless it was the last to be or is in service.
    async fn load<L: Loader<Component = C>>(
        &mut self,
        digest: Digest,
        bytes: Bytes,
        loader: &L,
    ) -> Result<Arc<Loaded<C>>, LoadError> {
        let serving = self.serving.as_ref().map(|serving| &serving.loaded);
        let known = [serving, self.loaded.as_ref()].into_iter().flatten();
        for loaded in known {
            if loaded.digest == digest {
                return Ok(Arc::clone(loaded));
            }
        }
        let (component, descriptor) = loader.load(&self.handler, digest, bytes).await?;
        let loaded = Arc::new(Loaded {
            digest,
            component,
            descriptor,
        });
        self.loaded = Some(Arc::clone(&loaded));
        Ok(loaded)
    }

    /// Lets a generation in that asks for this, and gives it its secrets.
    async fn let_in(
        &self,
        sidecar: Sidecar,
        asks: BTreeSet<Ask>,
    ) -> Result<BTreeMap<String, Secret>, KeptOut> {
        let name = self.handler.clone();
        let folder = self.paths.folder.clone();
        let approvals = Arc::clone(&self.approvals);
        let approved = self.approved.as_ref().map(|approved| approved.asks.clone());
        let approved = approved.unwrap_or_default();
        let by_author = self.consent == Consent::Author;
        let let_in = move || {
            let secrets = sidecar.grants().secrets(&folder);
            let secrets = secrets.map_err(|wrong| KeptOut::Secrets(name.clone(), wrong))?;
            let granted =
                |ask: &Ask| by_author || sidecar.grants().grants(ask) || approved.contains(ask);
            let open = approvals.let_in(&name, &asks, granted)?;
            if open.is_empty() {
                Ok(secrets)
            } else {
                Err(KeptOut::Quarantined(open))
            }
        };
        spawn_blocking(let_in).await?
    }
}
