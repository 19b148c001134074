//! Other hosts, as a test has them answer.

use std::collections::VecDeque;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fail;
use crate::http::{HttpFault, Parts, Received, Url};

/// A call that the handler made of another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method, in capitals.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The headers that the handler set; the names are in lower case. The host adds
    /// `idempotency-key` and `traceparent`.
    pub headers: Vec<(String, String)>,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
}

impl Call {
    pub(super) fn of(parts: &Parts<'_>) -> Self {
        Self {
            method: parts.method.to_owned(),
            url: parts.url.text(),
            headers: parts.headers.to_vec(),
            body: parts.body.to_vec(),
        }
    }

    /// The first header of a name, in which case does not count.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// The body, from JSON.
    ///
    /// # Errors
    /// When it is no `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// What another host answers to requests of one method and URL, in turn; the last
/// answer is given again and again. From [`World::http`](super::World::http).
#[derive(Clone, Debug)]
pub struct Answers {
    method: String,
    url: String,
    answers: VecDeque<Result<Received, HttpFault>>,
}

impl Answers {
    #[track_caller]
    pub(super) fn new(method: &str, url: &str) -> Self {
        match Url::parse(url) {
            Ok(url) => Self {
                method: method.to_ascii_uppercase(),
                url: url.text(),
                answers: VecDeque::new(),
            },
            Err(why) => fail(&format!("`{url}` is not what a handler can call: {why}")),
        }
    }

    pub(super) fn are_for(&self, other: &Self) -> bool {
        (&self.method, &self.url) == (&other.method, &other.url)
    }

    /// Answers with a status and JSON.
    ///
    /// # Panics
    /// When the value cannot be written as JSON.
    #[track_caller]
    pub fn answer(&mut self, status: u16, data: &(impl Serialize + ?Sized)) -> &mut Self {
        match serde_json::to_vec(data) {
            Ok(bytes) => self.answer_bytes(status, "application/json", &bytes),
            Err(error) => fail(&format!("the answer cannot be written as JSON: {error}")),
        }
    }

    /// Answers with a status and a body of a media type.
    pub fn answer_bytes(&mut self, status: u16, content_type: &str, body: &[u8]) -> &mut Self {
        self.answers.push_back(Ok(Received {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.to_vec(),
        }));
        self
    }

    /// Adds a header to the last answer.
    ///
    /// # Panics
    /// When there is no answer yet.
    #[track_caller]
    pub fn header(&mut self, name: &str, value: &str) -> &mut Self {
        match self.answers.back_mut() {
            Some(Ok(answer)) => answer
                .headers
                .push((name.to_ascii_lowercase(), value.to_owned())),
            _ => fail(&format!(
                "there is no answer for the header `{name}`: call `answer` before `header`"
            )),
        }
        self
    }

    /// Does not answer in time.
    pub fn time_out(&mut self) -> &mut Self {
        self.fail_with(HttpFault::TimedOut)
    }

    /// Fails otherwise, such as with [`HttpFault::Unreachable`].
    pub fn fail_with(&mut self, fault: HttpFault) -> &mut Self {
        self.answers.push_back(Err(fault));
        self
    }

    fn next(&mut self) -> Option<Result<Received, HttpFault>> {
        if self.answers.len() > 1 {
            self.answers.pop_front()
        } else {
            self.answers.front().cloned()
        }
    }
}

/// The answer to a call; None if the test has none.
pub fn answer_to(call: &Call, answers: &mut [Answers]) -> Option<Result<Received, HttpFault>> {
    let mut answers = answers.iter_mut();
    let found = answers.find(|it| it.method == call.method && it.url == call.url)?;
    found.next()
}

/// What to write into the test for a call that it has no answer to.
pub fn missing(call: &Call, answers: &[Answers]) -> String {
    let Call { method, url, .. } = call;
    let mut text = format!("the handler calls `{call}`, to which the test has no answer\n");
    for other in answers {
        text.push_str(&format!(
            "  it has one to `{} {}`\n",
            other.method, other.url
        ));
    }
    text.push_str("  set one before the delivery:\n");
    text.push_str(&format!(
        "  world.http({method:?}, {url:?}).answer(200, &json!({{}}));"
    ));
    text
}
