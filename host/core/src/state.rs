//! What an attempt does with durable state.
//!
//! State is a map from keys to values in each namespace. An attempt reads at a
//! version and stages its writes; all of it is settled with the outcome, or
//! nothing, if somebody else changed what it had read.

use bytes::Bytes;

/// The version of a value: it grows with each change to its namespace. 0 stands
/// for a key that is not there.
pub type Version = u64;

/// What an attempt read and wants to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateAccess {
    /// The keys that it read, with the versions that it saw.
    pub reads: Vec<KeyRead>,
    /// The namespaces whose keys it listed.
    pub listings: Vec<KeyListing>,
    /// What it wants to write, each key once.
    pub writes: Vec<KeyWrite>,
}

/// A key that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRead {
    /// The namespace.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// The version that was read.
    pub version: Version,
}

/// A namespace whose keys were listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyListing {
    /// The namespace.
    pub namespace: String,
    /// The version of its set of keys, which changes when a key comes or goes.
    pub version: Version,
}

/// A key that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyWrite {
    /// The namespace.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// The new value; none deletes the key.
    pub value: Option<Bytes>,
}

/// A value at a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateValue {
    /// The value.
    pub value: Bytes,
    /// Its version, never 0.
    pub version: Version,
}

/// Some keys of a namespace, in order, and the version of the whole set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateKeys {
    /// The keys.
    pub keys: Vec<String>,
    /// The version of the namespace's set of keys; 0 while it never had one.
    pub version: Version,
}

impl StateAccess {
    /// Whether it neither read nor wrote.
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.listings.is_empty() && self.writes.is_empty()
    }

    /// The same without its writes: what an attempt that failed has to prove.
    #[must_use]
    pub fn without_writes(self) -> Self {
        Self {
            writes: Vec::new(),
            ..self
        }
    }

    /// The bytes that its sender decides on.
    pub fn size_bytes(&self) -> usize {
        let reads = self.reads.iter().map(|r| r.namespace.len() + r.key.len());
        let listings = self.listings.iter().map(|l| l.namespace.len());
        let writes = self
            .writes
            .iter()
            .map(|w| w.namespace.len() + w.key.len() + w.value.as_ref().map_or(0, Bytes::len));
        reads.chain(listings).chain(writes).sum()
    }
}
