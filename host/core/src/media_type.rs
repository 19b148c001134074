//! The media type of data.

/// A media type: `type/subtype` and parameters, by RFC 2045, section 5.1.
///
/// White space may stand around a `;` and nowhere else. Comments are not
/// understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType<'a> {
    main: &'a str,
    subtype: &'a str,
    charset: Option<String>,
}

impl<'a> MediaType<'a> {
    /// Reads a media type. None if the text is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (main, rest) = text.split_once('/')?;
        let (subtype, mut rest) = rest.split_at(rest.find([';', ' ', '\t']).unwrap_or(rest.len()));
        if !is_token(main) || !is_token(subtype) {
            return None;
        }
        let mut charset = None;
        while !rest.is_empty() {
            let (name, value, after) = parameter(rest)?;
            if name.eq_ignore_ascii_case("charset") {
                charset.get_or_insert(value);
            }
            rest = after;
        }
        Some(Self {
            main,
            subtype,
            charset,
        })
    }

    /// Whether it is this type and subtype, whatever the case and the parameters.
    pub fn is(&self, main: &str, subtype: &str) -> bool {
        self.main.eq_ignore_ascii_case(main) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether it declares JSON: `*/json` or `*/*+json` (CloudEvents JSON format,
    /// section 3.1.1).
    pub fn is_json(&self) -> bool {
        let suffix = self.subtype.rsplit_once('+').map(|(_, suffix)| suffix);
        suffix.unwrap_or(self.subtype).eq_ignore_ascii_case("json")
    }

    /// Whether text of this type can be written in UTF-8: it names no other
    /// `charset`.
    pub fn allows_utf8(&self) -> bool {
        self.charset.as_ref().is_none_or(|charset| {
            charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
        })
    }
}

/// Takes `; name=value`, and gives back what comes after it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let blank = [' ', '\t'];
    let text = text.trim_start_matches(blank).strip_prefix(';')?;
    let (name, text) = text.trim_start_matches(blank).split_once('=')?;
    let (value, after) = if text.starts_with('"') {
        quoted_string(text)?
    } else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        (is_token(value).then(|| value.to_owned())?, after)
    };
    is_token(name).then_some((name, value, after))
}

/// Takes a string in double quotes, in which a backslash escapes any character
/// (RFC 7230, section 3.2.6, for ASCII), and gives back what comes after it.
pub(crate) fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut value = String::new();
    loop {
        let c = match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => chars.next()?,
            c => c,
        };
        if !matches!(c, '\t' | ' '..='~') {
            return None;
        }
        value.push(c);
    }
}

/// A `token` of RFC 2045: printable ASCII without space and `tspecials`.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| {
            let is_special = matches!(
                byte,
                b'(' | b')'
                    | b'<'
                    | b'>'
                    | b'@'
                    | b','
                    | b';'
                    | b':'
                    | b'\\'
                    | b'"'
                    | b'/'
                    | b'['
                    | b']'
                    | b'?'
                    | b'='
            );
            byte.is_ascii_graphic() && !is_special
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_rfc_2045_takes() {
        for text in [
            "application/json",
            "TEXT/Plain; CharSet=utf-8",
            "text/plain;charset=utf-8 ; format=flowed",
            "application/vnd.apache.thrift.binary",
            "application/geo+json-seq",
            "multipart/mixed; boundary=\"a b;\\\"c\"",
            "text/plain; a=\"\"",
        ] {
            assert!(MediaType::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn refuses_what_rfc_2045_refuses() {
        for text in [
            "",
            "json",
            "/json",
            "application/",
            "a/b/c",
            " a/b",
            "a/b ",
            "a /b",
            "a/b;",
            "a/b; c",
            "a/b; c=",
            "a/b; =c",
            "a/b; c =d",
            "a/b; c= d",
            "a/b; c=\"d",
            "a/b; c=\"d\"e",
            "a/b; c=d, e/f",
            "a/b c=d",
            "a/b (comment)",
            "ä/b",
            "a/b; c=\"ä\"",
        ] {
            assert_eq!(MediaType::parse(text), None, "{text}");
        }
    }

    #[test]
    fn json_is_a_subtype_or_a_suffix() {
        let is_json = |text| MediaType::parse(text).unwrap().is_json();
        for text in [
            "application/json",
            "text/JSON; charset=utf-8",
            "application/cloudevents+Json",
            "a/b+c+json",
        ] {
            assert!(is_json(text), "{text}");
        }
        for text in [
            "json/a",
            "application/jsonx",
            "application/geo+json-seq",
            "a/xjson",
        ] {
            assert!(!is_json(text), "{text}");
        }
    }

    #[test]
    fn the_charset_is_read_whatever_its_case_and_quotes() {
        let allows = |text| MediaType::parse(text).unwrap().allows_utf8();
        for text in ["a/b", "a/b;charset=UTF-8", "a/b; x=y; CHARSET=\"utf\\-8\""] {
            assert!(allows(text), "{text}");
        }
        for text in ["a/b;charset=iso-8859-1", "a/b;charset=\"utf-16\""] {
            assert!(!allows(text), "{text}");
        }
    }
}
