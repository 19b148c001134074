//! The function under `#[handler(...)]`.

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, ExprLit, ItemFn, Lit, Meta, Signature};

/// A function that can be a handler.
pub struct Function {
    pub item: ItemFn,
    /// The first paragraph of its doc comment, in one line.
    pub description: String,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let item: ItemFn = input.parse()?;
        check(&item.sig)?;
        let description = description(&item.attrs);
        if description.is_empty() {
            return Err(syn::Error::new(
                item.sig.ident.span(),
                "a handler needs a doc comment: it is the description that operators see",
            ));
        }
        Ok(Self { item, description })
    }
}

fn check(signature: &Signature) -> syn::Result<()> {
    if let Some(asynchronous) = &signature.asyncness {
        let message = "a handler is not async: a call to the host suspends it by itself";
        return Err(syn::Error::new_spanned(asynchronous, message));
    }
    if !signature.generics.params.is_empty() {
        let message = "a handler has no generic parameters";
        return Err(syn::Error::new_spanned(&signature.generics, message));
    }
    if signature.inputs.len() != 2 {
        let message = "a handler takes two arguments: `event: Event<T>, ctx: &mut Context`";
        return Err(syn::Error::new_spanned(signature, message));
    }
    Ok(())
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
            "a handler takes two arguments: `event: Event<T>, ctx: &mut Context`",
            "fn ship(event: Event<()>)",
        );
        check(
            "fn ship(event: Event<()>, ctx: &mut Context) {}",
            "a handler needs a doc comment: it is the description that operators see",
            "ship",
        );
    }

    #[test]
    fn the_description_is_the_first_paragraph_in_one_line() {
        let function = "/// Ships what\n/// was paid.\n///\n/// At night.\nfn f(a: A, b: B) {}";
        let function: Function = syn::parse_str(function).unwrap();
        assert_eq!(function.description, "Ships what was paid.");
    }
}
