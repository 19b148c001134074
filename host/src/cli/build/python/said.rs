//! What a build that failed said: the author's part of it.

use std::path::Path;

/// What the SDK puts around the author's mistake (`waystation_sdk/_guest.py`).
const MARKS: [&str; 2] = ["<<<\n", "\n>>>"];

/// The author's mistake without the stack of the tools.
pub fn by_author(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(MARKS[0])?;
    Some(rest.split_once(MARKS[1])?.0)
}

/// What to do about it, if that is known.
pub fn hint(mistake: &str, manifest: &Path) -> String {
    let last = mistake.lines().last().unwrap_or_default();
    let Some(rest) = last.strip_prefix("ModuleNotFoundError: No module named '") else {
        return String::new();
    };
    let module = rest.split(['\'', '.']).next().unwrap_or_default();
    format!(
        "\n  if `{module}` is a library, name its package under `dependencies` in {}",
        manifest.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_part_is_between_the_marks() {
        let text =
            "AssertionError: Traceback\nUnloadable: <<<\nFile\nOops\n>>>\nCaused by: us\n>>>";
        assert_eq!(by_author(text), Some("File\nOops"));
        assert_eq!(by_author("thread 'main' panicked"), None);
    }

    #[test]
    fn a_missing_library_is_to_be_declared() {
        let manifest = Path::new("mail/pyproject.toml");
        let hint = |last: &str| hint(&format!("File\n{last}"), manifest);
        let missing = hint("ModuleNotFoundError: No module named 'yaml.reader'");
        assert!(missing.contains("`yaml`") && missing.contains("mail/pyproject.toml"));
        assert_eq!(hint("ImportError: cannot import name 'x' from 'y'"), "");
    }
}
