//! Templates: text with places to fill in.
//!
//! `{{name}}` stands for the value of that name. The lines between one with
//! `{{#name}}` and one with `{{/name}}` are there only if the value is, those from
//! `{{^name}}` on only if it is not. The marks may stand in a comment; their lines
//! are left out.

/// The names and their values.
pub type Values<'a> = [(&'a str, Option<&'a str>)];

/// Fills in the values.
pub fn fill(template: &str, values: &Values<'_>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut is_shown = true;
    for line in template.split_inclusive('\n') {
        match mark(line, values) {
            Some(shown) => is_shown = shown,
            None if is_shown => text.push_str(line),
            None => {}
        }
    }
    for (name, value) in values {
        text = text.replace(&format!("{{{{{name}}}}}"), value.unwrap_or_default());
    }
    text
}

/// Text that stands between quotation marks in a template, be it TOML or JSON: each
/// escape of JSON is one of TOML, which has one more character that needs one.
pub fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let inner = json.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(text).replace('\u{7f}', "\\u007f")
}

/// Whether the lines after this one are shown, if it is a mark.
fn mark(line: &str, values: &Values<'_>) -> Option<bool> {
    values.iter().find_map(|(name, value)| {
        let has = |sign: char| line.contains(&format!("{{{{{sign}{name}}}}}"));
        if has('#') {
            Some(value.is_some())
        } else if has('^') {
            Some(value.is_none())
        } else {
            has('/').then_some(true)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_value_comes_back_from_toml_and_json() {
        let value = "../a \"b\" \\ ä\n\t\u{7f}\u{1}";
        let text = format!("\"{}\"", quoted(value));
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), value);
        let toml: toml::Table = toml::from_str(&format!("sdk = {text}")).unwrap();
        assert_eq!(toml["sdk"].as_str(), Some(value));
    }

    #[test]
    fn values_are_filled_in_and_lines_are_left_out() {
        let template = "\
a {{name}}
// {{#publishes}}
b {{publishes}}
// {{/publishes}}
# {{^publishes}}
c
# {{/publishes}}
d {{other}}
";
        let check = |publishes, expected: &str| {
            let values = [("name", Some("shop")), ("publishes", publishes)];
            assert_eq!(fill(template, &values), expected);
        };
        check(Some("x.y"), "a shop\nb x.y\nd {{other}}\n");
        check(None, "a shop\nc\nd {{other}}\n");
    }
}
