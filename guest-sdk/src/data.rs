//! From the bytes of an event's data to the type that a handler wants.
//!
//! A rejection is read by operators and stands in logs, so it must hold nothing
//! of the data itself: it says where the fault is and what was expected there.

use serde::de::DeserializeOwned;

use crate::HandlerError;

/// Data as it came, for what is not JSON. None is not the same as no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawData(pub Option<Vec<u8>>);

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the data of an event",
    label = "it does not derive `Deserialize`",
    note = "derive it: `#[derive(serde::Deserialize)]`; or take `RawData` for what is not JSON"
)]
/// What the data of an event can be decoded to: each type that serde can read
/// from JSON, and [`RawData`].
pub trait FromData: Sized {
    /// Decodes the data of an event of this type, in the given media type. None
    /// means JSON.
    ///
    /// # Errors
    /// A rejection that names the path to the fault.
    fn from_data(
        event_type: &str,
        content_type: Option<&str>,
        data: RawData,
    ) -> Result<Self, HandlerError>;
}

impl FromData for RawData {
    fn from_data(_: &str, _: Option<&str>, data: RawData) -> Result<Self, HandlerError> {
        Ok(data)
    }
}

impl<T: DeserializeOwned> FromData for T {
    fn from_data(_: &str, content_type: Option<&str>, data: RawData) -> Result<Self, HandlerError> {
        if !content_type.is_none_or(is_json) {
            return Err(HandlerError::reject(
                "the handler wants JSON, but the event's datacontenttype is another media type",
            ));
        }
        // An event without data decodes to `()` and `Option`, as JSON's null does.
        let bytes = data.0.as_deref().unwrap_or(b"null");
        from_json(bytes, "data").map_err(HandlerError::reject)
    }
}

/// Reads a value from JSON that is called so. The error says where it is none and
/// what was expected there, but holds nothing of it.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| explain(name, &error.path().to_string(), error.inner()))?;
    json.end().map_err(|error| explain(name, ".", &error))?;
    Ok(value)
}

/// RFC 6839 lets any media type be JSON by its suffix, and CloudEvents 1.0
/// (JSON format, section 3.1) takes any `*/json` too. Parameters say nothing of it.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

fn explain(name: &str, path: &str, error: &serde_json::Error) -> String {
    let path = match path {
        "." => name.to_owned(),
        index if index.starts_with('[') => format!("{name}{index}"),
        field => format!("{name}.{field}"),
    };
    // serde forgets the place of what it had to buffer, as for tagged enums.
    let place = match error.line() {
        0 => String::new(),
        line => format!(" (line {line} column {})", error.column()),
    };
    format!("{path}: {}{place}", fault(error))
}

/// What is wrong, without the value that is wrong.
///
/// serde's message begins with the value it found and ends with what the type
/// expected there; a type's own message may hold the value anywhere, so it is
/// not shown.
fn fault(error: &serde_json::Error) -> String {
    if !error.is_data() {
        return "expected JSON".to_owned();
    }
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(text, _)| text);
    if message.starts_with("missing field `") || message.starts_with("duplicate field `") {
        return message.to_owned();
    }
    let of_serde = [
        "invalid type: ",
        "invalid value: ",
        "invalid length ",
        "unknown ",
    ];
    match message.rsplit_once(", expected ") {
        Some((found, expected)) if of_serde.iter().any(|start| found.starts_with(start)) => {
            format!("expected {expected}")
        }
        _ => "not a value that the handler takes".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Order {
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Line {
        sku: String,
        quantity: u32,
        #[serde(default)]
        colour: Option<Colour>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    fn check(data: &str, expected: &str) {
        let error = Order::from_data("a", None, RawData(Some(data.into()))).unwrap_err();
        assert_eq!(error, HandlerError::reject(expected), "{data}");
    }

    #[test]
    fn a_rejection_names_the_path_and_never_the_value() {
        check(
            r#"{"lines":[{"sku":"a","quantity":1},{"sku":"b","quantity":"secret"}]}"#,
            "data.lines[1].quantity: expected u32 (line 1 column 65)",
        );
        check(
            r#"{"lines":[{"sku":"a","quantity":-71}]}"#,
            "data.lines[0].quantity: expected u32 (line 1 column 35)",
        );
        check(
            r#"{"lines":[{"sku":"a"}]}"#,
            "data.lines[0]: missing field `quantity` (line 1 column 21)",
        );
        check(
            r#"{"lines":[], "secret": 1}"#,
            "data.secret: expected `lines` (line 1 column 21)",
        );
        check(
            r#"{"lines":[{"sku":"a","quantity":1,"colour":"secret, expected nothing"}]}"#,
            "data.lines[0].colour: expected `red` or `green` (line 1 column 69)",
        );
        check("[1]", "data[0]: expected a sequence (line 1 column 2)");
        check("7", "data: expected struct Order (line 1 column 1)");
        check("{\"lines\":", "data.lines: expected JSON (line 1 column 9)");
        check(
            "{\"lines\":[]} secret",
            "data: expected JSON (line 1 column 14)",
        );
    }

    #[test]
    fn a_type_s_own_message_is_not_shown() {
        let data = RawData(Some(br#""no-address""#.to_vec()));
        let error = std::net::IpAddr::from_data("a", None, data).unwrap_err();
        assert_eq!(
            error,
            HandlerError::reject("data: not a value that the handler takes (line 1 column 12)")
        );
    }

    #[test]
    fn an_event_without_data_is_null() {
        assert_eq!(
            Option::<Order>::from_data("a", None, RawData(None)).unwrap(),
            None
        );
        let error = Order::from_data("a", None, RawData(None)).unwrap_err();
        assert!(
            error.reason().starts_with("data: expected struct Order"),
            "{error:?}"
        );
    }

    #[test]
    fn only_json_is_decoded() {
        for (content_type, accepted) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.example.order+json", true),
            ("text/json", true),
            ("text/plain", false),
            ("application/jsonx", false),
            ("", false),
        ] {
            let decoded = <()>::from_data("a", Some(content_type), RawData(None));
            assert_eq!(decoded.is_ok(), accepted, "{content_type:?}");
        }
    }

    #[test]
    fn raw_data_is_taken_as_it_is() {
        let data = RawData(Some(vec![0xff, 0x00]));
        assert_eq!(
            RawData::from_data("a", Some("image/png"), data.clone()).unwrap(),
            data
        );
    }
}
