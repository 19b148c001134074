//! Commands to copy into a shell.

use std::path::Path;

/// A path as one word of a command.
pub fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_and_no_command() {
        let check = |path: &str, expected: &str| assert_eq!(word(Path::new(path)), expected);
        check("handlers/mail-1.wasm", "handlers/mail-1.wasm");
        check("größe", "größe");
        check("my dir", "'my dir'");
        check("it's $HOME", r"'it'\''s $HOME'");
        check("~", "'~'");
        check("", "''");
    }
}
