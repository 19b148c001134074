//! One attempt without a host: what `invoke`, `test` and `dev --replay` share.

pub mod deed;
pub mod files;
pub mod report;
pub mod stage;
