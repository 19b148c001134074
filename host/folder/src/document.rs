//! A TOML document that is checked as a whole.
//!
//! Whoever reads a document asks it for the keys that it knows. A key that
//! nobody asked for is a mistake, and all mistakes come back at once, each with
//! its line and the path of its key:
//!
//! ```
//! use waystation_folder::document;
//!
//! let text = "lisen = '127.0.0.1:80'\nworkers = 0";
//! let mistakes = document::read(text, |root| {
//!     let listen = root.key("listen", |value| value.string());
//!     let workers = root.key("workers", |value| value.integer(1..=64));
//!     (listen, workers)
//! })
//! .unwrap_err();
//! assert_eq!(
//!     mistakes.to_string(),
//!     "line 1: `lisen`: no such key; did you mean `listen`?\n\
//!      line 2: `workers`: must be between 1 and 64, not 0",
//! );
//! ```

mod mistake;
mod unit;
mod value;

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use waystation_core::did_you_mean;

pub use mistake::{Mistake, Mistakes};
pub use unit::{bytes, duration};
pub use value::Value;

/// Reads a document.
///
/// `convert` asks the root table for every key that it knows.
///
/// # Errors
/// All that `convert` and the check for unknown keys found; or, if the text is
/// no TOML, all that keeps it from being so.
pub fn read<T>(text: &str, convert: impl FnOnce(&mut Table<'_>) -> T) -> Result<T, Mistakes> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let syntax = errors.iter().map(|error| Mistake {
        line: error.span().map(|span| line_of(text, span.start)),
        key: String::new(),
        problem: error.message().trim_end().to_owned(),
    });
    Mistakes::check(syntax.collect())?;

    let mut table = Table::new(text, 0, String::new(), root.get_ref());
    let converted = convert(&mut table);
    Mistakes::check(table.finish())?;
    Ok(converted)
}

/// A table of a document.
///
/// A method that asks for a key gives `None` if the key is not there or if its
/// value is a mistake; the mistake is kept.
#[derive(Debug)]
pub struct Table<'a> {
    text: &'a str,
    offset: usize,
    path: String,
    entries: &'a DeTable<'a>,
    asked: Vec<&'a str>,
    mistakes: Vec<Mistake>,
}

impl<'a> Table<'a> {
    fn new(text: &'a str, offset: usize, path: String, entries: &'a DeTable<'a>) -> Self {
        Self {
            text,
            offset,
            path,
            entries,
            asked: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// The value of a key.
    pub fn key<T>(
        &mut self,
        key: &'a str,
        convert: impl FnOnce(Value<'a>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let path = self.path_of(key);
        self.keep(path, value, convert(value))
    }

    /// The values of a list of so many items.
    pub fn list<T>(
        &mut self,
        key: &'a str,
        count: RangeInclusive<usize>,
        convert: impl Fn(Value<'a>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let items = self.items(key, "a list", count)?;
        let converted = items
            .into_iter()
            .filter_map(|(path, item)| self.keep(path, item, convert(item)))
            .collect();
        Some(converted)
    }

    /// The table of a key.
    pub fn table<T>(
        &mut self,
        key: &'a str,
        convert: impl FnOnce(&mut Table<'a>) -> T,
    ) -> Option<T> {
        let value = self.value(key)?;
        let path = self.path_of(key);
        self.enter(path, value, convert)
    }

    /// The tables of a list of so many items.
    pub fn tables<T>(
        &mut self,
        key: &'a str,
        count: RangeInclusive<usize>,
        convert: impl Fn(&mut Table<'a>) -> T,
    ) -> Option<Vec<T>> {
        let items = self.items(key, "a list of tables", count)?;
        let converted = items
            .into_iter()
            .filter_map(|(path, item)| self.enter(path, item, &convert))
            .collect();
        Some(converted)
    }

    /// The keys that are there: of a table whose keys the user chooses. Whoever
    /// asks for each of them knows them all.
    pub fn keys(&self) -> Vec<&'a str> {
        self.entries
            .keys()
            .map(|key| key.get_ref().as_ref())
            .collect()
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Adds a mistake about a key: one that shows only where several keys are
    /// seen together.
    pub fn mistake(&mut self, key: &str, problem: impl Into<String>) {
        let entry = self.entries.get_key_value(key);
        let offset = entry.map_or(self.offset, |(name, _)| name.span().start);
        let line = Some(line_of(self.text, offset));
        let key = self.path_of(key);
        let problem = problem.into();
        self.mistakes.push(Mistake { line, key, problem });
    }

    /// Makes it a mistake if the key is not there.
    pub fn require(&mut self, key: &'a str) {
        if !self.has(key) {
            self.mistake(key, "is missing");
        }
    }

    fn value(&mut self, key: &'a str) -> Option<Value<'a>> {
        self.asked.push(key);
        self.entries.get(key).map(|node| self.value_at(node))
    }

    fn value_at(&self, node: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        Value {
            text: self.text,
            offset: node.span().start,
            node: node.get_ref(),
        }
    }

    fn items(
        &mut self,
        key: &'a str,
        shape: &str,
        count: RangeInclusive<usize>,
    ) -> Option<Vec<(String, Value<'a>)>> {
        let value = self.value(key)?;
        let path = self.path_of(key);
        let items = match value.node.as_array() {
            None => Err(value.expected(shape)),
            Some(items) if count.contains(&items.len()) => Ok(items),
            Some(items) => Err(format!(
                "must have between {} and {} items, not {}",
                count.start(),
                count.end(),
                items.len()
            )),
        };
        let items = self.keep(path.clone(), value, items)?.iter().enumerate();
        Some(
            items
                .map(|(index, item)| (format!("{path}[{index}]"), self.value_at(item)))
                .collect(),
        )
    }

    fn enter<T>(
        &mut self,
        path: String,
        value: Value<'a>,
        convert: impl FnOnce(&mut Table<'a>) -> T,
    ) -> Option<T> {
        let entries = value.node.as_table().ok_or_else(|| not_a_table(value));
        let entries = self.keep(path.clone(), value, entries)?;
        let mut table = Table::new(self.text, value.offset, path, entries);
        let converted = convert(&mut table);
        self.mistakes.extend(table.finish());
        Some(converted)
    }

    fn keep<T>(&mut self, key: String, at: Value<'_>, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|problem| {
                let line = Some(at.line());
                self.mistakes.push(Mistake { line, key, problem });
            })
            .ok()
    }

    fn finish(mut self) -> Vec<Mistake> {
        for name in self.entries.keys().map(Spanned::get_ref) {
            if !self.asked.iter().any(|asked| asked == name) {
                let known = self.asked.iter().copied();
                let problem = match did_you_mean(name, known) {
                    Some(key) => format!("no such key; did you mean `{key}`?"),
                    None => format!("no such key; known are {}", self.asked.join(", ")),
                };
                self.mistake(name, problem);
            }
        }
        self.mistakes
    }

    fn path_of(&self, key: &str) -> String {
        let key = key.escape_debug();
        if self.path.is_empty() {
            key.to_string()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// Does not show a string: a secret that was written where a reference to it
/// belongs must not come out in a log.
fn not_a_table(value: Value<'_>) -> String {
    match value.node {
        DeValue::String(_) => "write a table, not a string".to_owned(),
        _ => value.expected("a table"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}
