//! One attempt without a host: what `invoke` and `test` share.

pub mod files;
pub mod report;
pub mod stage;
