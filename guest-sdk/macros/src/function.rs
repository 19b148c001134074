//! The function under `#[handler(...)]`.

use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Expr, ExprLit, FnArg, GenericArgument, ItemFn, Lit, Meta, PathArguments, ReturnType,
    Signature, Type,
};

/// A function that can be a handler.
pub struct Function {
    pub item: ItemFn,
    /// The `T` of `Event<T>`.
    pub data: Type,
    /// The first paragraph of its doc comment, in one line.
    pub description: String,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let item: ItemFn = input.parse()?;
        let data = check(&item.sig)?;
        let description = description(&item.attrs);
        if description.is_empty() {
            return Err(syn::Error::new(
                item.sig.ident.span(),
                "a handler needs a doc comment: it is the description that operators see",
            ));
        }
        Ok(Self {
            item,
            data,
            description,
        })
    }
}

/// Gives the type of the data.
fn check(signature: &Signature) -> syn::Result<Type> {
    if let Some(asynchronous) = &signature.asyncness {
        let message = "a handler is not async: a call to the host suspends it by itself";
        return Err(syn::Error::new_spanned(asynchronous, message));
    }
    if !signature.generics.params.is_empty() {
        let message = "a handler has no generic parameters";
        return Err(syn::Error::new_spanned(&signature.generics, message));
    }
    let expected = |at: &dyn ToTokens, found: &str| {
        let name = &signature.ident;
        let message = format!(
            "expected `fn {name}(event: Event<T>, ctx: &mut Context) -> Result<(), HandlerError>`; \
             {found}"
        );
        syn::Error::new_spanned(at.to_token_stream(), message)
    };
    let mut inputs = signature.inputs.iter();
    let (Some(FnArg::Typed(event)), Some(FnArg::Typed(ctx)), None) =
        (inputs.next(), inputs.next(), inputs.next())
    else {
        return Err(expected(signature, "found another number of arguments"));
    };
    let data = data(&event.ty)
        .ok_or_else(|| expected(&event.ty, "the first argument is an event with its data"))?;
    if !is_exclusive_reference(&ctx.ty) {
        return Err(expected(&ctx.ty, "the second argument is `&mut Context`"));
    }
    if matches!(signature.output, ReturnType::Default) {
        return Err(expected(signature, "found no result"));
    }
    Ok(data.clone())
}

/// The `T` of `Event<T>`.
fn data(event: &Type) -> Option<&Type> {
    let Type::Path(path) = event else { return None };
    let last = path.path.segments.last()?;
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
            GenericArgument::Type(data) => Some(data),
            _ => None,
        },
        _ => None,
    }
}

fn is_exclusive_reference(of: &Type) -> bool {
    matches!(of, Type::Reference(reference) if reference.mutability.is_some())
}

fn description(attributes: &[Attribute]) -> String {
    attributes
        .iter()
        .filter_map(doc_line)
        .skip_while(|line| line.is_empty())
        .take_while(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(function: &str, message: &str, points_at: &str) {
        let Err(error) = syn::parse_str::<Function>(function) else {
            panic!("{function} is taken");
        };
        assert_eq!(error.to_string(), message, "{function}");
        assert_eq!(
            error.span().source_text().as_deref(),
            Some(points_at),
            "{function}"
        );
    }

    const EXPECTED: &str =
        "expected `fn ship(event: Event<T>, ctx: &mut Context) -> Result<(), HandlerError>`";

    #[test]
    fn what_cannot_be_a_handler_is_refused_where_it_shows() {
        check(
            "/// Ships.\nasync fn ship(event: Event<()>, ctx: &mut Context) {}",
            "a handler is not async: a call to the host suspends it by itself",
            "async",
        );
        check(
            "/// Ships.\nfn ship<T>(event: Event<T>, ctx: &mut Context) {}",
            "a handler has no generic parameters",
            "<T>",
        );
        check(
            "/// Ships.\nfn ship(event: Event<()>) {}",
            &format!("{EXPECTED}; found another number of arguments"),
            "fn ship(event: Event<()>)",
        );
        check(
            "/// Ships.\nfn ship(event: Order, ctx: &mut Context) -> Result<(), HandlerError> {}",
            &format!("{EXPECTED}; the first argument is an event with its data"),
            "Order",
        );
        check(
            "/// Ships.\nfn ship(event: Event<()>, ctx: Context) -> Result<(), HandlerError> {}",
            &format!("{EXPECTED}; the second argument is `&mut Context`"),
            "Context",
        );
        check(
            "/// Ships.\nfn ship(event: Event<()>, ctx: &mut Context) {}",
            &format!("{EXPECTED}; found no result"),
            "fn ship(event: Event<()>, ctx: &mut Context)",
        );
        check(
            "fn ship(event: Event<()>, ctx: &mut Context) -> R {}",
            "a handler needs a doc comment: it is the description that operators see",
            "ship",
        );
    }

    #[test]
    fn the_description_is_the_first_paragraph_in_one_line() {
        let function =
            "/// Ships what\n/// was paid.\n///\n/// At night.\nfn f(a: A<B>, b: &mut C) -> D {}";
        let function: Function = syn::parse_str(function).unwrap();
        assert_eq!(function.description, "Ships what was paid.");
    }
}
