//! Events from a file or a stream, one after another.

use std::io::{self, BufRead, Read as _};
use std::vec;

use serde::de::IgnoredAny;
use waystation_core::formats::{ParseError, Problem, json};
use waystation_core::{Event, limits};

/// Why the input gives no more events.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It cannot be read.
    #[error("cannot read {name}")]
    Read {
        /// The input.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("there is no event in {name}")]
    Empty {
        /// The input.
        name: String,
    },
    /// A line, or a document over several lines, is longer than it may be.
    #[error(
        "{place} is longer than {max} bytes; write one event on each line",
        max = limits::BODY_BYTES_MAX
    )]
    TooLong {
        /// The input, and the line if it has an event on each.
        place: String,
    },
    /// What is there is no event.
    #[error("{place} is refused")]
    NotAnEvent {
        /// The input, and the line if it has an event on each.
        place: String,
        /// The rule that is broken.
        source: ParseError,
    },
}

/// The events of an input. Nothing comes after an error.
pub struct Events<R> {
    lines: Lines<R>,
    form: Form,
}

/// What the input holds.
enum Form {
    /// One event or an array of them, read as a whole.
    Whole(vec::IntoIter<Event>),
    /// An event on each line. The first was read to learn this.
    Lines { first: Option<Vec<u8>> },
    /// There was a mistake.
    Ended,
}

impl<R: BufRead> Events<R> {
    /// The events of an input that people know by this name. Its first line tells
    /// its form.
    pub fn read(name: &str, reader: R) -> Result<Self, InputError> {
        let mut lines = Lines {
            name: name.to_owned(),
            reader,
            number: 0,
        };
        let first = lines.next_filled()?.ok_or(InputError::Empty {
            name: name.to_owned(),
        })?;
        let is_array = first.trim_ascii_start().starts_with(b"[");
        let form = if is_array || is_unfinished(&first) {
            let text = lines.rest_after(first)?;
            let events = if is_array {
                json::parse_batch(&text)
            } else {
                json::parse(&text).map(|event| vec![event])
            };
            let refused = |source| InputError::NotAnEvent {
                place: name.to_owned(),
                source,
            };
            Form::Whole(events.map_err(refused)?.into_iter())
        } else {
            Form::Lines { first: Some(first) }
        };
        Ok(Self { lines, form })
    }

    fn next_of_lines(&mut self) -> Result<Option<Event>, InputError> {
        let line = match &mut self.form {
            Form::Lines { first } => match first.take() {
                Some(first) => Some(first),
                None => self.lines.next_filled()?,
            },
            Form::Whole(_) | Form::Ended => None,
        };
        let Some(line) = line else { return Ok(None) };
        let refused = |source| InputError::NotAnEvent {
            place: self.lines.place(),
            source,
        };
        json::parse(&line)
            .map(Some)
            .map_err(within_line)
            .map_err(refused)
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = Result<Event, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Form::Whole(events) = &mut self.form {
            return events.next().map(Ok);
        }
        let next = self.next_of_lines();
        if next.is_err() {
            self.form = Form::Ended;
        }
        next.transpose()
    }
}

/// Whether the line begins a JSON value that goes on after it. A line with a
/// mistake of another kind is a line.
fn is_unfinished(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof())
}

/// JSON counts the lines of one text, which here is one line of many.
fn within_line(error: ParseError) -> ParseError {
    match error.problem {
        Problem::Syntax(text) => {
            let problem = Problem::Syntax(text.replace(" at line 1 column ", " at column "));
            ParseError { problem, ..error }
        }
        problem => ParseError { problem, ..error },
    }
}

/// The lines of an input, counted from 1.
struct Lines<R> {
    name: String,
    reader: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line that is not blank.
    fn next_filled(&mut self) -> Result<Option<Vec<u8>>, InputError> {
        loop {
            let mut line = Vec::new();
            let mut bounded = (&mut self.reader).take(limits::BODY_BYTES_MAX as u64 + 1);
            let read = bounded.read_until(b'\n', &mut line);
            if read.map_err(|source| self.unread(source))? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if line.len() > limits::BODY_BYTES_MAX {
                return Err(InputError::TooLong {
                    place: self.place(),
                });
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// The first line and all that comes after it.
    fn rest_after(&mut self, mut text: Vec<u8>) -> Result<Vec<u8>, InputError> {
        let room = limits::BODY_BYTES_MAX.saturating_sub(text.len()) as u64;
        let read = (&mut self.reader).take(room + 1).read_to_end(&mut text);
        read.map_err(|source| self.unread(source))?;
        if text.len() > limits::BODY_BYTES_MAX {
            return Err(InputError::TooLong {
                place: self.name.clone(),
            });
        }
        Ok(text)
    }

    /// Where the last line stands.
    fn place(&self) -> String {
        format!("{}, line {}", self.name, self.number)
    }

    fn unread(&self, source: io::Error) -> InputError {
        InputError::Read {
            name: self.name.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn event(id: u32) -> String {
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"/a","type":"t"}}"#)
    }

    /// The ids of the events, and the error with its cause.
    fn read(input: &str) -> (Vec<String>, Option<String>) {
        let text = |error: InputError| match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        let mut ids = Vec::new();
        let events = match Events::read("orders", input.as_bytes()) {
            Ok(events) => events,
            Err(error) => return (ids, Some(text(error))),
        };
        let mut mistake = None;
        for event in events {
            assert!(mistake.is_none(), "nothing comes after a mistake");
            match event {
                Ok(event) => ids.push(event.id),
                Err(error) => mistake = Some(text(error)),
            }
        }
        (ids, mistake)
    }

    fn check(input: &str, ids: &[&str], mistake: Option<&str>) {
        let (found, error) = read(input);
        assert_eq!(found, ids, "{input}");
        assert_eq!(error.as_deref(), mistake, "{input}");
    }

    #[test]
    fn one_event_an_array_and_lines_are_told_apart() {
        let [one, two] = [event(1), event(2)];
        check(&one, &["1"], None);
        check(&one.replace(',', ",\n  "), &["1"], None);
        check(&format!("\n\n{one}\r\n\n  {two}\n\n"), &["1", "2"], None);
        check(&format!("[{one},\n{two}]\n"), &["1", "2"], None);
        check("[]", &[], None);
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_the_events_before_it_count() {
        let [one, two] = [event(1), event(2)];
        let no_source = two.replace("/a", "");
        check(
            &format!("{one}\n\n{no_source}\n{two}\n"),
            &["1"],
            Some("orders, line 3 is refused: `source` must not be empty"),
        );
        check(
            &format!("{one}\n{{\"id\" 2}}\n"),
            &["1"],
            Some("orders, line 2 is refused: the body is not JSON: expected `:` at column 7"),
        );
        check(
            &format!("oops\n{one}"),
            &[],
            Some("orders, line 1 is refused: an event must be a JSON object"),
        );
    }

    #[test]
    fn an_array_is_taken_or_refused_as_a_whole() {
        let [one, two] = [event(1), event(2).replace("1.0", "2.0")];
        let (ids, mistake) = read(&format!("[{one},{two}]"));
        assert!(ids.is_empty());
        let expected = "orders is refused: item 1 of the batch: `specversion` must be";
        assert!(
            mistake
                .as_ref()
                .is_some_and(|text| text.starts_with(expected)),
            "{mistake:?}"
        );
    }

    #[test]
    fn an_input_without_an_event_is_a_mistake() {
        check("", &[], Some("there is no event in orders"));
        check(" \n\n", &[], Some("there is no event in orders"));
    }

    #[test]
    fn no_line_and_no_document_is_read_without_end() {
        let long = " ".repeat(limits::BODY_BYTES_MAX);
        let max = limits::BODY_BYTES_MAX;
        let too_long =
            |place| format!("{place} is longer than {max} bytes; write one event on each line");
        check(
            &format!("{}\n{long}{{}}", event(1)),
            &["1"],
            Some(&too_long("orders, line 2")),
        );
        check(&format!("[\n{long}]"), &[], Some(&too_long("orders")));
    }
}
