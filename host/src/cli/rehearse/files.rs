//! Files that a rehearsal is given.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde::de::DeserializeOwned;
use waystation_core::Event;
use waystation_core::formats::json;

use crate::cli::exit::{Exit, Failure};

/// The bytes of a file.
fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()));
    read.map_err(Failure::from)
}

/// A JSON file of this shape.
pub fn json<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T, Failure> {
    serde_json::from_slice(&bytes(path)?).map_err(|error| {
        let place = format!("{}:{}:{}", path.display(), error.line(), error.column());
        Failure::new(
            Exit::Usage,
            anyhow!("{place}: this is not {what}: {}", reason(&error)),
        )
    })
}

/// The event in a file.
pub fn event(path: &Path) -> Result<Event, Failure> {
    json::parse(&bytes(path)?).map_err(|error| {
        let text = format!("`{}` is no event: {error}", path.display());
        Failure::new(Exit::Usage, anyhow!(text)).with_hint(
            "it is one CloudEvents event in JSON, with `specversion`, `id`, `source` and `type`",
        )
    })
}

/// What is wrong without the place, which stands in front already.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use waystation_core::StateImage;

    use super::*;

    #[test]
    fn a_mistake_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        fs::write(&path, "{\n  \"orders\": 1\n}").unwrap();
        let failure = json::<StateImage>(&path, "state").err().unwrap();
        let (exit, text) = failure.parts();
        assert_eq!(exit, Exit::Usage);
        assert!(
            text.contains("state.json:2:13: this is not state: "),
            "{text}"
        );
    }
}
