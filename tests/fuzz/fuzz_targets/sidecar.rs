//! The sidecar: whatever it says, there is an answer, with a line for each
//! mistake that has one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waystation_folder::Sidecar;

fuzz_target!(|text: &str| {
    if let Err(mistakes) = Sidecar::parse(text) {
        assert!(!mistakes.to_string().is_empty());
    }
});
