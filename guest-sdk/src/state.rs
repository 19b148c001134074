//! Durable state: what a handler remembers from one event to the next.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::data;
use crate::outside::Bucket;

/// One namespace of durable state, from [`Context::state`](crate::Context::state).
///
/// What is written is stored together with the outcome, or not at all: a handler
/// that fails has changed nothing. A value that another attempt changed
/// meanwhile is no danger either: the host notices when it stores, and has the
/// handler run again on the new value.
///
/// ```
/// use waystation_sdk::{Context, Event, HandlerError, handler, testing};
///
/// /// Counts the visits of each page.
/// #[handler(on = "com.example.page-visited.v1", state = "visits")]
/// fn visits(event: Event<String>, ctx: &mut Context) -> Result<(), HandlerError> {
///     ctx.state("visits")?.increment(&event.data, 1)?;
///     Ok(())
/// }
///
/// let mut world = testing::World::new();
/// for page in ["/home", "/home"] {
///     world.deliver::<visits>(testing::event("com.example.page-visited.v1", &page));
/// }
/// assert_eq!(world.state::<u64>("visits", "/home"), Some(2));
/// ```
#[derive(Debug)]
pub struct State {
    bucket: Bucket,
}

/// Why state could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The handler was not granted the namespace.
    #[error(
        "this handler may not use the state `{0}`: it needs `state = \"{0}\"` in its attribute and \
         the operator's grant"
    )]
    Denied(String),
    /// The host could not do it, or a limit is reached.
    #[error("state: {0}")]
    Host(String),
    /// The value is not what was asked for; where it is not, but never the value.
    #[error("the state `{key}` does not decode: {reason}")]
    Decode {
        /// The key.
        key: String,
        /// The path in the JSON, and what is wrong there.
        reason: String,
    },
    /// The value cannot be written as JSON.
    #[error("the state `{key}` cannot be written as JSON: {reason}")]
    Encode {
        /// The key.
        key: String,
        /// What serde says.
        reason: String,
    },
}

impl State {
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self { bucket }
    }

    /// The value of a key, from JSON.
    ///
    /// # Errors
    /// When it is there and is no such value, or the host cannot read it.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StateError> {
        let Some(bytes) = self.get_bytes(key)? else {
            return Ok(None);
        };
        let value = data::from_json(&bytes, "value");
        value.map(Some).map_err(|reason| StateError::Decode {
            key: key.to_owned(),
            reason,
        })
    }

    /// Writes a value as JSON, once the handler returns `Ok`.
    ///
    /// # Errors
    /// When serde cannot write it, or it is more than the host keeps.
    pub fn set(&self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), StateError> {
        let bytes = serde_json::to_vec(value).map_err(|error| StateError::Encode {
            key: key.to_owned(),
            reason: error.to_string(),
        })?;
        self.set_bytes(key, &bytes)
    }

    /// The bytes of a key.
    ///
    /// # Errors
    /// When the host cannot read them.
    pub fn get_bytes(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.bucket.get(key)
    }

    /// Writes bytes, once the handler returns `Ok`.
    ///
    /// # Errors
    /// When they are more than the host keeps.
    pub fn set_bytes(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.bucket.set(key, value)
    }

    /// Removes a key, once the handler returns `Ok`. One that is not there may be
    /// removed too.
    ///
    /// # Errors
    /// When the host cannot.
    pub fn delete(&self, key: &str) -> Result<(), StateError> {
        self.bucket.delete(key)
    }

    /// Adds to a number, which is 0 while there is none, and gives the sum.
    ///
    /// # Errors
    /// When the value is no number, or the sum is too large for one.
    pub fn increment(&self, key: &str, by: u64) -> Result<u64, StateError> {
        self.bucket.increment(key, by)
    }

    /// Writes a value as JSON, once the handler returns `Ok`, if it is the expected
    /// one now; None is no value. Says whether it was.
    ///
    /// The host notices what other attempts change meanwhile, so this is not needed
    /// to be safe from them: to change a value, [`update`](Self::update) it.
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`set`](Self::set).
    pub fn compare_and_swap<T: DeserializeOwned + PartialEq + Serialize>(
        &self,
        key: &str,
        expected: Option<&T>,
        new: &T,
    ) -> Result<bool, StateError> {
        let is_expected = self.get::<T>(key)?.as_ref() == expected;
        if is_expected {
            self.set(key, new)?;
        }
        Ok(is_expected)
    }

    /// Changes a value, which is the type's default while there is none, once the
    /// handler returns `Ok`. Gives it as it is then.
    ///
    /// ```
    /// # use std::collections::BTreeSet;
    /// # use waystation_sdk::{Context, HandlerError};
    /// # fn example(ctx: &Context) -> Result<(), HandlerError> {
    /// let open = ctx.state("orders")?.update("open", |open: &mut BTreeSet<String>| {
    ///     open.insert("order-17".to_owned());
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`set`](Self::set).
    pub fn update<T: Default + DeserializeOwned + Serialize>(
        &self,
        key: &str,
        change: impl FnOnce(&mut T),
    ) -> Result<T, StateError> {
        let mut value = self.get(key)?.unwrap_or_default();
        change(&mut value);
        self.set(key, &value)?;
        Ok(value)
    }

    /// All keys, in order.
    ///
    /// # Errors
    /// When the host cannot list them.
    pub fn keys(&self) -> Result<Vec<String>, StateError> {
        self.bucket.keys()
    }
}
