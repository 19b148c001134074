//! The event that a handler is given.

use std::collections::BTreeMap;

use crate::{FromData, HandlerError, RawData};

/// An event in the attributes of CloudEvents 1.0, with data of type `T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<T> {
    /// With `source` the identity of the event.
    pub id: String,
    /// The context in which it happened: a URI-reference.
    pub source: String,
    /// The `type` attribute: what happened.
    pub event_type: String,
    /// What it is about within its source.
    pub subject: Option<String>,
    /// When it happened: RFC 3339, as its publisher wrote it.
    pub time: Option<String>,
    /// The media type of the data (RFC 2046). None means JSON.
    pub data_content_type: Option<String>,
    /// The schema of the data: an absolute URI.
    pub data_schema: Option<String>,
    /// Extension attributes by name.
    pub extensions: BTreeMap<String, String>,
    /// What the event says.
    pub data: T,
}

impl Event<RawData> {
    /// The same event with its data decoded.
    ///
    /// # Errors
    /// A rejection when the data is not a `T`: no later attempt can change that.
    pub fn decode<T: FromData>(self) -> Result<Event<T>, HandlerError> {
        let data = T::from_data(
            &self.event_type,
            self.data_content_type.as_deref(),
            self.data,
        )?;
        Ok(Event {
            id: self.id,
            source: self.source,
            event_type: self.event_type,
            subject: self.subject,
            time: self.time,
            data_content_type: self.data_content_type,
            data_schema: self.data_schema,
            extensions: self.extensions,
            data,
        })
    }
}
