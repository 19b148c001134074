//! The words of a new package: its name, and the types of its events.

use std::str::FromStr;

use waystation_core::{HandlerName, TypePattern};

/// Names that a language or its tools keep for themselves.
const RESERVED: &str = "\
abstract alloc and as assert async await become box break case catch class const continue core crate \
debugger def default del delete do dyn elif else enum except export extends extern false final finally \
fn for from function gen global if impl implements import in instanceof interface is lambda let loop \
macro match mod move mut new node-modules none nonlocal not null or override package pass priv private \
proc-macro protected pub public python raise ref return sdk self serde serde-json static std struct \
super switch test tests this throw trait true try type typeof undefined unsafe unsized use var virtual \
void waystation waystation-sdk where while wit with yield";

/// The name of a package and of the handler in it: `welcome-mail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as the name of a module: `welcome_mail`.
    pub fn module(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !is_kebab(text) {
            let rule = "a name has lower-case words joined by `-`, such as `welcome-mail`";
            let meant = kebab(text);
            return Err(if is_kebab(&meant) {
                format!("{rule}; did you mean `{meant}`?")
            } else {
                rule.to_owned()
            });
        }
        if RESERVED.split_whitespace().any(|word| word == text) {
            return Err(format!(
                "`{text}` has a meaning of its own for compilers; say more, such as `{text}-handler`"
            ));
        }
        HandlerName::new(text).map_err(|error| error.to_string())?;
        Ok(Self(text.to_owned()))
    }
}

fn is_kebab(text: &str) -> bool {
    let is_word = |word: &str| {
        let mut bytes = word.bytes();
        !word.is_empty() && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('-').all(is_word)
}

/// The text with its words in lower case, joined by `-`.
fn kebab(text: &str) -> String {
    let mut words = String::new();
    let mut before = '-';
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() {
            words.push('-');
        } else {
            if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
                words.push('-');
            }
            words.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// One type of events, which can stand in source code as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType(String);

impl EventType {
    /// The type.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What looks like a mistake in it.
    pub fn oddity(&self) -> Option<String> {
        TypePattern::Exact(self.0.clone()).oddity()
    }
}

impl FromStr for EventType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = TypePattern::try_from(text.to_owned());
        if let TypePattern::Prefix(prefix) = pattern.map_err(|error| error.to_string())? {
            return Err(format!(
                "name one exact type, such as `{prefix}paid.v1`: the sample event has it; the \
                 handler's source can ask for `{text}` afterwards"
            ));
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_/:".contains(&b);
        if let Some(wrong) = text.chars().find(|c| !c.is_ascii() || !allowed(*c as u8)) {
            return Err(format!(
                "a type has letters, digits and `.`, `-`, `_`, `/` or `:`, such as \
                 `com.example.orders.paid.v1`, not `{}`",
                wrong.escape_debug()
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kebab_case_and_no_word_of_a_language() {
        let module = |text: &str| text.parse::<Name>().unwrap().module();
        assert_eq!(module("welcome-mail-2"), "welcome_mail_2");
        let check = |text: &str, expected: &str| {
            let error = text.parse::<Name>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("WelcomeMail", "did you mean `welcome-mail`?");
        check("welcome_mail", "did you mean `welcome-mail`?");
        check("my handler/", "did you mean `my-handler`?");
        check("2fa", "such as `welcome-mail`");
        check("", "such as `welcome-mail`");
        check("match", "such as `match-handler`");
        check("Match", "did you mean `match`?");
        check("serde", "such as `serde-handler`");
        check(&"a".repeat(65), "at most 64");
    }

    #[test]
    fn a_type_is_exact_and_fit_for_source_code() {
        for text in ["com.example.orders.paid.v1", "a_b:c/d-e"] {
            assert_eq!(text.parse::<EventType>().unwrap().as_str(), text);
        }
        let check = |text: &str, expected: &str| {
            let error = text.parse::<EventType>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("com.example.*", "such as `com.example.paid.v1`");
        check("com.*.paid", "only at the end");
        check("", "empty");
        check("a\"b", "not `\\\"`");
        check("a b", "not ` `");
        check("ä", "not `ä`");
    }
}
