//! One loaded version of a handler.

use std::sync::Arc;

use waystation_core::{Descriptor, Digest};

use crate::Serving;

/// What the files of a handler say: the component's digest and the sidecar's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub component: Digest,
    pub sidecar: Option<Digest>,
}

/// A component that was loaded, whether it serves or not.
#[derive(Debug)]
pub(crate) struct Loaded<C> {
    pub digest: Digest,
    pub component: C,
    pub descriptor: Descriptor,
}

/// A version that was put into service.
#[derive(Debug)]
pub(crate) struct Generation<C> {
    pub version: Version,
    pub loaded: Arc<Loaded<C>>,
    pub serving: Serving,
}
