//! What one attempt read and staged of durable state.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use waystation_core::{
    Held, KeyListing, KeyRead, KeyWrite, StateAccess, StateImage, StateValue, StateVersion, limits,
};

use super::kept::Kept;
use super::{State, StateError};
use crate::scrub::Scrub;

/// What one attempt read and staged. It sees its own writes, and reads the same
/// value of a key each time.
pub(crate) struct Staging {
    state: Arc<dyn State>,
    namespaces: BTreeMap<String, Namespace>,
    used: Used,
}

/// What the attempt used of its bounds.
#[derive(Default)]
struct Used {
    keys: usize,
    read_bytes: usize,
    staged_bytes: usize,
}

#[derive(Default)]
struct Namespace {
    keys: BTreeMap<String, Key>,
    /// The version of the set of keys when it was first listed.
    listing: Option<StateVersion>,
    /// The last key of each page that was listed and has a next one; a cursor is
    /// an index into it.
    pages: Vec<String>,
    /// The keys that the host listed.
    listed: BTreeSet<String>,
    /// Whether it listed more than those.
    is_listed_cut: bool,
}

/// What the attempt knows of a key.
#[derive(Default)]
struct Key {
    /// What the host had, once it was read.
    read: Option<Option<StateValue>>,
    /// What is to be there, if it was written; none inside for a deletion.
    write: Option<Option<Bytes>>,
}

/// Some keys, and the cursor of the next ones.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) keys: Vec<String>,
    pub(crate) next: Option<u64>,
}

/// Why something cannot be read or staged.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("a key of {0} bytes; it may have {max}", max = limits::STATE_KEY_BYTES_MAX)]
    KeyBytes(usize),
    #[error("a value of {0} bytes; it may have {max}", max = limits::STATE_VALUE_BYTES_MAX)]
    ValueBytes(usize),
    #[error("an attempt may use {max} keys", max = limits::STATE_KEYS_MAX)]
    Keys,
    #[error("an attempt may read {max} bytes of state", max = limits::STATE_READ_BYTES_MAX)]
    ReadBytes,
    #[error("an attempt may stage {max} bytes of state", max = limits::STATE_STAGED_BYTES_MAX)]
    StagedBytes,
    #[error("an attempt may list {max} pages of keys", max = limits::STATE_PAGES_MAX)]
    Pages,
    #[error("there is no cursor {0} in this attempt")]
    Cursor(u64),
    #[error("the value is not a whole number from 0 to 2^64 - 1 in decimal digits")]
    NotANumber,
    #[error("the sum is larger than 2^64 - 1")]
    Overflow,
    #[error(transparent)]
    State(#[from] StateError),
}

impl Staging {
    pub(crate) fn new(state: Arc<dyn State>) -> Self {
        Self {
            state,
            namespaces: BTreeMap::new(),
            used: Used::default(),
        }
    }

    /// Ends the attempt: what it read and staged. The next one begins with nothing.
    pub(crate) fn take(&mut self) -> Staged {
        self.used = Used::default();
        Staged(std::mem::take(&mut self.namespaces))
    }

    /// The value of a key, as this attempt sees it.
    pub(crate) async fn get(
        &mut self,
        namespace: &str,
        key: String,
    ) -> Result<Option<Bytes>, Refusal> {
        let known = touch(&mut self.namespaces, &mut self.used, namespace, &key)?;
        if let Some(write) = &known.write {
            return Ok(write.clone());
        }
        if known.read.is_none() {
            let read = self.state.get(namespace, &key).await?;
            let length = read.as_ref().map_or(0, |read| read.value.len());
            if length > limits::STATE_READ_BYTES_MAX.saturating_sub(self.used.read_bytes) {
                return Err(Refusal::ReadBytes);
            }
            self.used.read_bytes += length;
            known.read = Some(read);
        }
        let read = known.read.as_ref().and_then(Option::as_ref);
        Ok(read.map(|read| read.value.clone()))
    }

    /// Stages a value, or the deletion of the key.
    pub(crate) fn put(
        &mut self,
        namespace: &str,
        key: String,
        value: Option<Bytes>,
    ) -> Result<(), Refusal> {
        let length = value.as_ref().map_or(0, Bytes::len);
        if length > limits::STATE_VALUE_BYTES_MAX {
            return Err(Refusal::ValueBytes(length));
        }
        let known = touch(&mut self.namespaces, &mut self.used, namespace, &key)?;
        let overhead = namespace.len() + key.len();
        let before = known
            .write
            .as_ref()
            .map_or(0, |write| overhead + write.as_ref().map_or(0, Bytes::len));
        let staged = self.used.staged_bytes - before + overhead + length;
        if staged > limits::STATE_STAGED_BYTES_MAX {
            return Err(Refusal::StagedBytes);
        }
        self.used.staged_bytes = staged;
        known.write = Some(value);
        Ok(())
    }

    /// Adds to a number, which is 0 if the key is not there, and stages the sum.
    /// Numbers are decimal text, as in other hosts of `wasi:keyvalue`.
    pub(crate) async fn increment(
        &mut self,
        namespace: &str,
        key: String,
        delta: u64,
    ) -> Result<u64, Refusal> {
        let value = self.get(namespace, key.clone()).await?;
        let number: u64 = match &value {
            None => 0,
            Some(value) => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or(Refusal::NotANumber)?,
        };
        let sum = number.checked_add(delta).ok_or(Refusal::Overflow)?;
        self.put(namespace, key, Some(sum.to_string().into()))?;
        Ok(sum)
    }

    /// Some keys of a namespace, as this attempt sees them: those of the host
    /// with those that it staged.
    pub(crate) async fn keys(
        &mut self,
        namespace: &str,
        cursor: Option<u64>,
    ) -> Result<Page, Refusal> {
        let known = self.namespaces.entry(namespace.to_owned()).or_default();
        let after = match cursor {
            None => None,
            Some(cursor) => Some(
                known
                    .page(cursor)
                    .ok_or(Refusal::Cursor(cursor))?
                    .to_owned(),
            ),
        };
        let limit = limits::STATE_PAGE_KEYS;
        let listed = self.state.keys(namespace, after.as_deref(), limit).await?;
        // A later page at another version is a conflict, which shows at the first one's.
        known.listing.get_or_insert(listed.version);
        known.remember(&listed.keys);
        let last = listed.keys.last().cloned();
        let last = last.filter(|_| listed.keys.len() >= limit);
        let keys = known.merged(listed.keys, after.as_deref(), last.as_deref());
        let next = last.map(|last| known.cursor(last)).transpose()?;
        Ok(Page { keys, next })
    }
}

/// What an attempt read and staged.
#[derive(Default)]
pub(crate) struct Staged(BTreeMap<String, Namespace>);

impl Staged {
    /// As it is settled with the outcome.
    pub(crate) fn into_access(self) -> StateAccess {
        let mut access = StateAccess::default();
        for (name, namespace) in self.0 {
            namespace.into_access(&name, &mut access);
        }
        access
    }

    /// What it read, without secrets and within the bounds of what is kept, and
    /// whether that is not all.
    pub(crate) fn image(&self, scrub: &Scrub) -> (StateImage, bool) {
        let mut kept = Kept::new(scrub);
        // What was read matters more than what was only listed.
        for (name, namespace) in &self.0 {
            for (key, known) in &namespace.keys {
                match &known.read {
                    Some(Some(read)) => kept.value(name, key, &read.value),
                    Some(None) => kept.name(name, key, Held::Absent),
                    None => {}
                }
            }
        }
        let mut is_cut = false;
        for (name, namespace) in &self.0 {
            is_cut |= namespace.is_listed_cut;
            let was_read = |key: &str| namespace.keys.get(key).is_some_and(|it| it.read.is_some());
            for key in namespace.listed.iter().filter(|key| !was_read(key)) {
                kept.name(name, key, Held::Unread);
            }
        }
        let (image, left_out) = kept.into_image();
        (image, is_cut || left_out)
    }

    /// What it wants to write.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (&str, &str, Option<&Bytes>)> {
        self.0.iter().flat_map(|(name, namespace)| {
            namespace.keys.iter().filter_map(|(key, known)| {
                let write = known.write.as_ref()?;
                Some((name.as_str(), key.as_str(), write.as_ref()))
            })
        })
    }
}

/// What is known of a key, within the bounds of the attempt.
fn touch<'a>(
    namespaces: &'a mut BTreeMap<String, Namespace>,
    used: &mut Used,
    namespace: &str,
    key: &str,
) -> Result<&'a mut Key, Refusal> {
    if key.len() > limits::STATE_KEY_BYTES_MAX {
        return Err(Refusal::KeyBytes(key.len()));
    }
    let keys = &mut namespaces.entry(namespace.to_owned()).or_default().keys;
    if !keys.contains_key(key) {
        if used.keys == limits::STATE_KEYS_MAX {
            return Err(Refusal::Keys);
        }
        used.keys += 1;
    }
    Ok(keys.entry(key.to_owned()).or_default())
}

impl Namespace {
    fn page(&self, cursor: u64) -> Option<&str> {
        let index = usize::try_from(cursor).ok()?;
        self.pages.get(index).map(String::as_str)
    }

    /// The cursor of the keys after this one.
    fn cursor(&mut self, last: String) -> Result<u64, Refusal> {
        let known = self.pages.iter().position(|page| *page == last);
        let index = match known {
            Some(index) => index,
            None if self.pages.len() == limits::STATE_PAGES_MAX => return Err(Refusal::Pages),
            None => {
                self.pages.push(last);
                self.pages.len() - 1
            }
        };
        Ok(index as u64)
    }

    /// Remembers listed keys, as many as are kept of what an attempt saw; it may
    /// list far more.
    fn remember(&mut self, keys: &[String]) {
        for key in keys {
            if self.listed.len() < limits::STATE_KEYS_MAX {
                self.listed.insert(key.clone());
            } else if !self.listed.contains(key) {
                self.is_listed_cut = true;
            }
        }
    }

    /// Keys of the host, all there are after `after` and up to `last`, with what
    /// was staged between them.
    fn merged(&self, listed: Vec<String>, after: Option<&str>, last: Option<&str>) -> Vec<String> {
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let upper = last.map_or(Bound::Unbounded, Bound::Included);
        let mut keys: BTreeSet<String> = listed.into_iter().collect();
        for (key, known) in self.keys.range::<str, _>((lower, upper)) {
            match &known.write {
                Some(Some(_)) => {
                    keys.insert(key.clone());
                }
                Some(None) => {
                    keys.remove(key);
                }
                None => {}
            }
        }
        keys.into_iter().collect()
    }

    fn into_access(self, name: &str, access: &mut StateAccess) {
        if let Some(version) = self.listing {
            access.listings.push(KeyListing {
                namespace: name.to_owned(),
                version,
            });
        }
        for (key, known) in self.keys {
            if let Some(read) = known.read {
                access.reads.push(KeyRead {
                    namespace: name.to_owned(),
                    key: key.clone(),
                    version: read.map_or(0, |read| read.version),
                });
            }
            if let Some(value) = known.write {
                access.writes.push(KeyWrite {
                    namespace: name.to_owned(),
                    key,
                    value,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
