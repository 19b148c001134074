//! The words of Waystation and their rules.
//!
//! This crate is the ground that every other crate stands on. It holds the
//! event and its formats, the filters and the index over them, what a handler
//! says of itself, and the life of a delivery as a pure state machine.
//!
//! It does no IO, reads no clock, draws no random numbers and knows neither
//! tokio nor wasmtime: time and chance come in as values.

mod ask;
mod attribute;
mod capsule;
mod clock;
mod delivery;
mod descriptor;
mod digest;
mod event;
mod expiry;
mod filter;
pub mod formats;
mod grants;
mod index;
mod lane;
pub mod limits;
mod media_type;
mod outcome;
mod retry;
mod settings;
mod state;
mod suggest;
mod surroundings;

pub use ask::{Ask, AskError, AskKind};
pub use attribute::{AttributeError, Rule};
pub use capsule::{
    CAPSULE_FORMAT, Capsule, CapsuleComponent, CapsuleDelivery, CapsuleOutcome, CapsuleSettings,
    Failed,
};
pub use clock::{Clock, ManualClock, Timestamp};
pub use delivery::{Action, DeliveryId, Input, ParseDeliveryIdError, State, step};
pub use descriptor::{Capability, Descriptor, HandlerName, HandlerNameError, Instances, Order};
pub use digest::{Digest, ParseDigestError};
pub use event::{Event, EventError, Sequence};
pub use expiry::Expiry;
pub use filter::{Filter, PatternError, TypePattern};
pub use grants::{Authority, AuthorityError, Grants, Network, NetworkError, Secret};
pub use index::TypeIndex;
pub use lane::lane_of;
pub use media_type::MediaType;
pub use outcome::{Code, Draft, Failure, Outcome};
pub use retry::{Random, RetryPolicy};
pub use settings::{Settings, Start};
pub use state::{
    KeyListing, KeyRead, KeyWrite, StateAccess, StateKeys, StateValue, Version as StateVersion,
};
pub use suggest::{did_you_mean, did_you_mean_type};
pub use surroundings::{
    Answer, Asked, Content, Exchange, Held, LogLine, Moment, Readings, Seeds, StateImage,
    Surroundings,
};
