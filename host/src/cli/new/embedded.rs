//! The files that the binary carries, listed by the build script: as nothing of
//! Waystation is on a package registry yet, a new package gets its SDK from here.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Files by their path.
pub type Files = &'static [(&'static str, &'static str)];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: Files, expected: &str, not_expected: &str) {
        let has = |start: &str| files.iter().any(|(path, _)| path.starts_with(start));
        assert!(has(expected), "{expected}");
        assert!(!has(not_expected), "{not_expected}");
    }

    #[test]
    fn an_sdk_is_whole_and_holds_no_other() {
        check(WIT, "events.wit", "wit/");
        check(WIT, "deps/wasi-http/http.wit", "target");
        for part in ["Cargo.toml", "src/lib.rs", "macros/src/lib.rs"] {
            check(RUST_SDK, part, "template");
        }
        check(RUST_SDK, "README.md", "javascript");
        check(RUST_SDK, "README.md", "python");
        check(RUST_TEMPLATE, "cases/first/event.json", "sdk");
        check(RUST_TEMPLATE, ".gitignore", "sdk");
        for part in ["package.json", "engine.mjs", "src/guest/promise.js"] {
            check(JAVASCRIPT_SDK, part, "node_modules");
        }
        check(JAVASCRIPT_SDK, "README.md", "tests");
        check(JAVASCRIPT_TEMPLATE, ".gitignore", "sdk");
    }
}
