//! The lines of a sidecar that grant what a handler asks for.

use waystation_core::{Ask, AskKind};

/// The lines to paste. Values that only the operator knows are left open.
pub fn lines(handler: &str, asks: &[Ask]) -> String {
    let mut text = String::new();
    let values = |kind: AskKind| {
        asks.iter()
            .filter(move |ask| ask.kind() == kind)
            .map(Ask::value)
    };
    let mut lists = String::new();
    for kind in [AskKind::Http, AskKind::State, AskKind::Publish] {
        let values: Vec<String> = values(kind).map(|value| quoted(&value)).collect();
        if !values.is_empty() {
            lists.push_str(&format!("{} = [{}]\n", kind.as_str(), values.join(", ")));
        }
    }
    let config = values(AskKind::Config).map(|name| format!("{} = \"\"\n", key(&name)));
    let secrets = values(AskKind::Secret).map(|name| {
        let variable = variable(handler, &name);
        format!("{} = {{ env = {} }}\n", key(&name), quoted(&variable))
    });
    for (table, lines) in [
        ("grants", lists),
        ("config", config.collect()),
        ("secrets", secrets.collect()),
    ] {
        if !lines.is_empty() {
            text.push_str(&format!("[{table}]\n{lines}"));
        }
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A key of a table, quoted only where it must be.
fn key(name: &str) -> String {
    let is_bare = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if is_bare {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A name for the environment variable of a secret.
fn variable(handler: &str, secret: &str) -> String {
    let fit = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    format!("{handler}_{secret}").chars().map(fit).collect()
}

#[cfg(test)]
mod tests {
    use waystation_folder::Sidecar;

    use super::*;

    #[test]
    fn the_lines_are_a_sidecar_that_grants_it_all() {
        let asks = [
            "http api.example.com:8443",
            "http b.example",
            "state visits",
            "config region",
            "config a.\"b",
            "secret token",
        ];
        let asks = asks.map(|ask| ask.parse().unwrap());
        let text = lines("page-visits", &asks);
        assert_eq!(
            text,
            r#"[grants]
http = ["api.example.com:8443", "b.example:443"]
state = ["visits"]
[config]
region = ""
'a."b' = ""
[secrets]
token = { env = "PAGE_VISITS_TOKEN" }
"#
        );
        Sidecar::parse(&text).unwrap();
    }
}
