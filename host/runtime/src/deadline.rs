//! The time that a guest may take.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Runs a future, but no longer than so long. `None` if it took longer.
///
/// The clock is read each time the future gives way. A timer alone would fire
/// late: where guests keep every worker thread busy, the runtime looks at its
/// timers only once in many turns, and each turn lasts as long as a guest may run.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let deadline = Instant::now() + limit;
    let mut future = pin!(future);
    let mut timer = pin!(sleep_until(deadline));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if Instant::now() >= deadline {
            return Poll::Ready(None);
        }
        timer.as_mut().poll(context).map(|()| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn gives_the_output_or_nothing() {
        let long = Duration::from_secs(60);
        assert_eq!(within(long, async { 1 }).await, Some(1));
        assert_eq!(
            within(Duration::from_millis(1), pending::<()>()).await,
            None
        );
    }

    #[tokio::test]
    async fn a_future_that_is_always_busy_gets_no_turn_after_the_deadline() {
        let turn = Duration::from_millis(1);
        let mut turns = 0;
        let busy = poll_fn(|context| {
            turns += 1;
            let begun = Instant::now();
            while begun.elapsed() < turn {}
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(within(10 * turn, busy).await, None);
        assert!(turns <= 10, "{turns} turns");
    }
}
