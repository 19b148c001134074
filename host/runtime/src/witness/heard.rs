//! One request of an attempt, and what came of it.

use bytes::Bytes;
use waystation_core::{Answer, Asked, Content, Exchange};

use super::Side;
use crate::scrub::{Cut, Scrub};

/// One request and what came of it.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) asked: Passed,
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(String, Bytes)>,
    pub(super) answered: Passed,
    pub(super) error: Option<String>,
}

/// What went by of a body.
#[derive(Default)]
pub(super) struct Passed {
    pub(super) pieces: Vec<Bytes>,
    /// Whether its end went by.
    pub(super) is_over: bool,
    /// Whether more went by than is here.
    pub(super) is_cut: bool,
}

/// What an answer ends with of which not all is kept, so that whoever gets it
/// once more does not take it for all.
const INCOMPLETE: &str = "http-response-incomplete";

impl Heard {
    /// One of which nothing is kept.
    pub(super) fn left_out() -> Self {
        let mut heard = Self::default();
        (heard.asked.is_cut, heard.answered.is_cut) = (true, true);
        heard
    }

    pub(super) fn body(&mut self, side: Side) -> &mut Passed {
        match side {
            Side::Request => &mut self.asked,
            Side::Answer => &mut self.answered,
        }
    }

    /// Keeps nothing more of a body.
    pub(super) fn cut(&mut self, side: Side) {
        self.body(side).is_cut = true;
        if matches!(side, Side::Answer) {
            self.error.get_or_insert_with(|| INCOMPLETE.to_owned());
        }
    }

    /// As it is kept, without secrets, and whether the attempt saw more.
    pub(super) fn into_exchange(self, scrub: &Scrub) -> (Exchange, bool) {
        let text = |bytes: &[u8]| {
            let clean = scrub.bytes(bytes, Cut::Whole);
            String::from_utf8_lossy(&clean).into_owned()
        };
        let (asked, asked_cut) = self.asked.clean(scrub);
        let (answered, answered_cut) = self.answered.clean(scrub);
        // The name of a field with a secret in it would be none without.
        let (fields, hidden): (Vec<_>, Vec<_>) = self
            .headers
            .iter()
            .partition(|(name, _)| scrub.text(name.clone()) == *name);
        let answer = self.status.map(|status| Answer {
            status,
            headers: fields
                .into_iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
            body: Content(answered),
        });
        let exchange = Exchange {
            request: Asked {
                method: scrub.text(self.method),
                url: text(self.url.as_bytes()),
                body: (!asked.is_empty()).then_some(Content(asked)),
            },
            answer,
            error: self.error.map(|error| scrub.text(error)),
        };
        (exchange, asked_cut || answered_cut || !hidden.is_empty())
    }
}

impl Passed {
    /// The body without secrets, and whether it is shorter than what went by. One
    /// that breaks off may end with a part of a secret, which shows neither.
    fn clean(&self, scrub: &Scrub) -> (Bytes, bool) {
        let text = self.pieces.concat();
        let whole = scrub.bytes(&text, Cut::Whole);
        if self.is_over && !self.is_cut {
            return (whole.into_owned().into(), false);
        }
        let begun = scrub.bytes(&text, Cut::Back);
        let is_cut = self.is_cut || begun.len() < whole.len();
        (begun.into_owned().into(), is_cut)
    }
}
