//! Bodies, read within a size, a time and a share of the memory.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use waystation_core::limits;

use super::problem::{Kind, Rejection};

/// Reads bodies, and bounds what they take in memory together.
#[derive(Clone)]
pub struct Bodies {
    room_bytes: Arc<Semaphore>,
}

/// A body that was read. It takes up room until it is dropped.
pub struct Read {
    /// The body.
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// A body that is being read.
#[derive(Default)]
struct Growing {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// Bodies that take so many bytes together.
    pub fn new(room_bytes: usize) -> Self {
        Self {
            room_bytes: Arc::new(Semaphore::new(room_bytes)),
        }
    }

    /// Reads a body of at most `bytes_max` bytes.
    pub async fn read(&self, body: Body, bytes_max: usize) -> Result<Read, Rejection> {
        let too_large = || {
            let detail = format!("the body is larger than {bytes_max} bytes");
            Rejection::new(Kind::TooLarge, detail).about(None, "body-size")
        };
        // Content-Length tells before a byte is read.
        if body.size_hint().lower() > bytes_max as u64 {
            return Err(too_large());
        }
        let expected = body.size_hint().exact();
        let expected = expected.map_or(bytes_max, |bytes| {
            usize::try_from(bytes).unwrap_or(bytes_max)
        });
        let read = async {
            let mut chunks = body.into_data_stream();
            let mut received = 0;
            let mut kept = Ok(Growing::default());
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|error| broken(&error))?;
                if chunk.len() > bytes_max - received {
                    return Err(too_large());
                }
                received += chunk.len();
                // What there is no room for is read to its end as well: a client
                // that still sends would lose its connection before the answer.
                kept = kept.and_then(|kept| self.keep(kept, &chunk, expected));
            }
            kept.map(|kept| Read {
                bytes: kept.bytes.into(),
                _room: kept.room,
            })
        };
        timeout(limits::HTTP_BODY_TIMEOUT, read)
            .await
            .unwrap_or_else(|_| Err(slow()))
    }

    /// Adds a chunk to what came before. What is allocated doubles each time, up
    /// to what is expected, and all of it counts.
    fn keep(&self, mut kept: Growing, chunk: &[u8], expected: usize) -> Result<Growing, Rejection> {
        let (allocated, needed) = (kept.bytes.capacity(), kept.bytes.len() + chunk.len());
        if needed > allocated {
            let wanted = needed.max(expected.min(2 * allocated));
            let more = self.room(wanted - allocated)?;
            match &mut kept.room {
                Some(room) => room.merge(more),
                None => kept.room = Some(more),
            }
            kept.bytes.reserve_exact(wanted - kept.bytes.len());
        }
        kept.bytes.extend_from_slice(chunk);
        Ok(kept)
    }

    fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Rejection> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.room_bytes)
            .try_acquire_many_owned(bytes)
            .map_err(|_| Rejection::new(Kind::Busy, "too many bodies are read at once: try again"))
    }
}

fn broken(error: &axum::Error) -> Rejection {
    Rejection::new(Kind::Body, format!("the body broke off: {error}"))
}

fn slow() -> Rejection {
    let detail = format!(
        "the body did not come within {:?}",
        limits::HTTP_BODY_TIMEOUT
    );
    Rejection::new(Kind::Slow, detail)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use futures_util::stream;

    use super::*;

    fn chunks(chunks: &[&'static [u8]]) -> Body {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok(Bytes::from_static(chunk)))
            .collect();
        Body::from_stream(stream::iter::<Vec<Result<Bytes, axum::Error>>>(chunks))
    }

    async fn check(bodies: &Bodies, body: Body, expected: Result<&'static [u8], StatusCode>) {
        let read = bodies.read(body, 8).await;
        let found = read
            .map(|read| read.bytes)
            .map_err(|error| error.into_response().status());
        assert_eq!(found, expected.map(Bytes::from_static));
    }

    #[tokio::test]
    async fn a_body_is_bounded_with_and_without_a_length() {
        let bodies = Bodies::new(100);
        check(&bodies, Body::empty(), Ok(b"")).await;
        check(&bodies, Body::from("12345678"), Ok(b"12345678")).await;
        check(&bodies, chunks(&[b"1234", b"5678"]), Ok(b"12345678")).await;
        let too_large = Err(StatusCode::PAYLOAD_TOO_LARGE);
        check(&bodies, Body::from("123456789"), too_large).await;
        check(&bodies, chunks(&[b"1234", b"5678", b"9"]), too_large).await;
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded() {
        let bodies = Bodies::new(10);
        let held = bodies.read(Body::from("12345678"), 8).await.unwrap();
        check(&bodies, Body::from("12"), Ok(b"12")).await;
        check(
            &bodies,
            Body::from("123"),
            Err(StatusCode::SERVICE_UNAVAILABLE),
        )
        .await;
        drop(held);
        check(&bodies, Body::from("123"), Ok(b"123")).await;
    }

    #[tokio::test]
    async fn what_is_allocated_counts() {
        let bodies = Bodies::new(9);
        // Without a length, 6 bytes that come as 4 and 2 take 8.
        let held = bodies.read(chunks(&[b"1234", b"56"]), 8).await.unwrap();
        check(&bodies, Body::from("1"), Ok(b"1")).await;
        check(
            &bodies,
            Body::from("12"),
            Err(StatusCode::SERVICE_UNAVAILABLE),
        )
        .await;
        drop(held);
        check(&bodies, Body::from("12"), Ok(b"12")).await;
    }

    #[tokio::test]
    async fn what_is_refused_is_read_to_its_end() {
        let read = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&read);
        let chunks = stream::iter(["12", "34", "56"]).map(move |chunk| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, axum::Error>(Bytes::from_static(chunk.as_bytes()))
        });
        let busy = Err(StatusCode::SERVICE_UNAVAILABLE);
        check(&Bodies::new(1), Body::from_stream(chunks), busy).await;
        assert_eq!(read.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_its_time() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, axum::Error>>());
        check(&Bodies::new(10), never, Err(StatusCode::REQUEST_TIMEOUT)).await;
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let broken = stream::iter([Err(axum::Error::new("connection reset"))]);
        let broken = Body::from_stream::<_>(broken.map(|e: Result<Bytes, axum::Error>| e));
        check(&Bodies::new(10), broken, Err(StatusCode::BAD_REQUEST)).await;
    }
}
