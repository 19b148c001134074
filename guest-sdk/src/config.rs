//! What the operator set for a handler.

/// Why a configuration value could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The operator set no value.
    #[error(
        "`{0}` is not set: the handler's attribute must ask for it and the operator set it in the \
         sidecar, under [config] or [secrets]"
    )]
    Missing(String),
    /// The host could not read it.
    #[error("configuration: {0}")]
    Host(String),
}
