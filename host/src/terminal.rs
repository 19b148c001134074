//! What a running host writes on its terminal: one line in and one line out for
//! each event, bounded in rate.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::Instant;
use waystation_core::{HandlerName, Outcome, did_you_mean_type};
use waystation_dispatch::{Notice, Settled};
use waystation_folder::{Handle, HandlerStatus, Notice as FolderNotice, Quarantine};

use crate::cli::clean;

/// The lines that are written in one second; the rest is counted.
const LINES_PER_SECOND: u32 = 100;

/// Writes lines until nothing more can come.
pub async fn watch(mut events: Receiver<Notice>, handle: Handle) {
    let mut folder = handle.changes();
    let mut out = Lines::new(io::stdout());
    let mut folder_open = true;
    loop {
        // When something was left out, the second's end tells how much.
        let until = out.second_ends();
        tokio::select! {
            notice = events.recv() => match notice {
                Ok(notice) => out.line(|| event_line(&notice, &handle)),
                Err(RecvError::Lagged(missed)) => out.missed(missed),
                Err(RecvError::Closed) => return,
            },
            notice = folder.recv(), if folder_open => match notice {
                Ok(notice) => out.always(&folder_line(&notice)),
                Err(RecvError::Lagged(missed)) => out.missed(missed),
                Err(RecvError::Closed) => folder_open = false,
            },
            () = tokio::time::sleep_until(until), if out.left_out > 0 => out.begin_second(),
        }
    }
}

/// Lines at a bounded rate.
struct Lines<W> {
    out: W,
    second: Instant,
    written: u32,
    left_out: u64,
}

impl<W: Write> Lines<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            second: Instant::now(),
            written: 0,
            left_out: 0,
        }
    }

    fn second_ends(&self) -> Instant {
        self.second + Duration::from_secs(1)
    }

    /// What is left out need not be made.
    fn line(&mut self, line: impl FnOnce() -> String) {
        if Instant::now() >= self.second_ends() {
            self.begin_second();
        }
        if self.written < LINES_PER_SECOND {
            self.written += 1;
            self.always(&line());
        } else {
            self.left_out += 1;
        }
    }

    fn missed(&mut self, count: u64) {
        self.left_out += count;
    }

    fn begin_second(&mut self) {
        self.second = Instant::now();
        self.written = 0;
        match std::mem::take(&mut self.left_out) {
            0 => {}
            left_out => self.always(&format!(
                "... {left_out} lines left out; `waystation deliveries` has them all"
            )),
        }
    }

    fn always(&mut self, line: &str) {
        write_line(&mut self.out, line);
    }
}

fn event_line(notice: &Notice, folder: &Handle) -> String {
    match notice {
        Notice::Arrived { entry, handlers } => {
            let wanted = match handlers {
                0 => unwanted(&entry.event.event_type, &folder.handlers()),
                1 => "1 handler".to_owned(),
                n => format!("{n} handlers"),
            };
            format!(
                "--> {} {}  {}  {wanted}",
                entry.sequence, entry.event.event_type, entry.event.id
            )
        }
        Notice::Settled(settled) => settled_line(settled),
    }
}

/// Why an event comes to no handler: its type may be another by mistake, or whoever
/// asks for it may not serve.
fn unwanted(event_type: &str, handlers: &[HandlerStatus]) -> String {
    let serving = handlers.iter().filter_map(|status| status.serving.as_ref());
    let wanted: BTreeSet<String> = serving
        .flat_map(|serving| &serving.settings.subscriptions)
        .flat_map(|filter| filter.types.iter().map(ToString::to_string))
        .collect();
    let mut text = "no handler asks for it".to_owned();
    if let Some(meant) = did_you_mean_type(event_type, wanted.iter().map(String::as_str)) {
        text.push_str(&format!("; did you mean `{meant}`?"));
    }
    let out = handlers.iter().filter(|status| status.serving.is_none());
    let out: Vec<&str> = out.map(|status| status.name.as_str()).collect();
    if !out.is_empty() {
        text.push_str(&format!("; not in service: {}", out.join(", ")));
    }
    text
}

fn settled_line(settled: &Settled) -> String {
    let Settled {
        handler,
        entry,
        attempt,
        attempts_max,
        outcome,
        took,
        ..
    } = settled;
    let took = millis(*took);
    let head = format!("<-- {} {handler}", entry.sequence);
    match outcome {
        Outcome::Ack => {
            let mut line = format!("{head}  ack  {took}");
            if *attempt > 1 {
                line.push_str(&format!("  attempt {attempt}"));
            }
            if !settled.published.is_empty() {
                line.push_str(&format!("  published {}", settled.published.join(", ")));
            }
            line
        }
        Outcome::Retry(failure) | Outcome::Reject(failure) => {
            let reason = failure.reason.lines().next().unwrap_or_default();
            let code = failure.code;
            match settled.due_in {
                Some(due_in) => format!(
                    "{head}  retry {attempt}/{attempts_max} {}  {took}  {code}: {reason}",
                    soon(due_in)
                ),
                None if !settled.dead => {
                    format!("{head}  failed, and the event is dropped  {took}  {code}: {reason}")
                }
                None => format!("{head}  dead after attempt {attempt}  {took}  {code}: {reason}"),
            }
        }
    }
}

/// What happened in the handlers folder.
pub fn folder_line(notice: &FolderNotice) -> String {
    match notice {
        FolderNotice::Installed {
            handler,
            digest,
            replaced,
            took,
        } => {
            let (digest, took) = (digest.short(), millis(*took));
            match replaced {
                Some(old) if old.short() == digest => {
                    format!("=== {handler}  {digest}  new settings  {took}")
                }
                Some(old) => format!(
                    "=== {handler}  {} -> {digest}  swapped  {took}",
                    old.short()
                ),
                None => format!("=== {handler}  {digest}  loaded  {took}"),
            }
        }
        FolderNotice::Refused { handler, refusal } => {
            format!("=== {handler}  refused: {}", one_line(&refusal.reason))
        }
        FolderNotice::Quarantined {
            handler,
            quarantine,
        } => {
            format!("=== {handler}  {}", quarantine_line(handler, quarantine))
        }
        FolderNotice::Mended { handler, digest } => {
            let digest = digest.short();
            format!("=== {handler}  {digest}  what is in the folder serves again")
        }
        FolderNotice::Retired { handler, digest } => {
            format!("=== {handler}  {}  retired", digest.short())
        }
    }
}

/// What is quarantined, why, and what to do about it.
pub fn quarantine_line(handler: &HandlerName, quarantine: &Quarantine) -> String {
    let asks: Vec<String> = quarantine.asks.iter().map(ToString::to_string).collect();
    format!(
        "{}  quarantined: asks for {}; let it in with `waystation handlers approve {handler}`",
        quarantine.digest.short(),
        asks.join(", ")
    )
}

/// Writes a line. A terminal that is gone must not stop the host.
pub fn say(line: &str) {
    write_line(&mut io::stdout(), line);
}

fn write_line(out: &mut impl Write, line: &str) {
    let _ = writeln!(out, "{}", clean::line(line));
}

/// A text of several lines on one.
pub fn one_line(text: &str) -> String {
    text.replace(":\n", ": ").replace('\n', "; ")
}

/// When something is due, for people.
fn soon(due_in: Duration) -> String {
    match due_in.as_secs_f64() {
        seconds if seconds < 0.05 => "at once".to_owned(),
        seconds => format!("in {seconds:.1} s"),
    }
}

fn millis(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_over_the_rate_is_counted() {
        let mut lines = Lines::new(Vec::new());
        for n in 0..LINES_PER_SECOND + 5 {
            lines.line(|| n.to_string());
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        lines.line(|| "next".to_owned());
        let text = String::from_utf8(lines.out).unwrap();
        assert_eq!(text.lines().count(), LINES_PER_SECOND as usize + 2);
        assert!(text.contains("... 5 lines left out"), "{text}");
        assert!(text.ends_with("next\n"), "{text}");
    }
}
