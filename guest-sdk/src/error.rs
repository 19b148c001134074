//! Why an attempt failed, and whether another may help.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::HttpError;

/// Why a handler did not handle an event.
///
/// Each standard error becomes one with `?`, and means: try again later. The
/// reason is the error and its sources, in one line.
///
/// It is no [`std::error::Error`] itself: it would be converted into itself.
#[derive(Clone, PartialEq, Eq)]
pub struct HandlerError {
    reason: String,
    again: Again,
}

/// Whether and when to try again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Not before so long; None leaves it to the retry policy.
    Later(Option<Duration>),
    Never,
}

impl HandlerError {
    /// A failure that a later attempt may get over.
    pub fn retry(reason: impl Into<String>) -> Self {
        let again = Again::Later(None);
        Self {
            reason: reason.into(),
            again,
        }
    }

    /// A failure that no attempt can get over: the event goes to the dead letters.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            again: Again::Never,
        }
    }

    /// A sidecar may subscribe a handler to types that its enum has no variant for.
    #[doc(hidden)]
    pub fn unknown_type(event_type: &str) -> Self {
        Self::reject(format!(
            "the handler has no variant for events of the type `{event_type}`"
        ))
    }

    /// The same failure, to be tried again, but not before so long.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self {
            again: Again::Later(Some(delay)),
            ..self
        }
    }

    /// What an operator reads.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether no attempt can get over it.
    pub fn is_reject(&self) -> bool {
        self.again == Again::Never
    }

    /// Not before so long. None leaves it to the retry policy.
    pub fn delay(&self) -> Option<Duration> {
        match self.again {
            Again::Later(delay) => delay,
            Again::Never => None,
        }
    }
}

impl<E: Error + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut pause = retry_after(&error);
        let mut source = error.source();
        while let Some(cause) = source {
            reason.push_str(": ");
            reason.push_str(&cause.to_string());
            pause = pause.or_else(|| retry_after(cause));
            source = cause.source();
        }
        let again = Again::Later(pause);
        Self { reason, again }
    }
}

/// How long another host asked to be left alone.
fn retry_after(error: &(dyn Error + 'static)) -> Option<Duration> {
    error.downcast_ref::<HttpError>()?.retry_after()
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.again {
            Again::Later(None) => write!(f, "retry: {}", self.reason),
            Again::Later(Some(delay)) => write!(f, "retry after {delay:?}: {}", self.reason),
            Again::Never => write!(f, "reject: {}", self.reason),
        }
    }
}

/// Says of an error whether another attempt may help.
///
/// ```
/// use std::time::Duration;
/// use waystation_sdk::{HandlerError, ResultExt};
///
/// fn cents(text: &str) -> Result<u64, HandlerError> {
///     // A text that is no number will be none tomorrow.
///     Ok(text.parse::<u64>().reject()?)
/// }
/// assert!(cents("ten").unwrap_err().is_reject());
///
/// fn read() -> Result<String, HandlerError> {
///     Ok(std::fs::read_to_string("no such file").retry_after(Duration::from_secs(30))?)
/// }
/// assert_eq!(read().unwrap_err().delay(), Some(Duration::from_secs(30)));
/// ```
pub trait ResultExt<T> {
    /// On an error: never again.
    ///
    /// # Errors
    /// The same error, as a rejection.
    fn reject(self) -> Result<T, HandlerError>;

    /// On an error: again, but not before so long.
    ///
    /// # Errors
    /// The same error, with the hint.
    fn retry_after(self, delay: Duration) -> Result<T, HandlerError>;
}

impl<T, E: Into<HandlerError>> ResultExt<T> for Result<T, E> {
    fn reject(self) -> Result<T, HandlerError> {
        self.map_err(|error| HandlerError::reject(error.into().reason))
    }

    fn retry_after(self, delay: Duration) -> Result<T, HandlerError> {
        self.map_err(|error| error.into().after(delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the warehouse does not answer")]
    struct Warehouse(#[source] std::num::ParseIntError);

    fn failing() -> Result<(), Warehouse> {
        Err(Warehouse("x".parse::<u8>().unwrap_err()))
    }

    #[test]
    fn a_plain_error_is_tried_again_and_tells_its_causes() {
        let handler = || -> Result<(), HandlerError> { Ok(failing()?) };
        let expected = "the warehouse does not answer: invalid digit found in string";
        assert_eq!(handler().unwrap_err(), HandlerError::retry(expected));
    }

    #[test]
    fn the_last_word_counts() {
        let rejected = failing()
            .retry_after(Duration::from_secs(1))
            .reject()
            .unwrap_err();
        assert!(rejected.is_reject());
        assert_eq!(rejected.delay(), None);
        let delayed = failing()
            .reject()
            .retry_after(Duration::from_secs(1))
            .unwrap_err();
        assert_eq!(delayed.delay(), Some(Duration::from_secs(1)));
    }
}
