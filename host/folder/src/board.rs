//! Where the task writes what the handles read.

use std::collections::BTreeMap;

use tokio::sync::{broadcast, watch};
use waystation_core::{Ask, HandlerName, limits};

use crate::{HandlerStatus, Notice, Stray};

/// All that the folder shows of itself.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub handlers: BTreeMap<HandlerName, HandlerStatus>,
    pub strays: Vec<Stray>,
    /// Why the folder cannot be listed now.
    pub unreadable: Option<String>,
    /// Whether all that was there at first is judged.
    pub loaded: bool,
}

/// The writing end of a view and of the notices.
#[derive(Debug)]
pub(crate) struct Board {
    view: watch::Sender<View>,
    notices: broadcast::Sender<Notice>,
}

impl Board {
    /// An empty board.
    pub fn new() -> Self {
        Self {
            view: watch::Sender::default(),
            notices: broadcast::Sender::new(limits::FOLDER_NOTICES_MAX),
        }
    }

    /// The reading end of the view.
    pub fn view(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// Where to ask for the notices. It does not keep them alive: they end with
    /// the board.
    pub fn notices(&self) -> broadcast::WeakSender<Notice> {
        self.notices.downgrade()
    }

    /// Shows how a handler stands.
    pub fn show(&self, status: HandlerStatus) {
        self.view.send_modify(|view| {
            view.handlers.insert(status.name.clone(), status);
        });
    }

    /// Shows a handler no more.
    pub fn forget(&self, name: &HandlerName) {
        self.view.send_modify(|view| {
            view.handlers.remove(name);
        });
    }

    /// Shows these strays and no others.
    pub fn show_strays(&self, strays: Vec<Stray>) {
        self.view.send_if_modified(|view| {
            let changed = view.strays != strays;
            view.strays = strays;
            changed
        });
    }

    /// Shows whether the folder can be listed, and why not. Gives whether that
    /// changed.
    pub fn show_unreadable(&self, reason: Option<String>) -> bool {
        self.view.send_if_modified(|view| {
            let changed = view.unreadable.is_some() != reason.is_some();
            view.unreadable = reason;
            changed
        })
    }

    /// All that was there at first is judged.
    pub fn show_loaded(&self) {
        self.view
            .send_if_modified(|view| !std::mem::replace(&mut view.loaded, true));
    }

    /// Tells what happened: the log, and whoever listens.
    pub fn tell(&self, notice: Notice) {
        match &notice {
            Notice::Installed {
                handler,
                digest,
                took,
                ..
            } => {
                tracing::info!(%handler, generation = %digest.short(), ?took, "handler in service");
            }
            Notice::Refused { handler, refusal } => {
                tracing::warn!(%handler, reason = %refusal.reason, "handler refused");
            }
            Notice::Quarantined {
                handler,
                quarantine,
            } => {
                let (generation, asks) = (quarantine.digest.short(), show(&quarantine.asks));
                tracing::warn!(%handler, %generation, %asks, "handler quarantined");
            }
            Notice::Mended { handler, digest } => {
                tracing::info!(%handler, generation = %digest.short(), "handler as it should be");
            }
            Notice::Retired { handler, digest } => {
                tracing::info!(%handler, generation = %digest.short(), "handler retired");
            }
        }
        // An error means that nobody listens, and nobody need.
        let _ = self.notices.send(notice);
    }
}

fn show(asks: &[Ask]) -> String {
    let asks: Vec<String> = asks.iter().map(Ask::to_string).collect();
    asks.join(", ")
}
