//! Joins the configuration and what the listeners carry, which do not know each
//! other.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use waystation_journal::Journal;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::serve::door::{Door, Names};
use crate::serve::ingest::{self, Ingest};
use crate::serve::webhook::{self, Webhooks};
use crate::serve::{admin, webhook::Webhook};

/// What takes events in at this address: from publishers and by webhooks.
pub fn events(config: &Config, address: SocketAddr, journal: Arc<dyn Journal>) -> Router {
    let token = config.tokens.events.clone();
    let sources = config.webhooks.iter().map(|Webhook { source, .. }| source);
    let publishers = ingest::router(Ingest {
        journal: Arc::clone(&journal),
        door: Door {
            // A page whose name points to this machine has no token. Whoever has
            // one may reach the host by any name, as behind a proxy.
            names: token.is_none().then(|| names(config, address)),
            token,
            open: &[],
        },
        reserved: sources.cloned().collect(),
    });
    // Whoever signs needs nothing else, and comes by whatever name.
    let webhooks = webhook::router(Webhooks {
        journal,
        // Their senders know no other.
        clock: Arc::new(SystemClock),
        webhooks: config.webhooks.clone(),
    });
    publishers.merge(webhooks)
}

/// Who may ask the admin API at this address.
pub fn admin(config: &Config, address: SocketAddr) -> Door {
    Door {
        names: Some(names(config, address)),
        token: config.tokens.admin.clone(),
        open: admin::OPEN,
    }
}

fn names(config: &Config, address: SocketAddr) -> Names {
    Names {
        bound: address.ip(),
        hosts: config.hosts.clone(),
    }
}
