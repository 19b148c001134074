//! Takes the values of secrets out of what a guest says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use waystation_core::{Secret, limits};

/// The values of a handler's secrets, and what stands in their place.
#[derive(Default)]
pub(crate) struct Scrub(Vec<Pattern>);

/// Bytes that must not show.
struct Pattern {
    bytes: Vec<u8>,
    instead: Vec<u8>,
}

/// Which ends of a text are missing, so that a part of a secret may stand there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// None.
    Whole,
    /// What came before.
    Front,
    /// What came after.
    Back,
}

/// What stands in the place of a secret.
pub(crate) fn mark(name: &str) -> String {
    format!("[secret {name}]")
}

impl Scrub {
    /// Takes out each secret, and each line of one that has several, because log
    /// lines are single ones.
    pub(crate) fn new(secrets: &BTreeMap<String, Secret>) -> Self {
        let mut patterns: Vec<Pattern> = secrets
            .iter()
            .flat_map(|(name, secret)| {
                let whole = std::iter::once(secret.reveal());
                whole
                    .chain(secret.reveal().lines())
                    .filter(|text| text.len() >= limits::SECRET_BYTES_MIN)
                    .map(move |text| Pattern {
                        bytes: text.as_bytes().to_vec(),
                        instead: mark(name).into_bytes(),
                    })
            })
            .collect();
        // Of two secrets of which one begins with the other, none may show in part.
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.bytes.len()));
        Self(patterns)
    }

    /// The text without secrets.
    pub(crate) fn bytes<'a>(&self, text: &'a [u8], cut: Cut) -> Cow<'a, [u8]> {
        if self.0.is_empty() {
            return text.into();
        }
        let mut rest = match cut {
            Cut::Front => self.without_end_of_secret(text),
            Cut::Back | Cut::Whole => text,
        };
        let mut clean = Vec::with_capacity(rest.len());
        while let Some((first, others)) = rest.split_first() {
            match self.0.iter().find(|p| rest.starts_with(&p.bytes)) {
                Some(pattern) => {
                    clean.extend(&pattern.instead);
                    rest = rest.get(pattern.bytes.len()..).unwrap_or_default();
                }
                None if cut == Cut::Back && self.begins_secret(rest) => break,
                None => {
                    clean.push(*first);
                    rest = others;
                }
            }
        }
        clean.into()
    }

    /// A short text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        match self.bytes(text.as_bytes(), Cut::Whole) {
            Cow::Borrowed(_) => text,
            Cow::Owned(clean) => String::from_utf8_lossy(&clean).into_owned(),
        }
    }

    /// A reason without secrets, cut to about what is kept of one.
    pub(crate) fn reason(&self, text: String) -> String {
        if self.0.is_empty() {
            return text;
        }
        // A guest's text may be as long as its memory.
        let end = text.floor_char_boundary(2 * limits::REASON_BYTES_MAX);
        let cut = if end < text.len() {
            Cut::Back
        } else {
            Cut::Whole
        };
        let kept = text.as_bytes().get(..end).unwrap_or_default();
        String::from_utf8_lossy(&self.bytes(kept, cut)).into_owned()
    }

    /// Whether the text is the beginning of a secret, which ends after it.
    fn begins_secret(&self, text: &[u8]) -> bool {
        self.0.iter().any(|p| p.bytes.starts_with(text))
    }

    /// The text without what may be the end of a secret at its front.
    fn without_end_of_secret<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let longest = |pattern: &Pattern| {
            let ends = (1..pattern.bytes.len()).filter_map(|at| pattern.bytes.get(at..));
            ends.map(|end| if text.starts_with(end) { end.len() } else { 0 })
                .max()
        };
        let length = self.0.iter().filter_map(longest).max().unwrap_or(0);
        text.get(length..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub() -> Scrub {
        let secrets = [
            ("token", "correct horse"),
            ("longer", "correct horse battery"),
            ("key", "-----BEGIN-----\nMIIEvQIBADAN"),
            ("short", "secret"),
        ];
        let secrets = secrets.map(|(name, value)| (name.to_owned(), Secret::new(value)));
        Scrub::new(&secrets.into())
    }

    #[test]
    fn no_secret_shows_in_whole_or_in_part() {
        let check = |text: &str, cut, expected: &str| {
            let scrub = scrub();
            let clean = scrub.bytes(text.as_bytes(), cut);
            assert_eq!(String::from_utf8_lossy(&clean), expected, "{text}");
        };
        check("nothing to hide", Cut::Whole, "nothing to hide");
        check("a correct horse!", Cut::Whole, "a [secret token]!");
        check("correct horse battery", Cut::Whole, "[secret longer]");
        check(
            "correct horsecorrect horse",
            Cut::Whole,
            "[secret token][secret token]",
        );
        check("MIIEvQIBADAN", Cut::Whole, "[secret key]");
        check("a correct ho", Cut::Back, "a ");
        check("a correct ho", Cut::Whole, "a correct ho");
        check("rect horse, then", Cut::Front, ", then");
        check(
            "a word too short: secret",
            Cut::Whole,
            "a word too short: secret",
        );
    }

    #[test]
    fn a_long_reason_is_cut_without_showing_the_beginning_of_a_secret() {
        let lead = "x".repeat(2 * limits::REASON_BYTES_MAX - 5);
        assert_eq!(scrub().reason(format!("{lead}correct horse")), lead);
    }
}
