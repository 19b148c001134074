//! Bodies within their bounds.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use wasmtime_wasi_http::{Error, WasiBody};
use waystation_core::limits;

/// The body of a request, which ends with an error when it is too large.
pub(super) struct Outgoing {
    body: WasiBody,
    left: u64,
}

impl Outgoing {
    pub(super) fn new(body: WasiBody) -> Self {
        Self {
            body,
            left: limits::OUTBOUND_REQUEST_BYTES_MAX,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let too_large = Error::HttpRequestBodySize(Some(limits::OUTBOUND_REQUEST_BYTES_MAX));
        Poll::Ready(frame.map(|frame| counted(frame?, &mut self.left, too_large)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response, which ends with an error when it is too large or
/// pauses for too long.
pub(super) struct Incoming {
    body: hyper::body::Incoming,
    left: u64,
    idle: Duration,
    /// Runs while the next bytes are waited for.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    pub(super) fn new(body: hyper::body::Incoming, idle: Duration) -> Self {
        Self {
            body,
            left: limits::OUTBOUND_RESPONSE_BYTES_MAX,
            idle,
            pause: None,
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            let idle = self.idle;
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(idle)));
            ready!(pause.as_mut().poll(context));
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        };
        self.pause = None;
        let too_large = Error::HttpResponseBodySize(Some(limits::OUTBOUND_RESPONSE_BYTES_MAX));
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(super::exchange::error)?;
            counted(frame, &mut self.left, too_large)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Takes a frame off what is left, or fails.
fn counted(frame: Frame<Bytes>, left: &mut u64, too_large: Error) -> Result<Frame<Bytes>, Error> {
    let length = frame.data_ref().map_or(0, Bytes::len) as u64;
    *left = left.checked_sub(length).ok_or(too_large)?;
    Ok(frame)
}
