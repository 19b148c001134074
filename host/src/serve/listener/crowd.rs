//! Which connection to close when there are too many.
//!
//! A connection is at rest until the whole of a request came, and again once the
//! answer was handed over. Closing it then loses nothing that was promised. The
//! one that did nothing for the longest time goes first, so who stalls, in the
//! headers, in the body or after an answer, makes room for who does not.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

/// The connections of a listener.
#[derive(Debug, Default)]
pub struct Crowd {
    resting: Mutex<Resting>,
    /// One more is at rest.
    rests: Notify,
}

/// The connections at rest, in the order in which they last did something.
#[derive(Debug, Default)]
struct Resting {
    last_turn: u64,
    /// Each is told when it is to be closed.
    by_turn: BTreeMap<u64, Arc<Notify>>,
}

/// One connection's place in the crowd, given up when it is dropped.
#[derive(Debug)]
pub struct Seat {
    crowd: Arc<Crowd>,
    /// Told when the connection is to be closed.
    taken: Arc<Notify>,
    /// When it last came to rest: its key among those at rest, if it still is.
    turn: AtomicU64,
}

impl Crowd {
    /// A seat for a connection that came and is at rest.
    pub fn seat(crowd: &Arc<Self>) -> Arc<Seat> {
        let seat = Seat {
            crowd: Arc::clone(crowd),
            taken: Arc::default(),
            turn: AtomicU64::new(0),
        };
        seat.rest();
        Arc::new(seat)
    }

    /// Has the connection closed that is at rest for the longest time, once there
    /// is one.
    pub async fn close_oldest(&self) {
        loop {
            if let Some((_, taken)) = self.lock().by_turn.pop_first() {
                taken.notify_one();
                return;
            }
            self.rests.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Resting> {
        // Nothing panics while it holds the lock, so a poisoned one is whole.
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Watches a request's body come in. Without a body, the request is under way
    /// at once.
    pub fn watch<B: HttpBody>(seat: &Arc<Self>, body: B) -> Watched<B> {
        if body.is_end_stream() {
            seat.work();
        } else {
            seat.rest();
        }
        Watched {
            body,
            seat: Arc::clone(seat),
        }
    }

    /// The connection is at rest; if it was before, it did something meanwhile.
    pub fn rest(&self) {
        let mut resting = self.crowd.lock();
        resting.last_turn += 1;
        let turn = resting.last_turn;
        // The lock orders what happens to it.
        let before = self.turn.swap(turn, Ordering::Relaxed);
        resting.by_turn.remove(&before);
        resting.by_turn.insert(turn, Arc::clone(&self.taken));
        drop(resting);
        self.crowd.rests.notify_one();
    }

    /// A request is under way.
    fn work(&self) {
        let mut resting = self.crowd.lock();
        resting.by_turn.remove(&self.turn.load(Ordering::Relaxed));
    }

    /// Returns when the connection is to be closed.
    pub async fn taken(&self) {
        self.taken.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.work();
    }
}

/// A body that keeps its connection's seat up to date while it comes.
#[derive(Debug)]
pub struct Watched<B> {
    body: B,
    seat: Arc<Seat>,
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Ok(_))) if !self.body.is_end_stream() => self.seat.rest(),
            Poll::Ready(_) => self.seat.work(),
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::{FutureExt as _, StreamExt as _, stream};

    use super::*;

    fn is_taken(seat: &Seat) -> bool {
        seat.taken().now_or_never().is_some()
    }

    #[track_caller]
    fn closes(crowd: &Crowd, expected: Option<&Seat>) {
        let closed = crowd.close_oldest().now_or_never();
        assert_eq!(closed.is_some(), expected.is_some());
        assert!(expected.is_none_or(is_taken));
    }

    #[test]
    fn the_one_that_did_nothing_for_the_longest_time_goes_first() {
        let crowd = Arc::default();
        let [a, b, c] = [(); 3].map(|()| Crowd::seat(&crowd));
        a.rest();
        closes(&crowd, Some(&b));
        drop(c);
        closes(&crowd, Some(&a));
        closes(&crowd, None);
    }

    #[test]
    fn a_request_that_came_whole_is_not_disturbed() {
        let crowd = Arc::default();
        let seat = Crowd::seat(&crowd);
        let _empty = Seat::watch(&seat, Body::empty());
        closes(&crowd, None);
        seat.rest();
        closes(&crowd, Some(&seat));
    }

    #[tokio::test]
    async fn a_body_that_comes_keeps_its_turn_and_one_that_came_is_safe() {
        let crowd = Arc::default();
        let seat = Crowd::seat(&crowd);
        let chunks = stream::iter(["a", "b"]).map(Ok::<_, axum::Error>);
        let body = Seat::watch(&seat, Body::from_stream(chunks));
        let stalled = Crowd::seat(&crowd);
        let mut body = Body::new(body).into_data_stream();
        body.next().await.unwrap().unwrap();
        closes(&crowd, Some(&stalled));
        body.next().await.unwrap().unwrap();
        assert!(body.next().await.is_none());
        closes(&crowd, None);
    }

    #[tokio::test]
    async fn who_waits_for_room_is_told_of_it() {
        let crowd = Arc::default();
        let seat = Crowd::seat(&crowd);
        seat.work();
        let waits = tokio::spawn({
            let crowd = Arc::clone(&crowd);
            async move { crowd.close_oldest().await }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        seat.rest();
        waits.await.unwrap();
        assert!(is_taken(&seat));
    }
}
