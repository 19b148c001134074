//! What a handler says of itself.

/// What a handler says of itself. The attribute
/// [`handler`](macro@crate::handler) writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// One line for people.
    pub description: &'static str,
    /// The types of the events that it wants: exact, or prefixes that end in `.*`.
    pub on: &'static [&'static str],
    /// The one source that it wants events of.
    pub source: Option<&'static str>,
    /// The one subject that it wants events about.
    pub subject: Option<&'static str>,
    /// The types that it publishes: exact, or prefixes that end in `.*`.
    pub publishes: &'static [&'static str],
    /// The namespaces of state that it asks for.
    pub state: &'static [&'static str],
    /// The configuration keys that it asks for.
    pub config: &'static [&'static str],
    /// The secrets that it asks for.
    pub secrets: &'static [&'static str],
    /// The hosts that it asks to call, as `host` or `host:port`.
    pub http: &'static [&'static str],
    /// The order in which it needs its events.
    pub order: Order,
    /// How long its instances may live.
    pub instances: Instances,
}

/// In which order the deliveries of a subscription run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// In any order, side by side.
    #[default]
    None,
    /// One at a time and in order for each key: the extension attribute
    /// `partitionkey`, else the subject.
    Key,
}

/// How long an instance of the component lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instances {
    /// A new instance for each attempt: nothing is left of an earlier event.
    #[default]
    Fresh,
    /// An instance may serve several attempts, one after another. Statics keep
    /// their values from one to the next.
    Reused,
}
