//! Files that a rehearsal is given.

use std::path::Path;

use anyhow::anyhow;
use serde::de::DeserializeOwned;
use waystation_core::formats::json;
use waystation_core::{Event, limits};

use crate::cli::exit::{Exit, Failure};
use crate::cli::offline;

/// A JSON file of this shape, which is told if it has another.
pub fn json<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T, Failure> {
    let bytes = offline::bounded(path, limits::REHEARSAL_FILE_BYTES_MAX as u64)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("{}:{}:{}", path.display(), error.line(), error.column());
        Failure::new(Exit::Usage, anyhow!("{place}: {}", reason(&error, what)))
    })
}

/// The event in a file.
pub fn event(path: &Path) -> Result<Event, Failure> {
    let bytes = offline::bounded(path, limits::EVENT_FILE_BYTES_MAX as u64)?;
    json::parse(&bytes).map_err(|error| {
        let text = format!("`{}` is no event: {error}", path.display());
        Failure::new(Exit::Usage, anyhow!(text)).with_hint(
            "it is one CloudEvents event in JSON, with `specversion`, `id`, `source` and `type`",
        )
    })
}

/// What is wrong without the place, which stands in front already, and without what
/// the file holds.
fn reason(error: &serde_json::Error, what: &str) -> String {
    let text = error.to_string();
    if error.is_data() && !text.starts_with("missing field") {
        return format!("expected {what}");
    }
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    format!("expected {what}, found a mistake: {text}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{self, File};

    use waystation_core::StateImage;

    use super::*;

    #[test]
    fn a_file_without_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.json");
        let large = |bytes: usize| File::create(&path).unwrap().set_len(bytes as u64 + 1);
        let check = |failure: Failure, bytes_max: usize| {
            let (exit, text) = failure.parts();
            assert_eq!(exit, Exit::Usage);
            let expected = format!("large.json` has more than {bytes_max} bytes");
            assert!(text.contains(&expected), "{text}");
        };
        large(limits::EVENT_FILE_BYTES_MAX).unwrap();
        check(event(&path).unwrap_err(), limits::EVENT_FILE_BYTES_MAX);
        large(limits::REHEARSAL_FILE_BYTES_MAX).unwrap();
        let failure = json::<StateImage>(&path, "state").err().unwrap();
        check(failure, limits::REHEARSAL_FILE_BYTES_MAX);
        let endless = event(Path::new("/dev/zero")).unwrap_err().parts().1;
        assert!(endless.contains("`/dev/zero` has more than"), "{endless}");
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        fs::write(&path, "{\n  \"orders\": 1\n}").unwrap();
        let failure = json::<StateImage>(&path, "{\"NAMESPACE\": {..}}");
        let (exit, text) = failure.err().unwrap().parts();
        assert_eq!(exit, Exit::Usage);
        let expected = "state.json:2:13: expected {\"NAMESPACE\": {..}}\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_mistake_is_told_without_what_the_file_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let told = |text: &str| {
            fs::write(&path, text).unwrap();
            let read = json::<BTreeMap<String, String>>(&path, "{\"KEY\": \"VALUE\"}");
            read.unwrap_err().parts().1
        };
        for text in [
            "\"topsecretvalue\"",
            "[\"topsecretvalue\"]",
            "{\"a\": 4711}",
        ] {
            let told = told(text);
            assert!(
                told.ends_with(": expected {\"KEY\": \"VALUE\"}\n"),
                "{told}"
            );
        }
        let cut = told("{\"key\": \"topsecretvalue\"");
        assert!(
            cut.contains("expected {\"KEY\": \"VALUE\"}, found a mistake: EOF"),
            "{cut}"
        );
        assert!(!cut.contains("topsecret"), "{cut}");
    }
}
