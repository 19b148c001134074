//! From files that stood still to a generation in service, or to a reason.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use waystation_core::{Clock, HandlerName};

use crate::document::Mistakes;
use crate::generation::{Generation, Version};
use crate::listing::Marks;
use crate::snapshot::{self, Paths, Snapshot};
use crate::status::Serving;
use crate::{LoadError, Loader, Sidecar};

/// Files to be judged, and what is known of the handler.
pub(crate) struct Case<C> {
    pub handler: HandlerName,
    pub paths: Paths,
    pub marks: Marks,
    pub serving: Option<Arc<Generation<C>>>,
    pub refused: Option<Version>,
}

/// What came of it.
pub(crate) enum Verdict<C> {
    /// The files changed meanwhile.
    Changed,
    /// The files could not be read; they may be later.
    Unreadable(String),
    /// It is what serves.
    Current,
    /// It is what was refused last.
    RefusedBefore,
    /// It is not to serve.
    Refused(Option<Version>, String),
    /// It serves.
    Installed(Arc<Generation<C>>, Duration),
    /// The handler is out of service.
    Retired,
}

/// Why files are refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}.toml is not UTF-8 text")]
    Encoding(HandlerName),
    #[error("in {0}.toml:\n{1}")]
    Sidecar(HandlerName, Mistakes),
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl<C: Clone + Send + Sync + 'static> Case<C> {
    /// Judges the files. What serves already is not loaded again, nor what was
    /// refused last.
    pub async fn judge<L: Loader<Component = C>>(
        self,
        loader: &L,
        clock: &dyn Clock,
    ) -> Verdict<C> {
        let begun = Instant::now();
        let (paths, marks) = (self.paths.clone(), self.marks);
        let read = tokio::task::spawn_blocking(move || snapshot::read(&paths, marks)).await;
        let snapshot = match read {
            Ok(Ok(snapshot)) => snapshot,
            Ok(Err(snapshot::Error::Changed)) => return Verdict::Changed,
            Ok(Err(error @ snapshot::Error::TooLarge { .. })) => {
                return Verdict::Refused(None, error.to_string());
            }
            Ok(Err(error @ snapshot::Error::Unreadable { .. })) => {
                return Verdict::Unreadable(error.to_string());
            }
            Err(error) => return Verdict::Unreadable(error.to_string()),
        };
        let version = snapshot.version;
        if self.serving.as_ref().map(|serving| serving.version) == Some(version) {
            return Verdict::Current;
        }
        if self.refused == Some(version) {
            return Verdict::RefusedBefore;
        }
        match self.install(snapshot, loader, clock).await {
            Ok(generation) => Verdict::Installed(Arc::new(generation), begun.elapsed()),
            Err(Refused::Load(error)) if error.may_pass() => Verdict::Unreadable(error.to_string()),
            Err(error) => Verdict::Refused(Some(version), error.to_string()),
        }
    }

    async fn install<L: Loader<Component = C>>(
        &self,
        snapshot: Snapshot,
        loader: &L,
        clock: &dyn Clock,
    ) -> Result<Generation<C>, Refused> {
        let name = &self.handler;
        let version = snapshot.version;
        let digest = version.component;
        let bytes = snapshot.component.len() as u64;
        let wrong = |mistakes| Refused::Sidecar(name.clone(), mistakes);

        let text =
            std::str::from_utf8(&snapshot.sidecar).map_err(|_| Refused::Encoding(name.clone()))?;
        let sidecar = Sidecar::parse(text).map_err(wrong)?;
        let (component, descriptor) = match &self.serving {
            Some(old) if old.version.component == digest => {
                (old.component.clone(), old.serving.descriptor.clone())
            }
            _ => loader.load(name, digest, snapshot.component).await?,
        };
        let settings = sidecar.apply(&descriptor).map_err(wrong)?;
        loader
            .install(name, digest, &component, settings.clone())
            .await?;
        Ok(Generation {
            version,
            component,
            serving: Serving {
                digest,
                bytes,
                since: clock.now(),
                descriptor,
                settings,
            },
        })
    }
}
