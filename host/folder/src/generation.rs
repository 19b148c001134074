//! One loaded version of a handler.

use waystation_core::Digest;

use crate::Serving;

/// What the files of a handler say: the component's digest and the sidecar's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub component: Digest,
    pub sidecar: Option<Digest>,
}

/// A version that was put into service.
#[derive(Debug)]
pub(crate) struct Generation<C> {
    pub version: Version,
    pub component: C,
    pub serving: Serving,
}
