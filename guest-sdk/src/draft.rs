//! An event that a handler wants to publish.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An event to publish. The host adds id, source, time and what caused it.
///
/// [`Context::publish`](crate::Context::publish) makes one and lends it, to say
/// more of it:
///
/// ```
/// # use waystation_sdk::{Context, EncodeError};
/// # fn example(ctx: &mut Context) -> Result<(), EncodeError> {
/// ctx.publish("com.example.stock.reserved.v1", &["sku-1"])?
///     .subject("order-17")
///     .partition_key("order-17")
///     .schema("https://example.com/schemas/reserved-v1.json")
///     .extension("tenant", "north");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What happened: one of the types that the handler publishes.
    pub event_type: String,
    /// What the event is about.
    pub subject: Option<String>,
    /// The media type of the data (RFC 2046).
    pub data_content_type: Option<String>,
    /// The schema of the data: an absolute URI.
    pub data_schema: Option<String>,
    /// Extension attributes by name.
    pub extensions: BTreeMap<String, String>,
    /// What the event says.
    pub data: Option<Vec<u8>>,
}

/// Data that cannot be written as JSON.
#[derive(Debug, thiserror::Error)]
#[error("the data of {event_type} cannot be written as JSON")]
pub struct EncodeError {
    event_type: String,
    source: serde_json::Error,
}

impl Draft {
    /// A draft without data.
    pub fn new(event_type: impl Into<String>) -> Self {
        Self {
            event_type: event_type.into(),
            subject: None,
            data_content_type: None,
            data_schema: None,
            extensions: BTreeMap::new(),
            data: None,
        }
    }

    /// A draft whose data is JSON.
    ///
    /// # Errors
    /// When serde cannot write the data as JSON, such as a map whose keys are no
    /// strings.
    pub fn json(event_type: &str, data: &impl Serialize) -> Result<Self, EncodeError> {
        let data = serde_json::to_vec(data).map_err(|source| EncodeError {
            event_type: event_type.to_owned(),
            source,
        })?;
        let mut draft = Self::new(event_type);
        draft.data("application/json", data);
        Ok(draft)
    }

    /// Sets data of a media type (RFC 2046).
    pub fn data(&mut self, content_type: impl Into<String>, data: Vec<u8>) -> &mut Self {
        self.data_content_type = Some(content_type.into());
        self.data = Some(data);
        self
    }

    /// Sets what the event is about.
    pub fn subject(&mut self, subject: impl Into<String>) -> &mut Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the schema of the data: an absolute URI.
    pub fn schema(&mut self, schema: impl Into<String>) -> &mut Self {
        self.data_schema = Some(schema.into());
        self
    }

    /// Sets the extension `partitionkey`: handlers with `order = "key"` handle
    /// events of the same key one at a time and in order.
    pub fn partition_key(&mut self, key: impl Into<String>) -> &mut Self {
        self.extension("partitionkey", key)
    }

    /// Sets an extension attribute. A name has lower-case letters and digits
    /// only, and must not be one that the host sets: `correlationid` and
    /// `causationid`.
    pub fn extension(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.extensions.insert(name.into(), value.into());
        self
    }

    /// The data, read from JSON.
    ///
    /// # Errors
    /// When there is no data, or it is no `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.data.as_deref().unwrap_or_default())
    }
}
