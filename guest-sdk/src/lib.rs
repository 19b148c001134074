//! Write event handlers for Waystation in Rust.
