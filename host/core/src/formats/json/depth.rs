//! The nesting of a JSON text.

/// The number of brackets that open: the nesting is no deeper. Quicker to find out
/// than [`depth`].
pub(super) fn brackets(text: &str) -> usize {
    let is_bracket = |byte: &u8| matches!(byte, b'[' | b'{');
    text.bytes().filter(is_bracket).count()
}

/// The deepest nesting of arrays and objects in a JSON text: 0 for a scalar.
///
/// It looks at brackets outside strings and takes the text for JSON, valid or
/// not, so it can run before the parser.
pub(super) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_brackets_outside_strings() {
        for (text, expected) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[1,{"b":{}}],"c":[]}"#, 4),
            (r#"["[[[","\"[[","\\"]"#, 1),
            ("]]][", 1),
        ] {
            assert_eq!(depth(text), expected, "{text}");
            assert!(brackets(text) >= expected, "{text}");
        }
    }
}
