//! The glue between a handler and the host, in a component only.
//!
//! It turns the contract's types into those of the SDK and back, and sends
//! tracing's events to the host's log.

pub mod bindings;
mod convert;
mod http;
mod log;
pub(crate) mod outside;

pub use bindings::export;

use bindings::exports::waystation::events::handler::{self as contract, Guest};

use crate::{Context, Handler};

/// The exports of a component, made of a handler.
pub struct Component<H>(std::marker::PhantomData<H>);

impl<H: Handler> Guest for Component<H> {
    fn describe() -> contract::Descriptor {
        H::DESCRIPTOR.into()
    }

    fn handle(
        event: contract::Event,
        delivery: contract::Delivery,
    ) -> Result<Vec<contract::Draft>, contract::Failure> {
        log::install();
        let mut ctx = Context::new(
            delivery.id,
            delivery.attempt,
            delivery.sequence,
            outside::Outside,
        );
        H::handle(event.into(), &mut ctx)?;
        Ok(ctx.into_drafts().into_iter().map(Into::into).collect())
    }
}
