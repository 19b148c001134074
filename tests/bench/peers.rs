use crate::report::Report;
pub fn run() -> Report { Report::new("peers") }
