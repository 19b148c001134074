//! Bodies of which every piece is heard.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, WasiBody};

use super::failure;
use crate::witness::{Hearing, Side};

/// A body of which every piece is heard.
struct Heard {
    body: WasiBody,
    hearing: Hearing,
    side: Side,
}

/// The same body, of which every piece is heard.
pub(super) fn heard(body: WasiBody, hearing: &Hearing, side: Side) -> WasiBody {
    let hearing = hearing.clone();
    let heard = Heard {
        body,
        hearing,
        side,
    };
    heard.boxed_unsync()
}

impl Body for Heard {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(piece) = frame.data_ref() {
                    self.hearing.piece(self.side, piece);
                }
                // Nobody need ask once more to know that this was all.
                if self.body.is_end_stream() {
                    self.hearing.ended(self.side);
                }
            }
            Some(Err(error)) => self.hearing.failed(&failure::name(error)),
            None => self.hearing.ended(self.side),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
