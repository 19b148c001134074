//! Calls of other hosts.

mod error;
mod request;
mod response;
mod url;

pub use error::{HttpError, HttpFault};
pub use request::Request;
pub use response::Response;

pub(crate) use request::Parts;
pub(crate) use response::Received;
pub(crate) use url::Url;
#[cfg(not(target_family = "wasm"))]
pub(crate) use url::without_default_port;

use std::time::Duration;

use serde::Serialize;

use crate::outside::Outside;

/// The most that a request may send, in bytes. The host takes no more.
pub(crate) const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most that a response may bring, in bytes. The host passes no more on.
pub(crate) const RESPONSE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The longest `Retry-After` that is kept: who asks for more is asked once an hour,
/// and cannot make a delivery too old to be tried at all.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Calls other hosts, from [`Context::http`](crate::Context::http).
///
/// The handler asks for each host in its attribute, `http = "rates.example"`, and
/// the operator grants it. A call waits for the whole response: 8 MiB at most.
///
/// ```
/// use serde::Deserialize;
/// use serde_json::json;
/// use waystation_sdk::{Context, Event, HandlerError, handler, testing};
///
/// #[derive(Deserialize)]
/// struct Rate {
///     per_euro: f64,
/// }
///
/// /// Says what an amount of euros is in dollars.
/// #[handler(on = "com.example.priced.v1", publishes = "com.example.in-dollars.v1",
///           http = "rates.example")]
/// fn dollars(event: Event<f64>, ctx: &mut Context) -> Result<(), HandlerError> {
///     let response = ctx.http().get("https://rates.example/usd").send()?;
///     let rate: Rate = response.error_for_status()?.json()?;
///     ctx.publish("com.example.in-dollars.v1", &(event.data * rate.per_euro))?;
///     Ok(())
/// }
///
/// let mut world = testing::World::new();
/// world.http("GET", "https://rates.example/usd").answer(200, &json!({ "per_euro": 2.0 }));
/// let attempt = world.deliver::<dollars>(testing::event("com.example.priced.v1", &21.0));
/// assert_eq!(attempt.only_draft().decode::<f64>().unwrap(), 42.0);
/// ```
///
/// The host adds an `Idempotency-Key` to each request, the same in every attempt
/// at an event, so that the other side knows a repeated call as one. It follows
/// no redirect.
#[derive(Debug)]
pub struct Http {
    outside: Outside,
}

impl Http {
    pub(crate) fn new(outside: Outside) -> Self {
        Self { outside }
    }

    /// A request of a method, such as `PUT`, to a URL that begins with `https://`
    /// or `http://`.
    pub fn request(&self, method: &str, url: &str) -> Request {
        Request::new(self.outside.clone(), method, url)
    }

    /// A GET request.
    pub fn get(&self, url: &str) -> Request {
        self.request("GET", url)
    }

    /// A POST request.
    pub fn post(&self, url: &str) -> Request {
        self.request("POST", url)
    }

    /// A POST request whose body is JSON.
    pub fn post_json(&self, url: &str, data: &(impl Serialize + ?Sized)) -> Request {
        self.post(url).json(data)
    }
}
