//! The rules for the attributes of an event.
//!
//! They come from the core specification of CloudEvents 1.0.2, "Naming
//! Conventions", "Type System" and the constraints of each attribute. They hold
//! for an event from anywhere: every format and every draft of a handler is
//! checked by them.

mod timestamp;

use iri_string::spec::UriSpec;
use iri_string::validate;

use crate::{MediaType, Timestamp, limits};

/// The names that the specification defines. No extension attribute has one.
pub(crate) const CORE: [&str; 8] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
];

/// An attribute that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{attribute}` {rule}")]
pub struct AttributeError {
    /// The name of the attribute, fit to be shown: cut to
    /// [`ATTRIBUTE_NAME_BYTES_MAX`](limits::ATTRIBUTE_NAME_BYTES_MAX), with
    /// control characters escaped.
    pub attribute: String,
    /// The rule that it breaks.
    pub rule: Rule,
}

impl AttributeError {
    pub(crate) fn new(attribute: &str, rule: Rule) -> Self {
        let end = attribute.floor_char_boundary(limits::ATTRIBUTE_NAME_BYTES_MAX);
        let (head, tail) = attribute.split_at(end);
        let mut shown = head.escape_debug().to_string();
        if !tail.is_empty() {
            shown.push('…');
        }
        Self {
            attribute: shown,
            rule,
        }
    }
}

/// A rule for an attribute or for the data. Its text goes on after the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// The attribute is not there.
    #[error("is required")]
    Required,
    /// There is no text in it.
    #[error("must not be empty")]
    Empty,
    /// It is there more than once.
    #[error("is there more than once; it may be there once")]
    Duplicate,
    /// "Naming Conventions".
    #[error(
        "is no attribute name: use lower-case letters and digits, at most {max} of them",
        max = limits::ATTRIBUTE_NAME_BYTES_MAX
    )]
    Name,
    /// A name with a meaning of its own.
    #[error("cannot be an extension attribute: the name has another meaning in CloudEvents")]
    Reserved,
    /// The value is too long.
    #[error("is longer than {max} bytes", max = limits::ATTRIBUTE_BYTES_MAX)]
    Length,
    /// "Type System", String.
    #[error("holds U+{:04X}; control characters and noncharacters are not allowed", u32::from(*.0))]
    Character(char),
    /// "Type System", String: half of a pair, as in the JSON text `"\uD800"`.
    #[error("holds half of a surrogate pair; write the whole pair or the character itself")]
    Surrogate,
    /// The version of the specification.
    #[error("must be `1.0`, the only version of CloudEvents that is understood here")]
    Version,
    /// RFC 3986, section 4.1.
    #[error(
        "must be a URI-reference, such as `/orders` or `https://example.com/orders`; \
         spaces and letters beyond ASCII are percent-encoded"
    )]
    UriReference,
    /// RFC 3986, section 4.3.
    #[error("must be an absolute URI without a fragment, such as `https://example.com/schema/1`")]
    AbsoluteUri,
    /// RFC 3339, section 5.6.
    #[error("must be RFC 3339 with an offset, such as 2026-01-31T12:00:00Z")]
    Timestamp,
    /// RFC 2045, section 5.1.
    #[error("must be a media type, such as `application/json` or `text/plain; charset=utf-8`")]
    MediaType,
    /// JSON format, section 2.2: a value that is neither text nor a scalar that
    /// an extension attribute may have.
    #[error("must be a JSON string; an extension attribute may be a boolean or a whole number too")]
    Type,
    /// "Type System", Integer.
    #[error("must be a whole number from -2147483648 to 2147483647")]
    Integer,
    /// JSON format, section 3.1.1.
    #[error("and `data` exclude each other; send one of them")]
    DataTwice,
    /// JSON format, section 3.1.2.
    #[error("must be a JSON string, as `datacontenttype` declares no JSON; or use `data_base64`")]
    DataText,
    /// JSON format, section 3.1.2: text whose bytes are not known here.
    #[error("is text in a `charset` other than UTF-8; send its bytes in `data_base64`")]
    DataCharset,
    /// RFC 4648, section 4.
    #[error("must be a string in base64 with its padding (RFC 4648, section 4)")]
    Base64,
    /// HTTP binding, section 3.1.3.2: a byte outside printable ASCII.
    #[error("must be percent-encoded UTF-8: a header holds printable ASCII only")]
    HeaderAscii,
    /// HTTP binding, section 3.1.3.2: a quoted value that is not closed, or goes on.
    #[error("begins with a double quote, and no double quote ends it")]
    HeaderQuote,
    /// HTTP binding, section 3.1.3.2: `%` without two digits.
    #[error("holds a `%` without two hexadecimal digits; write `%25` for a percent sign")]
    HeaderPercent,
    /// HTTP binding, section 3.1.3.2: not UTF-8 after decoding.
    #[error("is not UTF-8 once it is percent-decoded")]
    HeaderUtf8,
    /// HTTP binding, section 3.1.1.
    #[error("must not be a `ce-` header: in binary mode it is the header Content-Type")]
    HeaderContentType,
}

impl Rule {
    /// The rule in a word that never changes, for programs.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Empty => "empty",
            Self::Duplicate => "duplicate",
            Self::Name => "name",
            Self::Reserved => "reserved",
            Self::Length => "length",
            Self::Character(_) => "character",
            Self::Surrogate => "surrogate",
            Self::Version => "version",
            Self::UriReference => "uri-reference",
            Self::AbsoluteUri => "absolute-uri",
            Self::Timestamp => "timestamp",
            Self::MediaType => "media-type",
            Self::Type => "type",
            Self::Integer => "integer",
            Self::DataTwice => "data-twice",
            Self::DataText => "data-text",
            Self::DataCharset => "data-charset",
            Self::Base64 => "base64",
            Self::HeaderAscii => "header-ascii",
            Self::HeaderQuote => "header-quote",
            Self::HeaderPercent => "header-percent",
            Self::HeaderUtf8 => "header-utf8",
            Self::HeaderContentType => "header-content-type",
        }
    }
}

/// What the value of an attribute must be, beyond a String of the type system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Any text.
    Text,
    /// Any text but the empty one.
    NonEmpty,
    UriReference,
    AbsoluteUri,
    Timestamp,
    MediaType,
}

/// Checks the value of an attribute.
pub(crate) fn check_value(name: &str, syntax: Syntax, value: &str) -> Result<(), AttributeError> {
    match broken_rule(syntax, value) {
        None => Ok(()),
        Some(rule) => Err(AttributeError::new(name, rule)),
    }
}

fn broken_rule(syntax: Syntax, value: &str) -> Option<Rule> {
    if value.len() > limits::ATTRIBUTE_BYTES_MAX {
        return Some(Rule::Length);
    }
    if value.is_empty() {
        return (syntax != Syntax::Text).then_some(Rule::Empty);
    }
    if let Some(c) = value.chars().find(|c| is_disallowed(*c)) {
        return Some(Rule::Character(c));
    }
    let (holds, rule) = match syntax {
        Syntax::Text | Syntax::NonEmpty => return None,
        Syntax::UriReference => (
            validate::iri_reference::<UriSpec>(value).is_ok(),
            Rule::UriReference,
        ),
        Syntax::AbsoluteUri => (
            validate::absolute_iri::<UriSpec>(value).is_ok(),
            Rule::AbsoluteUri,
        ),
        Syntax::Timestamp => (timestamp::millis(value).is_some(), Rule::Timestamp),
        Syntax::MediaType => (MediaType::parse(value).is_some(), Rule::MediaType),
    };
    (!holds).then_some(rule)
}

/// The moment that a timestamp means, if the text is one. What is before 1970 is
/// the beginning of 1970.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    let millis = timestamp::millis(text)?;
    Some(Timestamp::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// Whether the String type of the type system disallows the character: the
/// control characters U+0000–1F and U+007F–9F, and the noncharacters of Unicode.
fn is_disallowed(c: char) -> bool {
    let code = u32::from(c);
    c.is_control() || (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

/// Checks the name of an extension attribute.
pub(crate) fn check_extension_name(name: &str) -> Result<(), AttributeError> {
    check_name(name)?;
    if name == "data" || CORE.contains(&name) {
        return Err(AttributeError::new(name, Rule::Reserved));
    }
    Ok(())
}

/// Checks the name of an attribute by "Naming Conventions".
pub(crate) fn check_name(name: &str) -> Result<(), AttributeError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if name.is_empty()
        || name.len() > limits::ATTRIBUTE_NAME_BYTES_MAX
        || !name.bytes().all(allowed)
    {
        return Err(AttributeError::new(name, Rule::Name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(syntax: Syntax, value: &str, expected: Option<Rule>) {
        assert_eq!(broken_rule(syntax, value), expected, "{syntax:?} {value:?}");
    }

    #[test]
    fn a_string_holds_no_control_character_and_no_noncharacter() {
        for value in ["a b", "\u{20}~\u{A0}", "é日😀", "\u{FDCF}\u{FDF0}\u{FFFD}"] {
            check(Syntax::NonEmpty, value, None);
        }
        let disallowed = [
            '\0',
            '\t',
            '\n',
            '\u{1F}',
            '\u{7F}',
            '\u{80}',
            '\u{9F}',
            '\u{FDD0}',
            '\u{FDEF}',
            '\u{FFFE}',
            '\u{FFFF}',
            '\u{1FFFE}',
            '\u{10FFFF}',
        ];
        for c in disallowed {
            check(Syntax::Text, &format!("a{c}"), Some(Rule::Character(c)));
        }
        check(Syntax::Text, "", None);
        check(Syntax::NonEmpty, "", Some(Rule::Empty));
        check(Syntax::Text, &"x".repeat(limits::ATTRIBUTE_BYTES_MAX), None);
        let long = "x".repeat(limits::ATTRIBUTE_BYTES_MAX + 1);
        check(Syntax::Text, &long, Some(Rule::Length));
    }

    #[test]
    fn a_source_is_a_uri_reference() {
        for value in [
            "https://github.com/cloudevents",
            "mailto:cncf-wg-serverless@lists.cncf.io",
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
            "/cloudevents/spec/pull/123",
            "1-555-123-4567",
            "//[::1]:80/a?b#c",
            "#",
        ] {
            check(Syntax::UriReference, value, None);
        }
        for value in [
            "a b", "ä", "%", "%4", "%zz", "a\"b", "<a>", "1:2", "//[::1", "a#b#c", "\\",
        ] {
            check(Syntax::UriReference, value, Some(Rule::UriReference));
        }
    }

    #[test]
    fn a_data_schema_is_an_absolute_uri() {
        for value in ["https://example.com/s/1?v=2", "urn:a:b", "a:"] {
            check(Syntax::AbsoluteUri, value, None);
        }
        for value in ["/s", "example.com", "//a/b", "https://a/b#c", ":a", "1a:b"] {
            check(Syntax::AbsoluteUri, value, Some(Rule::AbsoluteUri));
        }
    }

    #[test]
    fn an_extension_name_is_lower_case_letters_and_digits_and_not_taken() {
        let longest = "a".repeat(limits::ATTRIBUTE_NAME_BYTES_MAX);
        for name in ["partitionkey", "1", "datax", &longest] {
            assert_eq!(check_extension_name(name), Ok(()), "{name}");
        }
        let too_long = format!("{longest}a");
        for name in ["", "Abc", "a_b", "a-b", "ä", "data_base64", &too_long] {
            let error = check_extension_name(name).unwrap_err();
            assert_eq!(error.rule, Rule::Name, "{name}");
        }
        for name in CORE.into_iter().chain(["data"]) {
            let error = check_extension_name(name).unwrap_err();
            assert_eq!(error.rule, Rule::Reserved, "{name}");
        }
    }

    #[test]
    fn a_message_names_the_attribute_and_the_rule_and_stays_short() {
        let error = AttributeError::new("time", Rule::Timestamp);
        assert_eq!(
            error.to_string(),
            "`time` must be RFC 3339 with an offset, such as 2026-01-31T12:00:00Z"
        );
        let error = AttributeError::new("subject", Rule::Character('\u{1}'));
        assert_eq!(
            error.to_string(),
            "`subject` holds U+0001; control characters and noncharacters are not allowed"
        );
        let error = AttributeError::new(&"\u{1b}".repeat(1_000_000), Rule::Name);
        assert!(error.to_string().len() < 1_000);
        assert!(!error.to_string().contains('\u{1b}'));
    }
}
