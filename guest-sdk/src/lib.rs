//! Write event handlers for Waystation in Rust.
//!
//! A handler is a function from one event to the events that follow from it:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use waystation_sdk::{Context, Event, HandlerError, handler};
//!
//! const PAYMENT_COMPLETED: &str = "com.example.orders.payment-completed.v1";
//! const SHIPMENT_REQUESTED: &str = "com.example.shipping.shipment-requested.v1";
//!
//! #[derive(Deserialize)]
//! struct PaymentCompleted {
//!     order_id: String,
//! }
//!
//! #[derive(Serialize)]
//! struct ShipmentRequested {
//!     order_id: String,
//! }
//!
//! /// Asks for a shipment when an order is paid.
//! #[handler(on = PAYMENT_COMPLETED, publishes = SHIPMENT_REQUESTED)]
//! fn shipping(event: Event<PaymentCompleted>, ctx: &mut Context) -> Result<(), HandlerError> {
//!     let order_id = event.data.order_id;
//!     ctx.publish(SHIPMENT_REQUESTED, &ShipmentRequested { order_id })?;
//!     Ok(())
//! }
//! ```
//!
//! The package is a `cdylib`; `waystation build DIR` makes the component of it
//! and puts it into the handlers folder. A component holds one handler; it takes
//! several types of events with an enum that derives [`Events`](derive@Events).
//!
//! # How an attempt ends
//!
//! | the function | the host |
//! |---|---|
//! | returns `Ok(())` | settles the event; all that was published is in the journal at once |
//! | returns an error, most simply with `?` | publishes nothing and tries again later |
//! | returns an error that [`reject`](ResultExt::reject) made | publishes nothing and never tries again |
//! | panics | publishes nothing, logs the panic's message and tries again later |
//!
//! So a handler may be run several times for one event, but its effects are in
//! the journal once. A call to the outside may repeat: hand over
//! [`Context::idempotency_key`], which is the same for every attempt.
//!
//! # The event's data
//!
//! [`Event<T>`] has the data as `T`, decoded with serde. Data that does not
//! decode is rejected with the path to the fault, never with the data. For data
//! that is not JSON, take an [`Event<RawData>`](RawData).
//!
//! # Publishing
//!
//! [`Context::publish`] takes a type, which the attribute must name, and the data.
//! The [`Draft`] that it lends can be given a subject, a partition key, a schema and
//! extensions.
//!
//! # State, configuration, secrets, other hosts
//!
//! A handler asks in its attribute, and the operator grants: `state = "carts"`
//! for [`Context::state`], `config = "region"` for [`Context::config`],
//! `secrets = "token"` for [`Context::secret`], `http = "rates.example"` for
//! [`Context::http`]. Without the grant the host does not let the handler in.
//!
//! # Time and chance
//!
//! [`Context::now`] and [`Context::random_bytes`] can be set in tests, unlike
//! those of the standard library.
//!
//! # Logging
//!
//! The macros of [`tracing`] write to the host's log, which adds the handler,
//! the event and the attempt to each line.
//!
//! # Testing
//!
//! [`testing`] runs a handler natively, without a host: see there.

/// The examples of the README files.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../../README.md")]
struct Readme;

mod config;
mod context;
mod data;
mod descriptor;
mod draft;
mod error;
mod event;
mod handler;
mod http;
mod log;
mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;

#[cfg(target_family = "wasm")]
use guest::outside;
#[cfg(not(target_family = "wasm"))]
use testing::outside;

pub use config::ConfigError;
pub use context::Context;
pub use data::{FromData, RawData};
pub use descriptor::{Descriptor, Instances, Order};
pub use draft::{Draft, EncodeError};
pub use error::{HandlerError, ResultExt};
pub use event::Event;
#[doc(hidden)]
pub use handler::matches;
pub use handler::{EventTypes, Handler};
pub use http::{Http, HttpError, HttpFault, Request, Response};
pub use state::{State, StateError};
pub use tracing;
/// Makes an enum the data of events of several types, so that one handler takes
/// them all: each variant has the type of its events, and their data.
///
/// ```
/// use serde::Deserialize;
/// use waystation_sdk::{Context, Event, Events, HandlerError, handler, testing};
///
/// #[derive(Deserialize)]
/// struct Paid {
///     cents: u64,
/// }
///
/// #[derive(Events)]
/// enum OrderEvent {
///     #[on("com.example.orders.paid.v1")]
///     Paid(Paid),
///     /// Nothing of its data is of interest.
///     #[on("com.example.orders.cancelled.v1")]
///     Cancelled,
/// }
///
/// /// Keeps what each order has brought.
/// #[handler(state = "takings", order = "key")]
/// fn takings(event: Event<OrderEvent>, ctx: &mut Context) -> Result<(), HandlerError> {
///     let takings = ctx.state("takings")?;
///     let order = event.subject.as_deref().unwrap_or("unknown");
///     match event.data {
///         OrderEvent::Paid(paid) => takings.set(order, &paid.cents)?,
///         OrderEvent::Cancelled => takings.delete(order)?,
///     }
///     Ok(())
/// }
///
/// let mut world = testing::World::new();
/// let paid = testing::event("com.example.orders.paid.v1", &serde_json::json!({ "cents": 700 }));
/// world.deliver::<takings>(paid).assert_ack();
/// assert_eq!(world.state::<u64>("takings", "unknown"), Some(700));
/// ```
///
pub use waystation_macros::Events;
pub use waystation_macros::handler;
