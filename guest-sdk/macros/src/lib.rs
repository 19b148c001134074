//! The macros of `waystation-sdk`, which re-exports them.
//!
//! It reads the attribute (`arguments`) and the function (`function`) and
//! writes what the SDK's traits need (`expand`); `events` does so for an enum. It knows names of the SDK as
//! text only: the SDK depends on this crate.

mod arguments;
mod events;
mod expand;
mod function;

use proc_macro::TokenStream;

use crate::arguments::Arguments;
use crate::events::Events;
use crate::function::Function;

/// Makes a function the handler of its component.
///
/// The function takes an `Event<T>` and a `&mut Context` and returns a
/// `Result<(), HandlerError>`. Its doc comment is the description that operators
/// see. Beside it a type of the same name implements `Handler`, for tests.
///
/// | argument | |
/// |---|---|
/// | `on = "..."` or `on = ["...", "..."]` | the types of the events that it wants: exact, or prefixes that end in `.*` |
/// | `source = "..."` | only events of exactly this source |
/// | `subject = "..."` | only events about exactly this subject |
/// | `publishes = "..."` or a list | the types that it publishes, exact or prefixes |
/// | `state = "..."` or a list | the namespaces of durable state that it asks for |
/// | `config = "..."`, `secrets = "..."` or lists | what it asks the operator to set |
/// | `http = "..."` or a list | the hosts that it asks to call, as `host` or `host:port` |
/// | `order = "key"` | events with the same `partitionkey`, else `subject`, one at a time and in order |
/// | `instances = "reused"` | an instance may serve several events, one after another |
///
/// Only `on` is required, and not even that if `T` is an enum that derives
/// [`Events`](derive@Events), which has the types. A text is a literal or, but for the last two, the name of
/// a constant `&str`.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let parsed = syn::parse::<Arguments>(arguments)
        .and_then(|arguments| Ok((arguments, syn::parse::<Function>(function.clone())?)));
    match parsed {
        Ok((arguments, function)) => expand::expand(&arguments, &function).into(),
        Err(error) => {
            // The function stays, so that the mistake is the only error shown.
            let error = error.into_compile_error();
            let function = proc_macro2::TokenStream::from(function);
            quote::quote!(#error #[allow(unused)] #function).into()
        }
    }
}

/// A type may be a prefix that ends in `.*`; the first variant whose type fits gets
/// the event. The data of a variant is what a handler's `Event<T>` may have: a type
/// that derives `Deserialize`, or `RawData`. The enum itself does not derive
/// `Deserialize`.
#[proc_macro_derive(Events, attributes(on))]
pub fn events(item: TokenStream) -> TokenStream {
    syn::parse::<Events>(item)
        .map_or_else(syn::Error::into_compile_error, |events| events.expand())
        .into()
}
