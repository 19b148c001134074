//! The JSON format: one event as an object, a batch as an array of them.
//!
//! Nothing goes through a tree of values. Each member is kept as the raw text
//! that came, so a member that is there twice is seen, and JSON data keeps every
//! byte.

mod depth;
mod parse;
mod serialize;

pub use parse::{parse, parse_batch};
pub use serialize::{Structured, to_json};
