//! HTTP: where events come in, and what operators and programs ask.
//!
//! [`ingest`] takes events, [`admin`] answers about the journal, the handlers
//! and the deliveries, and [`listener`] carries either over a TCP port. Each is
//! given what it works on; none starts, stops or configures anything. Every
//! error is a [`problem`].

pub mod admin;
mod body;
pub mod door;
pub mod ingest;
pub mod listener;
mod problem;
pub mod webhook;
