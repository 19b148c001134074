//! A rehearsal: one attempt in given surroundings, of which nothing is settled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use waystation_core::{
    Draft, Exchange, Held, LogLine, Outcome, Readings, Secret, Seeds, StateImage, StateKeys,
    StateValue, Surroundings, limits,
};

use crate::scrub::{self, Scrub};
use crate::state::{State, StateError};

/// What an attempt is to see.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The state.
    pub state: StateImage,
    /// The answers to outbound HTTP; with none it really goes out.
    pub http: Option<Vec<Exchange>>,
    /// What the clocks show; from the last reading on they go on by
    /// [`REHEARSED_CLOCK_STEP`](limits::REHEARSED_CLOCK_STEP) at each look. A clock
    /// without a reading shows the real time.
    pub clocks: Readings,
    /// Where random values come from; with none they are really random.
    pub seeds: Option<Seeds>,
    /// Whether this is what another attempt saw, so that it is worth a remark when
    /// this one looks at something else.
    pub is_recorded: bool,
}

impl World {
    /// What another attempt saw.
    pub fn of(surroundings: &Surroundings) -> Self {
        Self {
            state: surroundings.state.clone(),
            http: Some(surroundings.http.clone()),
            clocks: surroundings.clocks.clone(),
            seeds: Some(surroundings.random),
            is_recorded: true,
        }
    }
}

/// What came of a rehearsal.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// How it ended.
    pub outcome: Outcome,
    /// What the handler wants to publish. Empty unless it was handled.
    pub drafts: Vec<Draft>,
    /// What it wants to change of durable state, whatever its outcome.
    pub changes: Vec<StateChange>,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// All that it saw, with the outbound HTTP that it made.
    pub surroundings: Surroundings,
    /// Whether it made more outbound HTTP than is there, with answers and all.
    pub is_http_cut: bool,
    /// How long it took.
    pub took: Duration,
    /// The linear memory that it had in the end, which is the most it had.
    pub memory_bytes: usize,
    /// What it looked at that it was not given.
    pub remarks: Vec<String>,
}

/// A key whose value changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The namespace.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// The value before.
    pub before: Option<Bytes>,
    /// The value after; none for a deletion.
    pub after: Option<Bytes>,
}

/// What a rehearsal looked at that it was not given. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Remarks(Arc<Mutex<BTreeSet<String>>>);

impl Remarks {
    pub(crate) fn add(&self, text: String) {
        let mut remarks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remarks.insert(text);
    }

    pub(crate) fn list(&self) -> Vec<String> {
        let remarks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remarks.iter().cloned().collect()
    }
}

/// What a rehearsal gives instead of real time, chance and other hosts.
pub(crate) struct Given {
    pub(crate) seeds: Option<Seeds>,
    /// The answers that nobody took yet.
    http: Option<Vec<Exchange>>,
    clocks: Readings,
    wall_looks: usize,
    monotonic_looks: usize,
    is_recorded: bool,
    remarks: Remarks,
}

impl Given {
    pub(crate) fn new(world: &World, remarks: &Remarks) -> Self {
        Self {
            seeds: world.seeds,
            http: world.http.clone(),
            clocks: world.clocks.clone(),
            wall_looks: 0,
            monotonic_looks: 0,
            is_recorded: world.is_recorded,
            remarks: remarks.clone(),
        }
    }

    /// What the clock shows at this look, if it does not show the real time.
    pub(crate) fn wall(&mut self) -> Option<Duration> {
        let known = self.clocks.wall.get(self.wall_looks).map(|it| it.0);
        self.wall_looks += 1;
        if known.is_none() {
            self.looked_beyond("clock");
        }
        let last = self.clocks.wall.last()?.0;
        let beyond = self.wall_looks.saturating_sub(self.clocks.wall.len());
        known.or_else(|| last.checked_add(step(beyond)))
    }

    /// The same of the clock that only goes forward.
    pub(crate) fn monotonic(&mut self) -> Option<u64> {
        let known = self.clocks.monotonic.get(self.monotonic_looks).copied();
        self.monotonic_looks += 1;
        if known.is_none() {
            self.looked_beyond("monotonic clock");
        }
        let last = *self.clocks.monotonic.last()?;
        let beyond = self
            .monotonic_looks
            .saturating_sub(self.clocks.monotonic.len());
        let step = u64::try_from(step(beyond).as_nanos()).unwrap_or(u64::MAX);
        Some(known.unwrap_or(last.saturating_add(step)))
    }

    fn looked_beyond(&self, clock: &str) {
        if self.is_recorded {
            self.remarks.add(format!(
                "it looked at the {clock} more often than the recorded attempt"
            ));
        }
    }

    /// The next answer to such a request, or why there is none. Nothing at all if
    /// requests really go out.
    /// A secret stands in neither of the two.
    pub(crate) fn answer(
        &mut self,
        method: &str,
        url: String,
        scrub: &Scrub,
    ) -> Option<Result<Exchange, String>> {
        let [method, url] = [method.to_owned(), url].map(|text| scrub.text(text));
        let http = self.http.as_mut()?;
        let is_same = |it: &Exchange| {
            it.request.method.eq_ignore_ascii_case(&method)
                && scrub.text(it.request.url.clone()) == url
        };
        Some(match http.iter().position(is_same) {
            Some(index) => Ok(http.remove(index)),
            None => {
                let why = format!("no answer is recorded for `{method} {url}`");
                self.remarks.add(why.clone());
                Err(why)
            }
        })
    }
}

fn step(times: usize) -> Duration {
    let times = u32::try_from(times).unwrap_or(u32::MAX);
    limits::REHEARSED_CLOCK_STEP.saturating_mul(times)
}

/// The state with the handler's secrets in the names of namespaces and keys, where
/// `[secret NAME]` stands for them.
pub(crate) fn restored(image: &StateImage, secrets: &BTreeMap<String, Secret>) -> StateImage {
    let name = |name: &str| {
        secrets
            .iter()
            .fold(name.to_owned(), |text, (name, secret)| {
                text.replace(&scrub::mark(name), secret.reveal())
            })
    };
    let mut restored = StateImage::default();
    for (namespace, keys) in &image.0 {
        let namespace = name(namespace);
        for (key, held) in keys {
            restored.set(&namespace, &name(key), held.clone());
        }
    }
    restored
}

/// Given state. Every value is at version 1, since nobody else changes it.
pub(crate) struct GivenState {
    pub(crate) image: StateImage,
    pub(crate) is_recorded: bool,
    pub(crate) remarks: Remarks,
    pub(crate) scrub: Arc<Scrub>,
}

#[async_trait]
impl State for GivenState {
    async fn get(&self, namespace: &str, key: &str) -> Result<Option<StateValue>, StateError> {
        match self.image.get(namespace, key) {
            Some(Held::Value(value)) => Ok(Some(StateValue {
                value: value.clone(),
                version: 1,
            })),
            Some(Held::Absent) => Ok(None),
            Some(Held::Unread) => {
                let why = format!("the value of `{key}` in `{namespace}` is not recorded");
                self.remarks.add(self.scrub.text(why.clone()));
                Err(StateError(why))
            }
            None => {
                if self.is_recorded {
                    self.remarks.add(self.scrub.text(format!(
                        "it read `{key}` in `{namespace}`, which the recorded attempt did not, and \
                         found nothing there"
                    )));
                }
                Ok(None)
            }
        }
    }

    async fn keys(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<StateKeys, StateError> {
        let keys = self.image.0.get(namespace).into_iter().flatten();
        let keys = keys
            .filter(|(_, held)| !matches!(held, Held::Absent))
            .map(|(key, _)| key)
            .filter(|key| after.is_none_or(|after| key.as_str() > after));
        Ok(StateKeys {
            keys: keys.take(limit).cloned().collect(),
            version: 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stands_again_where_it_was_taken_out_of_a_key() {
        let mut image = StateImage::default();
        image.set("a", "session-[secret token]", Held::Absent);
        image.set("a", "[secret other]", Held::Unread);
        let secrets = [("token".to_owned(), Secret::new("placeholder"))];
        let restored = restored(&image, &secrets.into());
        assert_eq!(
            restored.get("a", "session-placeholder"),
            Some(&Held::Absent)
        );
        assert_eq!(restored.get("a", "[secret other]"), Some(&Held::Unread));
    }
}
