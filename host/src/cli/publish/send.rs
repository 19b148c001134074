//! Events in requests of a bounded size.

use std::thread;
use std::time::Duration;

use waystation_core::formats::json::to_json;
use waystation_core::{Event, limits};

use super::Next;
use super::input::InputError;
use super::report::Report;
use crate::api::Accepted;
use crate::cli::client::{Client, Error};
use crate::cli::exit::{Exit, Failure};
use crate::cli::table;

/// Sends all events up to the first mistake, and adds to the report what the host
/// took. Calls `sent` after each request.
pub fn all(
    client: &Client,
    events: impl Iterator<Item = Next>,
    report: &mut Report,
    sent: impl Fn(),
) -> Result<(), Failure> {
    let mut batch = Batch::default();
    let mut mistake = None;
    for event in events {
        match event {
            Ok(event) => batch.push(event)?,
            Err(error) => {
                mistake = Some(error);
                break;
            }
        }
        if batch.is_full() {
            batch.send(client, report)?;
            sent();
        }
    }
    batch.send(client, report)?;
    match mistake {
        None => Ok(()),
        Some(error) => Err(ended(error, report.total())),
    }
}

/// A mistake that ends the input, with what it means for the events around it.
pub fn ended(error: InputError, before: u64) -> Failure {
    let hint = match before {
        0 => "nothing was sent".to_owned(),
        before => format!(
            "the {} before it {} stored, nothing after it was sent; correct it and publish all of \
             it again: what is stored is not stored twice",
            table::count(before, "event"),
            if before == 1 { "is" } else { "are" }
        ),
    };
    Failure::from(error).with_hint(hint)
}

/// A JSON array of events that grows (JSON batch format of CloudEvents).
#[derive(Default)]
struct Batch {
    body: Vec<u8>,
    events: usize,
    last: Option<Event>,
}

impl Batch {
    fn push(&mut self, event: Event) -> Result<(), Failure> {
        let json = to_json(&event).map_err(|error| Failure::new(Exit::Usage, error))?;
        self.body.push(if self.events == 0 { b'[' } else { b',' });
        self.body.extend_from_slice(&json);
        self.events += 1;
        self.last = Some(event);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.events >= limits::PUBLISH_EVENTS || self.body.len() >= limits::PUBLISH_BYTES
    }

    /// Sends the events, if there are any, and is empty again.
    fn send(&mut self, client: &Client, report: &mut Report) -> Result<(), Failure> {
        let Self { mut body, last, .. } = std::mem::take(self);
        let Some(last) = last else { return Ok(()) };
        body.push(b']');
        let accepted = patiently(|| {
            client.post::<Accepted>("/events", "application/cloudevents-batch+json", &body)
        })?;
        report.add(&accepted, last);
        Ok(())
    }
}

/// Tries again while the host is busy. That is safe: an event that is there is
/// not stored twice.
fn patiently<T>(mut request: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..limits::PUBLISH_TRIES_MAX {
        match request() {
            Err(Error::Busy { after, .. }) => pause(after.min(limits::PUBLISH_PAUSE_MAX)),
            answer => return answer,
        }
    }
    request()
}

#[allow(
    clippy::disallowed_methods,
    reason = "the host asked for a pause, not for an event"
)]
fn pause(pause: Duration) {
    thread::sleep(pause);
}

#[cfg(test)]
mod tests {

    use std::iter;

    use super::super::input::Events;
    use super::*;
    use crate::cli::client::tests::{answer, listener, problem};

    fn line(id: usize) -> String {
        format!("{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/a\",\"type\":\"t\"}}\n")
    }

    fn accepted(accepted: usize, duplicates: usize) -> String {
        let sequences: Vec<_> = (1..=accepted + duplicates).collect();
        let body = serde_json::json!({
            "accepted": accepted, "duplicates": duplicates, "sequences": sequences,
        });
        answer("202 Accepted", &body.to_string())
    }

    /// Publishes the lines to a host that gives these answers: the report, the
    /// failure, and the number of events in each request.
    fn publish(
        input: &str,
        answers: Vec<String>,
    ) -> (Report, Result<(), (Exit, String)>, Vec<usize>) {
        let (client, served) = listener(answers);
        let events = Events::read("orders", input.as_bytes()).unwrap();
        let mut report = Report::default();

        let result = all(&client, events, &mut report, || {});
        let bodies = served.join().unwrap().into_iter().map(|(_, body)| {
            serde_json::from_str::<Vec<serde_json::Value>>(&body)
                .unwrap()
                .len()
        });
        let sizes = bodies.collect();
        (report, result.map_err(|failure| failure.parts()), sizes)
    }

    #[test]
    fn one_event_is_one_line() {
        let (report, result, _) = publish(&line(7), vec![accepted(1, 0)]);
        assert_eq!(
            (report.text().as_str(), result),
            ("accepted 1 t 7\n", Ok(()))
        );
        let (report, ..) = publish(&line(7), vec![accepted(0, 1)]);
        assert_eq!(report.text(), "accepted before 1 t 7\n");
    }

    #[test]
    fn many_events_go_in_several_requests() {
        let count = limits::PUBLISH_EVENTS + 2;
        let input: String = (0..count).map(line).collect();
        let answers = vec![accepted(limits::PUBLISH_EVENTS, 0), accepted(0, 2)];
        let (report, result, sizes) = publish(&input, answers);
        assert_eq!(result, Ok(()));
        assert_eq!(sizes, [limits::PUBLISH_EVENTS, 2]);
        assert_eq!(report.text(), "accepted 502 events, 2 of them before\n");
    }

    #[test]
    fn a_mistake_leaves_what_came_before_it_stored() {
        let input = format!("{}{}{{}}\n{}", line(1), line(2), line(3));
        let (report, result, sizes) = publish(&input, vec![accepted(2, 0)]);
        assert_eq!(sizes, [2]);
        assert_eq!(report.text(), "accepted 2 events\n");
        let (exit, text) = result.unwrap_err();
        assert_eq!(exit, Exit::Negative);
        assert_eq!(
            text,
            "error: orders, line 3 is refused\n  because: `specversion` is required\n\
             hint: the 2 events before it are stored, nothing after it was sent; correct it and \
             publish all of it again: what is stored is not stored twice\n"
        );
    }

    #[test]
    fn a_busy_host_is_asked_again_and_not_for_ever() {
        let busy = || answer("503 Busy\r\nretry-after: 0", &problem(503, "try again"));
        let (report, result, sizes) = publish(&line(1), vec![busy(), busy(), accepted(1, 0)]);
        assert_eq!((report.total(), result, sizes.len()), (1, Ok(()), 3));

        let tries = limits::PUBLISH_TRIES_MAX as usize;
        let (report, result, sizes) =
            publish(&line(1), iter::repeat_with(busy).take(tries).collect());
        assert_eq!((report.total(), sizes.len()), (0, tries));
        assert_eq!(result.unwrap_err().0, Exit::Unreachable);
    }

    #[test]
    fn an_event_that_the_host_refuses_is_a_negative_answer() {
        let refused = answer("400 Bad Request", &problem(400, "item 0 of the batch: no"));
        let (report, result, _) = publish(&line(1), vec![refused]);
        assert!(report.is_empty());
        assert_eq!(
            result,
            Err((
                Exit::Negative,
                "error: item 0 of the batch: no\n".to_owned()
            ))
        );
    }
}
