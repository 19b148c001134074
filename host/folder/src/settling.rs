//! When a change in the folder counts.
//!
//! A pure decision over readings and moments, so that a test turns the time by
//! hand.

use std::time::Duration;

use tokio::time::Instant;

use crate::Options;
use crate::listing::Marks;

/// How the files of one handler were last seen. None: its component is gone.
pub(crate) type Reading = Option<Marks>;

/// How long a reading must last before it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    settle: Duration,
    grace: Duration,
}

impl From<&Options> for Pauses {
    fn from(options: &Options) -> Self {
        Self {
            settle: options.settle,
            grace: options.grace,
        }
    }
}

/// The readings of one handler's files.
#[derive(Debug)]
pub(crate) struct Settling {
    reading: Reading,
    /// The first time that it read so; or later, if it is to rest.
    since: Instant,
    /// The last reading that was acted on.
    judged: Option<Reading>,
    pauses: Pauses,
}

impl Settling {
    /// A handler that was seen for the first time.
    pub fn new(marks: Marks, now: Instant, pauses: Pauses) -> Self {
        Self {
            reading: Some(marks),
            since: now,
            judged: None,
            pauses,
        }
    }

    /// Notes a reading. Gives the moment from which it counts, if it is not
    /// judged already.
    pub fn observe(&mut self, reading: Reading, now: Instant) -> Option<Instant> {
        if reading != self.reading {
            self.reading = reading;
            self.since = now;
        }
        self.due()
    }

    /// The moment from which the last reading counts, if it is not judged
    /// already.
    pub fn due(&self) -> Option<Instant> {
        let pause = match self.reading {
            Some(_) => self.pauses.settle,
            None => self.pauses.grace,
        };
        (self.judged != Some(self.reading)).then(|| self.since + pause)
    }

    /// This reading was acted on.
    pub fn judge(&mut self, reading: Reading) {
        self.judged = Some(reading);
    }

    /// The last reading must begin anew at this moment.
    pub fn restart(&mut self, at: Instant) {
        self.since = at;
        self.judged = None;
    }

    /// How the files read that were acted on last, if they read so still.
    pub fn judged(&self) -> Reading {
        self.judged.filter(|judged| *judged == self.reading)?
    }

    /// Whether files are there that were never acted on.
    pub fn is_new(&self) -> bool {
        self.reading.is_some() && self.judged.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Mark;

    const PAUSES: Pauses = Pauses {
        settle: Duration::from_millis(100),
        grace: Duration::from_millis(2_000),
    };

    /// The files while the component has this length.
    fn length(bytes: u64) -> Marks {
        let file = tempfile::tempfile().unwrap();
        file.set_len(bytes).unwrap();
        let mut mark = Mark::of(&file.metadata().unwrap());
        mark.bytes = bytes;
        Marks {
            component: mark,
            sidecar: None,
        }
    }

    #[test]
    fn a_file_counts_once_it_stood_still() {
        let (start, short, long) = (Instant::now(), length(1), length(2));
        let at = |millis| start + Duration::from_millis(millis);
        let mut files = Settling::new(short, at(0), PAUSES);
        assert_eq!(files.observe(Some(short), at(99)), Some(at(100)));
        assert_eq!(files.observe(Some(long), at(100)), Some(at(200)));
        assert_eq!(files.observe(Some(long), at(300)), Some(at(200)));
        files.judge(Some(long));
        assert_eq!(files.observe(Some(long), at(400)), None);
    }

    #[test]
    fn what_changed_while_it_was_judged_counts_again() {
        let (start, old, new) = (Instant::now(), length(1), length(2));
        let at = |millis| start + Duration::from_millis(millis);
        let mut files = Settling::new(old, at(0), PAUSES);
        files.observe(Some(new), at(150));
        files.judge(Some(old));
        assert_eq!(files.due(), Some(at(250)));
    }

    #[test]
    fn a_file_that_returns_within_the_grace_was_never_gone() {
        let (start, marks) = (Instant::now(), length(1));
        let at = |millis| start + Duration::from_millis(millis);
        let mut files = Settling::new(marks, at(0), PAUSES);
        files.judge(Some(marks));
        assert_eq!(files.observe(None, at(1_000)), Some(at(3_000)));
        assert_eq!(files.observe(Some(marks), at(2_999)), None);
        assert_eq!(files.observe(None, at(4_000)), Some(at(6_000)));
    }

    #[test]
    fn a_restart_waits_a_whole_pause() {
        let (start, marks) = (Instant::now(), length(1));
        let at = |millis| start + Duration::from_millis(millis);
        let mut files = Settling::new(marks, at(0), PAUSES);
        files.restart(at(500));
        assert_eq!(files.observe(Some(marks), at(510)), Some(at(600)));
        assert!(files.is_new());
    }
}
