//! What stands between the parentheses of `#[handler(...)]`.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit, Token, bracketed};

/// The arguments of the attribute.
pub struct Arguments {
    /// Empty: the type of the data has them.
    pub on: Vec<Text>,
    pub source: Option<Text>,
    pub subject: Option<Text>,
    pub publishes: Vec<Text>,
    pub state: Vec<Text>,
    pub config: Vec<Text>,
    pub secrets: Vec<Text>,
    pub http: Vec<Text>,
    pub ordered_by_key: bool,
    pub reused_instances: bool,
}

/// A string literal or the path of a constant.
pub struct Text(pub Expr);

/// One `name = value`.
struct Argument {
    name: Ident,
    values: Vec<Text>,
    is_list: bool,
}

impl Parse for Text {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let value: Expr = input.parse()?;
        match &value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(_), ..
            })
            | Expr::Path(_) => Ok(Self(value)),
            other => {
                let message = "expected a string literal or the name of a constant";
                Err(syn::Error::new(other.span(), message))
            }
        }
    }
}

impl Text {
    /// The value, unless it is a constant's: a macro sees only its name.
    fn literal(&self) -> Option<String> {
        match &self.0 {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Some(text.value()),
            _ => None,
        }
    }
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        if input.peek(syn::token::Bracket) {
            let list;
            bracketed!(list in input);
            let values = Punctuated::<Text, Token![,]>::parse_terminated(&list)?;
            return Ok(Self {
                name,
                values: values.into_iter().collect(),
                is_list: true,
            });
        }
        Ok(Self {
            name,
            values: vec![input.parse()?],
            is_list: false,
        })
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self {
            on: Vec::new(),
            source: None,
            subject: None,
            publishes: Vec::new(),
            state: Vec::new(),
            config: Vec::new(),
            secrets: Vec::new(),
            http: Vec::new(),
            ordered_by_key: false,
            reused_instances: false,
        };
        let mut seen: Vec<Ident> = Vec::new();
        for argument in Punctuated::<Argument, Token![,]>::parse_terminated(input)? {
            if seen.contains(&argument.name) {
                let message = format!("`{}` is given twice", argument.name);
                return Err(syn::Error::new(argument.name.span(), message));
            }
            seen.push(argument.name.clone());
            arguments.take(argument)?;
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn take(&mut self, argument: Argument) -> syn::Result<()> {
        match argument.name.to_string().as_str() {
            "on" => self.on = argument.required_patterns()?,
            "publishes" => self.publishes = argument.patterns()?,
            "state" => self.state = argument.texts()?,
            "config" => self.config = argument.texts()?,
            "secrets" => self.secrets = argument.texts()?,
            "http" => self.http = argument.texts()?,
            "source" => self.source = Some(argument.text()?),
            "subject" => self.subject = Some(argument.text()?),
            "order" => self.ordered_by_key = argument.choice("none", "key")?,
            "instances" => self.reused_instances = argument.choice("fresh", "reused")?,
            other => {
                let message = format!("there is no argument `{other}`; {}", known(other));
                return Err(syn::Error::new(argument.name.span(), message));
            }
        }
        Ok(())
    }
}

const NAMES: [&str; 10] = [
    "on",
    "source",
    "subject",
    "publishes",
    "state",
    "config",
    "secrets",
    "http",
    "order",
    "instances",
];

/// What an unknown argument was meant to be, or all that there are.
fn known(unknown: &str) -> String {
    let bound = (unknown.chars().count() / 3).max(2);
    let near = NAMES
        .map(|name| (strsim::osa_distance(unknown, name), name))
        .into_iter()
        .filter(|(distance, _)| *distance <= bound)
        .min();
    match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("there are `{}`", NAMES.join("`, `")),
    }
}

/// Whether a handler can ask for events by it.
pub fn check_pattern(pattern: &str, at: &impl Spanned) -> syn::Result<()> {
    let stem = pattern.strip_suffix(".*").unwrap_or(pattern);
    if stem.is_empty() || stem.contains('*') {
        let message = format!(
            "expected an event type such as `com.example.thing-happened.v1`, or a prefix that ends \
             in `.*`; found `{pattern}`"
        );
        return Err(syn::Error::new(at.span(), message));
    }
    Ok(())
}

impl Argument {
    fn required_patterns(self) -> syn::Result<Vec<Text>> {
        if self.values.is_empty() {
            let message = "a handler needs the types of its events: \
                           `on = \"com.example.thing-happened.v1\"`";
            return Err(syn::Error::new(self.name.span(), message));
        }
        self.patterns()
    }

    fn patterns(self) -> syn::Result<Vec<Text>> {
        for value in &self.values {
            let Some(pattern) = value.literal() else {
                continue;
            };
            check_pattern(&pattern, &value.0)?;
        }
        Ok(self.values)
    }

    /// Texts of which none is empty.
    fn texts(self) -> syn::Result<Vec<Text>> {
        for value in &self.values {
            if value.literal().is_some_and(|text| text.is_empty()) {
                let message = format!("`{}` has an empty text", self.name);
                return Err(syn::Error::new(value.0.span(), message));
            }
        }
        Ok(self.values)
    }

    fn text(self) -> syn::Result<Text> {
        match <[Text; 1]>::try_from(self.values) {
            Ok([text]) if !self.is_list && text.literal().is_none_or(|text| !text.is_empty()) => {
                Ok(text)
            }
            _ => {
                let message = format!("`{}` is one text that is not empty", self.name);
                Err(syn::Error::new(self.name.span(), message))
            }
        }
    }

    /// Whether it is the second of two words.
    fn choice(self, first: &str, second: &str) -> syn::Result<bool> {
        let text = self.text()?;
        match text.literal() {
            Some(value) if value == first => Ok(false),
            Some(value) if value == second => Ok(true),
            _ => {
                let message = format!("expected \"{first}\" or \"{second}\"");
                Err(syn::Error::new(text.0.span(), message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &str, message: &str, points_at: &str) {
        let Err(error) = syn::parse_str::<Arguments>(arguments) else {
            panic!("{arguments} is taken");
        };
        assert_eq!(error.to_string(), message, "{arguments}");
        assert_eq!(
            error.span().source_text().as_deref(),
            Some(points_at),
            "{arguments}"
        );
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        check(
            r#"on = "a.b", publish = "c.d""#,
            "there is no argument `publish`; did you mean `publishes`?",
            "publish",
        );
        check(
            r#"on = "a.b", concurrency = "5""#,
            "there is no argument `concurrency`; there are `on`, `source`, `subject`, `publishes`, \
             `state`, `config`, `secrets`, `http`, `order`, `instances`",
            "concurrency",
        );
        check(r#"on = "a.b", on = "c.d""#, "`on` is given twice", "on");
        check(
            r#"on = ["a.b", "c.*.d"]"#,
            "expected an event type such as `com.example.thing-happened.v1`, or a prefix that ends \
             in `.*`; found `c.*.d`",
            r#""c.*.d""#,
        );
        check(
            r#"on = "a.b", state = ["carts", ""]"#,
            "`state` has an empty text",
            r#""""#,
        );
        check(
            "on = 5",
            "expected a string literal or the name of a constant",
            "5",
        );
        check(
            r#"on = "a.b", order = "subject""#,
            r#"expected "none" or "key""#,
            r#""subject""#,
        );
        check(
            r#"on = "a.b", instances = POOLED"#,
            r#"expected "fresh" or "reused""#,
            "POOLED",
        );
        check(
            r#"on = "a.b", source = """#,
            "`source` is one text that is not empty",
            "source",
        );
        check(
            r#"on = "a.b", source = ["/c"]"#,
            "`source` is one text that is not empty",
            "source",
        );
    }

    #[test]
    fn a_list_of_types_is_not_empty() {
        check(
            "on = []",
            "a handler needs the types of its events: `on = \"com.example.thing-happened.v1\"`",
            "on",
        );
    }

    #[test]
    fn literals_constants_and_lists_are_taken() {
        let arguments = r#"on = ["a.b", stock::MOVED, "c.*"], publishes = SOLD, source = "/d",
                           state = CARTS, config = ["a", "b"], secrets = "c", http = "d.example",
                           order = "key", instances = "reused","#;
        let arguments: Arguments = syn::parse_str(arguments).unwrap();
        assert_eq!((arguments.on.len(), arguments.publishes.len()), (3, 1));
        assert_eq!((arguments.state.len(), arguments.config.len()), (1, 2));
        assert_eq!((arguments.secrets.len(), arguments.http.len()), (1, 1));
        assert_eq!(arguments.source.unwrap().literal().as_deref(), Some("/d"));
        assert!(arguments.ordered_by_key && arguments.reused_instances);
    }
}
