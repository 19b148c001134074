//! What an attempt sees of time, chance and other hosts. All of it is kept until
//! the attempt ends; in a rehearsal it is also given.

mod heard;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _, TryRng};
use wasmtime_wasi::clocks::{MonotonicClock, WallClock};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};
use waystation_core::{Exchange, Moment, Readings, Seeds, limits};

use self::heard::{Heard, Passed};
use crate::rehearsal::Given;
use crate::scrub::Scrub;

/// Keeps what an attempt sees. Nothing is allocated before it sees something.
/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Witness(Arc<Mutex<Inner>>);

struct Inner {
    seen: Sight,
    secure: Option<Box<ChaCha20Rng>>,
    insecure: Option<Box<ChaCha20Rng>>,
    /// What a rehearsal gives instead of the real thing.
    given: Option<Given>,
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Sight {
    readings: Readings,
    seed: Option<[u8; 32]>,
    instance: [u8; 16],
    http: Vec<Heard>,
    http_left: usize,
    /// Whether more HTTP was seen than is kept.
    is_http_cut: bool,
    is_cut: bool,
}

/// A request that is under way.
#[derive(Clone)]
pub(crate) struct Hearing {
    witness: Witness,
    /// Its place among those of the attempt.
    index: usize,
}

/// The two ends of an exchange.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Request,
    Answer,
}

impl Witness {
    pub(crate) fn new(given: Option<Given>) -> Self {
        let seeds = given.as_ref().and_then(|given| given.seeds);
        let mut inner = Inner {
            seen: Sight::default(),
            secure: None,
            insecure: None,
            given,
        };
        inner.seen.instance = seeds.map_or_else(rand::random, |seeds| seeds.instance);
        inner.seen.http_left = inner.http_room();
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Has an instance see through this.
    pub(crate) fn surround(&self, wasi: &mut WasiCtxBuilder) {
        wasi.wall_clock(Wall(self.clone(), WallClock::new()))
            .monotonic_clock(Monotonic(self.clone(), MonotonicClock::new()))
            .secure_random(Chance(self.clone(), Kind::Secure))
            .insecure_random(Chance(self.clone(), Kind::Insecure))
            .insecure_random_seed(u128::from_le_bytes(self.lock().seen.instance));
    }

    /// Begins another attempt of the same instance.
    pub(crate) fn begin(&self) {
        self.take();
    }

    /// Ends the attempt: what it saw.
    pub(crate) fn take(&self) -> Sight {
        let mut inner = self.lock();
        let instance = inner.seen.instance;
        let http_left = inner.http_room();
        inner.secure = None;
        inner.insecure = None;
        std::mem::replace(
            &mut inner.seen,
            Sight {
                instance,
                http_left,
                ..Sight::default()
            },
        )
    }

    pub(crate) fn is_rehearsal(&self) -> bool {
        self.lock().given.is_some()
    }

    /// A request is made.
    pub(crate) fn hear(&self, method: &http::Method, url: &http::Uri) -> Hearing {
        let mut inner = self.lock();
        let heard = Heard {
            method: method.to_string(),
            url: url.to_string(),
            ..Heard::default()
        };
        let fits = inner.seen.take_room(heard.url.len());
        let heard = if fits { heard } else { Heard::left_out() };
        inner.seen.http.push(heard);
        Hearing {
            witness: self.clone(),
            index: inner.seen.http.len() - 1,
        }
    }

    /// What a rehearsal answers to a request; none if it goes out.
    pub(crate) fn answer(
        &self,
        method: &http::Method,
        url: &http::Uri,
        scrub: &Scrub,
    ) -> Option<Result<Exchange, String>> {
        let mut inner = self.lock();
        let given = inner.given.as_mut()?;
        given.answer(method.as_str(), url.to_string(), scrub)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held leaves at worst less to look at.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The room for HTTP at the beginning of an attempt.
    fn http_room(&self) -> usize {
        match self.given {
            Some(_) => limits::REHEARSED_HTTP_BYTES_MAX,
            None => limits::SEEN_HTTP_BYTES_MAX,
        }
    }

    fn rng(&mut self, kind: Kind) -> &mut ChaCha20Rng {
        let given = self.given.as_ref().and_then(|given| given.seeds);
        let fresh = || given.map_or_else(rand::random, |seeds| seeds.values);
        let mut seed = *self.seen.seed.get_or_insert_with(fresh);
        let slot = match kind {
            Kind::Secure => &mut self.secure,
            Kind::Insecure => {
                // Two streams that have nothing to do with each other.
                seed.reverse();
                &mut self.insecure
            }
        };
        slot.get_or_insert_with(|| Box::new(ChaCha20Rng::from_seed(seed)))
    }
}

impl Sight {
    /// Whether more HTTP was seen than is kept.
    pub(crate) fn is_http_cut(&self) -> bool {
        self.is_http_cut
    }

    /// What was seen, without secrets.
    pub(crate) fn into_parts(self, scrub: &Scrub) -> (Readings, Seeds, Vec<Exchange>, bool) {
        let seeds = Seeds {
            values: self.seed.unwrap_or_else(rand::random),
            instance: self.instance,
        };
        let http = self.http.into_iter().filter(|it| !it.method.is_empty());
        let mut is_cut = self.is_cut || self.is_http_cut;
        let http = http.map(|it| {
            let (exchange, is_shorter) = it.into_exchange(scrub);
            is_cut |= is_shorter;
            exchange
        });
        let http = http.collect();
        (self.readings, seeds, http, is_cut)
    }

    fn body(&mut self, index: usize, side: Side) -> Option<&mut Passed> {
        Some(self.http.get_mut(index)?.body(side))
    }

    /// Takes room for bytes of HTTP, if there is as much.
    fn take_room(&mut self, bytes: usize) -> bool {
        let left = self.http_left.checked_sub(bytes);
        self.is_http_cut |= left.is_none();
        self.http_left = left.unwrap_or(self.http_left);
        left.is_some()
    }

    fn keep<T>(list: &mut Vec<T>, value: T, is_cut: &mut bool) {
        if list.len() < limits::SEEN_READINGS_MAX {
            list.push(value);
        } else {
            *is_cut = true;
        }
    }
}

impl Hearing {
    /// A piece of a body went by. Once one is left out, so are those after it.
    pub(crate) fn piece(&self, side: Side, bytes: &Bytes) {
        let mut inner = self.witness.lock();
        let seen = &mut inner.seen;
        if seen.body(self.index, side).is_none_or(|body| body.is_cut) {
            return;
        }
        let fits = seen.take_room(bytes.len());
        if let Some(heard) = seen.http.get_mut(self.index) {
            if fits {
                heard.body(side).pieces.push(bytes.clone());
            } else {
                heard.cut(side);
            }
        }
    }

    /// The end of a body went by.
    pub(crate) fn ended(&self, side: Side) {
        if let Some(body) = self.witness.lock().seen.body(self.index, side) {
            body.is_over = true;
        }
    }

    /// The head of the answer came.
    pub(crate) fn head(&self, head: &http::response::Parts) {
        let fields = || head.headers.iter();
        let size = fields().map(|(name, value)| name.as_str().len() + value.len());
        let mut inner = self.witness.lock();
        let fits = inner.seen.take_room(size.sum());
        let Some(heard) = inner.seen.http.get_mut(self.index) else {
            return;
        };
        if !fits {
            return heard.cut(Side::Answer);
        }
        heard.status = Some(head.status.as_u16());
        let fields = fields().map(|(name, value)| {
            let value = Bytes::copy_from_slice(value.as_bytes());
            (name.as_str().to_owned(), value)
        });
        heard.headers = fields.collect();
    }

    /// It failed, or its answer ended early.
    pub(crate) fn failed(&self, error: &str) {
        let mut inner = self.witness.lock();
        let fits = inner.seen.take_room(error.len());
        if let Some(heard) = inner.seen.http.get_mut(self.index) {
            if fits {
                heard.error = Some(error.to_owned());
            } else {
                // It failed in any case.
                heard.cut(Side::Answer);
            }
        }
    }
}

/// The time of day.
struct Wall(Witness, WallClock);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        self.1.resolution()
    }

    fn now(&self) -> Duration {
        let mut inner = self.0.lock();
        let given = inner.given.as_mut().and_then(Given::wall);
        let now = given.unwrap_or_else(|| self.1.now());
        let Sight {
            readings, is_cut, ..
        } = &mut inner.seen;
        Sight::keep(&mut readings.wall, Moment(now), is_cut);
        now
    }
}

/// The clock that only goes forward.
struct Monotonic(Witness, MonotonicClock);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        self.1.resolution()
    }

    fn now(&self) -> u64 {
        let mut inner = self.0.lock();
        let given = inner.given.as_mut().and_then(Given::monotonic);
        let now = given.unwrap_or_else(|| self.1.now());
        let Sight {
            readings, is_cut, ..
        } = &mut inner.seen;
        Sight::keep(&mut readings.monotonic, now, is_cut);
        now
    }
}

/// Random values.
struct Chance(Witness, Kind);

/// The two interfaces of random values.
#[derive(Clone, Copy)]
enum Kind {
    Secure,
    Insecure,
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.lock().rng(self.1).next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.lock().rng(self.1).next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.lock().rng(self.1).fill_bytes(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
