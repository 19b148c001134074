//! Runs a handler natively, the way the host would.
//!
//! ```
//! use waystation_sdk::testing::{self, Outcome};
//! use waystation_sdk::{Context, Event, HandlerError, handler};
//!
//! /// Greets who has joined.
//! #[handler(on = "com.example.joined.v1", publishes = "com.example.greeting.v1")]
//! fn greeter(event: Event<String>, ctx: &mut Context) -> Result<(), HandlerError> {
//!     ctx.publish("com.example.greeting.v1", &format!("Hello, {}!", event.data))?;
//!     Ok(())
//! }
//!
//! let attempt = testing::deliver::<greeter>(testing::event("com.example.joined.v1", &"Ada"));
//! assert_eq!(attempt.outcome, Outcome::Ack);
//! assert_eq!(attempt.only_draft().decode::<String>().unwrap(), "Hello, Ada!");
//! ```
//!
//! The attribute makes a type of the function's name: `greeter` above. The
//! function itself stays what it is and can be called too.
//!
//! # What surrounds it
//!
//! A [`World`] has the state, the settings, the clock, chance and the answers of
//! other hosts; an [`Attempt`] tells what the handler did with them:
//!
//! ```
//! use serde_json::json;
//! use waystation_sdk::testing::{self, World};
//! use waystation_sdk::{Context, Event, HandlerError, handler, tracing};
//!
//! /// Sends a welcome mail, once for each address.
//! #[handler(on = "com.example.joined.v1", state = "welcomed", secrets = "token",
//!           http = "api.mail.example")]
//! fn welcome(event: Event<String>, ctx: &mut Context) -> Result<(), HandlerError> {
//!     let welcomed = ctx.state("welcomed")?;
//!     if welcomed.get::<bool>(&event.data)?.is_some() {
//!         tracing::info!("welcomed before");
//!         return Ok(());
//!     }
//!     ctx.http()
//!         .post_json("https://api.mail.example/send", &event.data)
//!         .bearer(&ctx.secret("token")?)
//!         .send()?
//!         .error_for_status()?;
//!     welcomed.set(&event.data, &true)?;
//!     Ok(())
//! }
//!
//! let joined = || testing::event("com.example.joined.v1", &"ada@example.com");
//! let mut world = World::new().with_secret("token", "secret");
//! world.http("POST", "https://api.mail.example/send")
//!     .answer(503, &json!(null)).header("retry-after", "30")
//!     .answer(202, &json!(null));
//!
//! world.deliver::<welcome>(joined()).assert_retry("answered 503");
//! let attempt = world.deliver_again::<welcome>(joined(), 2);
//! attempt.assert_ack();
//! assert_eq!(attempt.calls[0].header("authorization"), Some("Bearer secret"));
//! assert_eq!(world.state::<bool>("welcomed", "ada@example.com"), Some(true));
//!
//! let again = world.deliver::<welcome>(joined());
//! assert!(again.calls.is_empty());
//! assert_eq!(again.log[0].text, "welcomed before");
//! ```
//!
//! # What fails
//!
//! A handler that panics is no failed test by itself: the attempt ends as it
//! would in a host, with a retry that tells the panic. Everything that the host
//! would refuse, or that the test forgot, ends the test with a message that says
//! what to do: an event that the handler does not subscribe to, a type that its
//! attribute does not name, a call without an answer.

mod attempt;
mod event;
mod http;
mod log;
pub(crate) mod outside;
mod panics;
mod world;

pub use attempt::{Attempt, Change, Outcome};
pub use event::{event, parse};
pub use http::{Answers, Call};
pub use log::LogLine;
pub use world::World;

use crate::{Event, Handler, RawData};

/// Makes a first attempt at an event, in a world without anything.
///
/// # Panics
/// When the handler does not subscribe to the event, or publishes a type that
/// its attribute does not name: the host would refuse both.
#[track_caller]
pub fn deliver<H: Handler>(event: Event<RawData>) -> Attempt {
    deliver_again::<H>(event, 1)
}

/// Makes an attempt of the given number, from 1.
///
/// # Panics
/// As [`deliver`] does.
#[track_caller]
pub fn deliver_again<H: Handler>(event: Event<RawData>, attempt: u32) -> Attempt {
    World::new().deliver_again::<H>(event, attempt)
}

/// A test's own mistake ends the test.
#[expect(
    clippy::panic,
    reason = "this module runs in tests only, which fail by a panic"
)]
#[track_caller]
fn fail(mistake: &str) -> ! {
    panic!("{mistake}")
}
