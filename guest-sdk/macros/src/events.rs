//! `#[derive(Events)]`: an enum of the data of several types of events.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Expr, ExprLit, Fields, Ident, Lit, Type, Variant};

use crate::arguments::{Text, check_pattern};

/// The enum.
pub struct Events {
    name: Ident,
    variants: Vec<Kind>,
}

/// A variant: the type of its events, and the type of their data.
struct Kind {
    name: Ident,
    on: Expr,
    data: Option<Type>,
}

impl Parse for Events {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let item: DeriveInput = input.parse()?;
        let Data::Enum(of) = item.data else {
            let message = "expected an enum, with a variant for each type of event";
            return Err(syn::Error::new(item.ident.span(), message));
        };
        if !item.generics.params.is_empty() {
            let message = "an enum of events has no generic parameters";
            return Err(syn::Error::new_spanned(item.generics, message));
        }
        if of.variants.is_empty() {
            let message = "expected a variant for each type of event, found none";
            return Err(syn::Error::new(item.ident.span(), message));
        }
        let variants = of.variants.into_iter().map(Kind::new);
        Ok(Self {
            name: item.ident,
            variants: variants.collect::<syn::Result<_>>()?,
        })
    }
}

impl Kind {
    fn new(variant: Variant) -> syn::Result<Self> {
        let on = on(&variant)?;
        let data = match &variant.fields {
            Fields::Unit => None,
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                fields.unnamed.first().map(|field| field.ty.clone())
            }
            other => {
                let message =
                    "expected the type of the event's data, such as `Paid(Paid)`, or nothing";
                return Err(syn::Error::new_spanned(other, message));
            }
        };
        let name = variant.ident;
        Ok(Self { name, on, data })
    }
}

/// What stands in the one `#[on(...)]` of a variant.
fn on(variant: &Variant) -> syn::Result<Expr> {
    let missing = || {
        let message = "a variant needs the type of its events: \
                       `#[on(\"com.example.thing-happened.v1\")]`";
        syn::Error::new(variant.ident.span(), message)
    };
    let mut given = variant.attrs.iter().filter(|it| it.path().is_ident("on"));
    let first = given.next().ok_or_else(missing)?;
    if let Some(second) = given.next() {
        let message = "expected one type of event, found a second";
        return Err(syn::Error::new_spanned(second, message));
    }
    let Text(on) = first.parse_args()?;
    if let Expr::Lit(ExprLit {
        lit: Lit::Str(pattern),
        ..
    }) = &on
    {
        check_pattern(&pattern.value(), pattern)?;
    }
    Ok(on)
}

impl Events {
    /// What the SDK's traits need.
    pub fn expand(&self) -> TokenStream {
        let name = &self.name;
        let types = self.variants.iter().map(|variant| &variant.on);
        let arms = self.variants.iter().map(Kind::arm);
        quote! {
            impl ::waystation_sdk::EventTypes for #name {
                const TYPES: &'static [&'static str] = &[#(#types),*];
            }

            impl ::waystation_sdk::FromData for #name {
                fn from_data(
                    event_type: &str,
                    content_type: ::core::option::Option<&str>,
                    data: ::waystation_sdk::RawData,
                ) -> ::core::result::Result<Self, ::waystation_sdk::HandlerError> {
                    #(#arms)*
                    ::core::result::Result::Err(::waystation_sdk::HandlerError::unknown_type(event_type))
                }
            }
        }
    }
}

impl Kind {
    fn arm(&self) -> TokenStream {
        let Self { name, on, data } = self;
        let value = match data {
            None => quote!(Self::#name),
            // A type that cannot be decoded is shown where it stands.
            Some(data) => {
                let decoded = quote_spanned! {data.span()=>
                    <#data as ::waystation_sdk::FromData>::from_data(event_type, content_type, data)?
                };
                quote!(Self::#name(#decoded))
            }
        };
        quote! {
            if ::waystation_sdk::matches(#on, event_type) {
                return ::core::result::Result::Ok(#value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(item: &str, message: &str, points_at: &str) {
        let Err(error) = syn::parse_str::<Events>(item) else {
            panic!("{item} is taken");
        };
        assert_eq!(error.to_string(), message, "{item}");
        let shown = error.span().source_text();
        assert_eq!(shown.as_deref(), Some(points_at), "{item}");
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        check(
            "struct Paid;",
            "expected an enum, with a variant for each type of event",
            "Paid",
        );
        check(
            "enum Order {}",
            "expected a variant for each type of event, found none",
            "Order",
        );
        check(
            "enum Order { Paid(Paid) }",
            "a variant needs the type of its events: `#[on(\"com.example.thing-happened.v1\")]`",
            "Paid",
        );
        check(
            "enum Order { #[on(\"a\")] #[on(\"b\")] Paid(Paid) }",
            "expected one type of event, found a second",
            "#[on(\"b\")]",
        );
        check(
            "enum Order { #[on(\"a\")] Paid { cents: u64 } }",
            "expected the type of the event's data, such as `Paid(Paid)`, or nothing",
            "{ cents: u64 }",
        );
        check(
            "enum Order { #[on(\"*\")] Paid(Paid) }",
            "expected an event type such as `com.example.thing-happened.v1`, or a prefix that ends \
             in `.*`; found `*`",
            "\"*\"",
        );
    }
}
