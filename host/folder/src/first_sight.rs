//! What a host would make of a handler that it never saw before.

use waystation_core::{Ask, AskError, AskKind, Descriptor, Settings};

use crate::Sidecar;
use crate::document::Mistakes;

/// A handler and its sidecar as a host sees them that approved nothing before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstSight {
    /// What would hold for the handler. Secrets are left out.
    pub settings: Settings,
    /// What the handler asks for.
    pub asks: Vec<Ask>,
    /// What keeps it in quarantine: asked for, and neither granted by the sidecar nor
    /// let in at first sight.
    pub open: Vec<Ask>,
    /// What it would go without once it is let in.
    pub withheld: Vec<Ask>,
}

/// Why a host would refuse a handler that compiles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FirstSightError {
    /// It asks for what cannot be.
    #[error("it asks for what cannot be: {0}")]
    Asks(#[from] AskError),
    /// The sidecar does not fit it.
    #[error(transparent)]
    Sidecar(#[from] Mistakes),
}

impl FirstSight {
    /// Looks at what a handler says of itself and at its sidecar.
    ///
    /// # Errors
    /// A host would refuse it.
    pub fn of(descriptor: &Descriptor, sidecar: &Sidecar) -> Result<Self, FirstSightError> {
        let asks = Ask::all_of(descriptor)?;
        let settings = sidecar.apply(descriptor, &asks)?;
        let grants = sidecar.grants();
        // To put a handler into the folder is consent to what it publishes.
        let is_let_in = |ask: &&Ask| ask.kind() == AskKind::Publish || grants.grants(ask);
        Ok(Self {
            settings,
            open: asks.iter().filter(|ask| !is_let_in(ask)).cloned().collect(),
            withheld: grants.withheld(&asks),
            asks: asks.into_iter().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use waystation_core::{Capability, Filter, Instances, Order, TypePattern};

    use super::*;

    fn descriptor() -> Descriptor {
        let types = |text: &str| TypePattern::try_from(text.to_owned()).unwrap();
        Descriptor {
            description: String::new(),
            subscriptions: vec![Filter {
                types: vec![types("a.b")],
                source: None,
                subject: None,
            }],
            publishes: vec![types("c.d")],
            capabilities: vec![
                Capability::State("visits".into()),
                Capability::Config("region".into()),
            ],
            order: Order::None,
            instances: Instances::Fresh,
        }
    }

    fn check(sidecar: &str, open: &[&str], withheld: &[&str]) {
        let sidecar = Sidecar::parse(sidecar).unwrap();
        let found = FirstSight::of(&descriptor(), &sidecar).unwrap();
        let texts = |asks: &[Ask]| asks.iter().map(Ask::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&found.open), open);
        assert_eq!(texts(&found.withheld), withheld);
        assert_eq!(found.asks.len(), 3);
    }

    #[test]
    fn what_is_not_granted_is_open_but_for_what_it_publishes() {
        check("", &["state visits", "config region"], &["config region"]);
        let all = "[grants]\nstate = ['visits']\n[config]\nregion = 'eu'\n";
        check(all, &[], &[]);
        check(
            "[grants]\npublish = []\n[config]\nregion = 'eu'\n",
            &["state visits"],
            &["publish c.d"],
        );
    }

    #[test]
    fn a_sidecar_that_grants_too_much_is_refused() {
        let sidecar = Sidecar::parse("[grants]\nhttp = ['a.example']\n").unwrap();
        let error = FirstSight::of(&descriptor(), &sidecar).unwrap_err();
        assert!(error.to_string().contains("a.example"), "{error}");
    }
}
