//! What the attribute writes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::arguments::{Arguments, Text};
use crate::function::Function;

/// The function as it was, a type of its name that is a `Handler`, and in a
/// component the exports.
pub fn expand(arguments: &Arguments, function: &Function) -> TokenStream {
    let Function {
        item, description, ..
    } = function;
    let name = &item.sig.ident;
    let visibility = &item.vis;
    let descriptor = descriptor(arguments, &function.data, description);
    let doc = format!("The handler [`{name}`]({name}()) as a type, for tests.");
    // A fault in the function's types is shown at the function, not at the attribute.
    let data = &function.data;
    let call = quote_spanned!(item.sig.inputs.span()=> #name(event.decode::<#data>()?, ctx));

    // A second handler of the module is an error that says what to do instead.
    let only = quote_spanned! {name.span()=>
        #[doc(hidden)]
        #[allow(dead_code, non_upper_case_globals)]
        const a_package_has_one_handler__an_enum_that_derives_Events_takes_several_types: () = ();
    };

    // In a component all is made one function; this one keeps its name, which authors
    // look for in a backtrace.
    let is_inlined = |attribute: &syn::Attribute| attribute.path().is_ident("inline");
    let named = (!item.attrs.iter().any(is_inlined))
        .then(|| quote!(#[cfg_attr(target_family = "wasm", inline(never))]));

    quote! {
        #named
        #item

        // The braces keep the name free among values: there it is the function.
        #[doc = #doc]
        #[allow(non_camel_case_types)]
        #visibility struct #name {}

        impl ::waystation_sdk::Handler for #name {
            const DESCRIPTOR: ::waystation_sdk::Descriptor = #descriptor;

            fn handle(
                event: ::waystation_sdk::Event<::waystation_sdk::RawData>,
                ctx: &mut ::waystation_sdk::Context,
            ) -> ::core::result::Result<(), ::waystation_sdk::HandlerError> {
                #call
            }
        }

        #only

        // Only a component calls its handler: natively it would be found unused.
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            let _ = <#name as ::waystation_sdk::Handler>::handle;
        };

        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = ::waystation_sdk::guest::Component<#name>;
            ::waystation_sdk::guest::export!(
                Component with_types_in ::waystation_sdk::guest::bindings
            );
        };
    }
}

fn descriptor(arguments: &Arguments, data: &Type, description: &str) -> TokenStream {
    let on = on(&arguments.on, data);
    let [publishes, state, config, secrets, http] = [
        &arguments.publishes,
        &arguments.state,
        &arguments.config,
        &arguments.secrets,
        &arguments.http,
    ]
    .map(|texts| texts.iter().map(|Text(text)| text));
    let source = option(arguments.source.as_ref());
    let subject = option(arguments.subject.as_ref());
    let order = format_ident!(
        "{}",
        if arguments.ordered_by_key {
            "Key"
        } else {
            "None"
        }
    );
    let instances = format_ident!(
        "{}",
        if arguments.reused_instances {
            "Reused"
        } else {
            "Fresh"
        }
    );
    quote! {
        ::waystation_sdk::Descriptor {
            description: #description,
            on: #on,
            source: #source,
            subject: #subject,
            publishes: &[#(#publishes),*],
            state: &[#(#state),*],
            config: &[#(#config),*],
            secrets: &[#(#secrets),*],
            http: &[#(#http),*],
            order: ::waystation_sdk::Order::#order,
            instances: ::waystation_sdk::Instances::#instances,
        }
    }
}

/// The types of the events: those of the attribute, else those of the data's type.
fn on(types: &[Text], data: &Type) -> TokenStream {
    if types.is_empty() {
        return quote_spanned!(data.span()=> <#data as ::waystation_sdk::EventTypes>::TYPES);
    }
    let types = types.iter().map(|Text(text)| text);
    quote!(&[#(#types),*])
}

fn option(text: Option<&Text>) -> TokenStream {
    match text {
        Some(Text(text)) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}
