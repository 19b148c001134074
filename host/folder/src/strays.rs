//! Files that look like a handler's but are none.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::Stray;

/// The strays and since when each is there. One is told of only after it stood
/// for a moment: a sidecar may well come before its component.
#[derive(Debug, Default)]
pub(crate) struct Strays(BTreeMap<String, Sighting>);

#[derive(Debug)]
struct Sighting {
    reason: String,
    since: Instant,
    told: bool,
}

impl Strays {
    /// Notes which strays a listing found. Those that stood for `settle` are
    /// logged, once. Gives the moment at which the next one will have.
    pub fn observe(
        &mut self,
        found: BTreeMap<String, String>,
        now: Instant,
        settle: Duration,
    ) -> Option<Instant> {
        self.0.retain(|file, _| found.contains_key(file));
        for (file, reason) in found {
            let sighting = Sighting {
                reason,
                since: now,
                told: false,
            };
            self.0.entry(file).or_insert(sighting);
        }
        for (file, stray) in &mut self.0 {
            if !stray.told && now >= stray.since + settle {
                stray.told = true;
                tracing::warn!(%file, reason = %stray.reason, "a file in the handlers folder is ignored");
            }
        }
        let waiting = self.0.values().filter(|stray| !stray.told);
        waiting.map(|stray| stray.since + settle).min()
    }

    /// Those that stood for long enough.
    pub fn told(&self) -> Vec<Stray> {
        let told = self.0.iter().filter(|(_, stray)| stray.told);
        told.map(|(file, stray)| Stray {
            file: file.clone(),
            reason: stray.reason.clone(),
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_counts_once_it_stood_for_a_moment() {
        let (start, settle) = (Instant::now(), Duration::from_millis(100));
        let found = BTreeMap::from([("a.toml".to_owned(), "alone".to_owned())]);
        let mut strays = Strays::default();
        let due = strays.observe(found.clone(), start, settle);
        assert_eq!(due, Some(start + settle));
        assert_eq!(strays.told(), []);
        assert_eq!(strays.observe(found, start + settle, settle), None);
        assert_eq!(strays.told().len(), 1);
        strays.observe(BTreeMap::new(), start + settle, settle);
        assert_eq!(strays.told(), []);
    }
}
