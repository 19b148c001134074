//! A value of a document and what it may be read as.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;
use waystation_core::did_you_mean;

use super::{line_of, unit};

/// A value of a document. Each method reads it as one kind of thing, or says in
/// the user's words why it cannot be.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    pub(super) text: &'a str,
    pub(super) offset: usize,
    pub(super) node: &'a DeValue<'a>,
}

impl Value<'_> {
    /// The line on which it begins, from 1.
    pub fn line(self) -> usize {
        line_of(self.text, self.offset)
    }

    /// A string.
    pub fn string(self) -> Result<String, String> {
        match self.node {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            _ => Err(self.expected("a string")),
        }
    }

    /// A string; or an integer or a boolean, as its text.
    pub fn text(self) -> Result<String, String> {
        match self.node {
            DeValue::Boolean(value) => Ok(value.to_string()),
            DeValue::Integer(_) => {
                let number = self.whole_number();
                number.map_or_else(|| Err(self.expected("a string")), |n| Ok(n.to_string()))
            }
            _ => self.string(),
        }
    }

    /// Whether it is a table.
    pub fn is_table(self) -> bool {
        self.node.is_table()
    }

    /// An integer within `range`.
    pub fn integer(self, range: RangeInclusive<u32>) -> Result<u32, String> {
        let number = self
            .whole_number()
            .ok_or_else(|| self.expected("an integer"))?;
        let outside = || {
            format!(
                "must be between {} and {}, not {number}",
                range.start(),
                range.end()
            )
        };
        u32::try_from(number)
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(outside)
    }

    /// A length of time within `range`, such as `"5s"`; the units are ms, s, m,
    /// h and d.
    pub fn duration(self, range: RangeInclusive<Duration>) -> Result<Duration, String> {
        match self.node {
            DeValue::String(text) => unit::duration(text, range),
            _ => Err(self.expected(unit::TIME_SHAPE)),
        }
    }

    /// A size in bytes within `range`: an integer, or a string such as
    /// `"64MiB"`; the units are B, KiB, MiB and GiB.
    pub fn bytes(self, range: RangeInclusive<usize>) -> Result<usize, String> {
        if let DeValue::String(text) = self.node {
            return unit::bytes(text, range);
        }
        let bytes = self
            .whole_number()
            .and_then(|number| u64::try_from(number).ok())
            .ok_or_else(|| self.expected(unit::SIZE_SHAPE))?;
        unit::bytes_within(bytes, range)
    }

    /// One of a few words.
    pub fn choice<T: Copy>(self, words: &[(&str, T)]) -> Result<T, String> {
        let known = || words.iter().map(|(word, _)| *word);
        let DeValue::String(text) = self.node else {
            return Err(self.expected(&one_of(known())));
        };
        words
            .iter()
            .find(|(word, _)| word == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| match did_you_mean(text, known()) {
                Some(word) => format!("`{}`: did you mean \"{word}\"?", text.escape_debug()),
                None => self.expected(&one_of(known())),
            })
    }

    /// A moment, as RFC 3339 in a string or as TOML's own offset date-time.
    pub fn moment(self) -> Result<jiff::Timestamp, String> {
        let moment = match self.node {
            DeValue::String(text) => text.parse().ok(),
            DeValue::Datetime(moment) => moment.to_string().parse().ok(),
            _ => None,
        };
        moment.ok_or_else(|| self.expected("a time such as \"2026-01-31T12:00:00Z\""))
    }

    /// Whether it is this word.
    pub fn is(self, word: &str) -> bool {
        self.node.as_str() == Some(word)
    }

    /// What to say when it is not what it should be.
    pub fn expected(self, shape: &str) -> String {
        match self.node {
            DeValue::String(text) => {
                format!("write {shape}, not \"{}\"", text.escape_debug())
            }
            DeValue::Integer(number) => format!("write {shape}, not {number}"),
            DeValue::Boolean(value) => format!("write {shape}, not {value}"),
            DeValue::Float(number) => format!("write {shape}, not {number}"),
            DeValue::Datetime(moment) => format!("write {shape}, not {moment}"),
            DeValue::Array(_) => format!("write {shape}, not a list"),
            DeValue::Table(_) => format!("write {shape}, not a table"),
        }
    }

    fn whole_number(self) -> Option<i64> {
        let number = self.node.as_integer()?;
        i64::from_str_radix(number.as_str(), number.radix()).ok()
    }
}

fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    quoted.join(" or ")
}
