//! A change that somebody asked for, and the answer that is owed.

use tokio::sync::oneshot;

use super::group::Group;
use crate::Error;

/// How much a request asks for.
#[derive(Clone, Copy)]
pub(super) struct Size {
    /// The events and settlements in it.
    pub(super) operations: usize,
    /// The bytes of events in it.
    pub(super) bytes: usize,
}

impl Size {
    /// One operation without an event.
    pub(super) const ONE: Self = Self {
        operations: 1,
        bytes: 0,
    };
}

/// A change of whatever kind, as the queue and the writer see it.
pub(super) trait Request: Send {
    fn size(&self) -> Size;

    /// Makes the change within a group. Called once.
    fn make(&mut self, group: &mut Group<'_>) -> rusqlite::Result<()>;

    /// Tells whoever asked what became of the group.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

/// A change that gives back a `T`.
pub(super) struct Change<F, T> {
    size: Size,
    change: Option<F>,
    made: Option<T>,
    answer: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Change<F, T>
where
    F: FnOnce(&mut Group<'_>) -> rusqlite::Result<T> + Send + 'static,
    T: Send + 'static,
{
    /// A request, and where its answer will be.
    pub(super) fn request(
        size: Size,
        change: F,
    ) -> (Box<dyn Request>, oneshot::Receiver<Result<T, Error>>) {
        let (answer, answered) = oneshot::channel();
        let request = Self {
            size,
            change: Some(change),
            made: None,
            answer,
        };
        (Box::new(request), answered)
    }
}

impl<F, T> Request for Change<F, T>
where
    F: FnOnce(&mut Group<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn size(&self) -> Size {
        self.size
    }

    fn make(&mut self, group: &mut Group<'_>) -> rusqlite::Result<()> {
        if let Some(change) = self.change.take() {
            self.made = Some(change(group)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let Self { made, answer, .. } = *self;
        let never_made = || Error::Store("a change was committed before it was made".to_owned());
        // Whoever asked may have gone away, which changes nothing.
        answer
            .send(committed.and_then(|()| made.ok_or_else(never_made)))
            .ok();
    }
}
