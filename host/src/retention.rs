//! Has the journal drop what is old, again and again.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};
use waystation_core::{HandlerName, limits};
use waystation_folder::{Handle, State};
use waystation_journal::{Error, Journal, Retained, Retention};

/// Has the journal keep to the retention as long as it can. An event is kept for
/// the handlers that are in the folder, whether they serve or were refused.
pub async fn keep(journal: Arc<dyn Journal>, folder: Handle, retention: Retention) {
    let mut next = interval(limits::RETENTION_INTERVAL);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        let handlers = folder.handlers().into_iter();
        let present = handlers.filter(|handler| handler.state != State::Retired);
        let names: Vec<HandlerName> = present.map(|handler| handler.name.clone()).collect();
        match journal.retain(retention, &names).await {
            Ok(retained) => tell(retained, retention),
            Err(Error::Closed | Error::Poisoned(_)) => return,
            Err(error) => tracing::warn!("the journal could not drop what is old: {error}"),
        }
    }
}

fn tell(retained: Retained, retention: Retention) {
    let Retained {
        dropped,
        given_back,
        bytes,
        full,
    } = retained;
    if full {
        tracing::warn!(
            "the journal fills {bytes} bytes, more than the {} of `retention.size`, and all that is \
             left in it is not handled yet, a dead letter or a few minutes old: it takes no events \
             until there is room; raise the limit, or see to what is stuck",
            retention.bytes
        );
    }
    if dropped > 0 || given_back > 0 {
        tracing::info!(dropped, given_back, bytes, "the journal dropped old events");
    }
}
