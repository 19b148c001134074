//! Text from outside, made fit for a terminal.
//!
//! An event or a guest may put anything into its texts: what moves the cursor,
//! changes colours or turns the direction of writing never reaches a terminal.

/// The text on one line: each run of white space and of characters that steer a
/// terminal becomes one space.
pub fn line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || steers(c) {
            gap = true;
            continue;
        }
        if gap && !clean.is_empty() {
            clean.push(' ');
        }
        gap = false;
        clean.push(c);
    }
    clean
}

/// The lines of a text that are not blank, each as by [`line()`].
pub fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(line).filter(|line| !line.is_empty())
}

/// JSON with every character that steers a terminal escaped. Such characters
/// stand only inside strings, where an escape means the same; line feeds between
/// values stay.
pub fn json(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) && c != '\n' {
            clean.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            clean.push(c);
        }
    }
    clean
}

/// Whether a terminal would act on the character: a control character or one of
/// the directional formatting characters of Unicode (UAX #9).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_nothing_that_steers_a_terminal() {
        for (text, expected) in [
            ("plain text", "plain text"),
            (" a \n\t b ", "a b"),
            ("a\u{1b}[31mred\u{9b}0m", "a [31mred 0m"),
            ("\u{202e}txt.exe", "txt.exe"),
            ("é日😀", "é日😀"),
            ("\r\n", ""),
        ] {
            assert_eq!(line(text), expected, "{text:?}");
        }
        assert_eq!(lines("a\n\n \x07b\nc").collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "{\n  \"a\": \"\u{9b}31m\u{202e}é\"\n}";
        let clean = json(text);
        assert_eq!(clean, "{\n  \"a\": \"\\u009b31m\\u202eé\"\n}");
        let [before, after] =
            [text, &clean].map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert_eq!(before, after);
    }
}
